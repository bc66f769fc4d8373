package wal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/e2e/wal"
)

// write writes records into a new log and returns the file's path.
func write(t require.TestingT, dir string, records [][]byte) string {
	path := filepath.Join(dir, "log")
	log, _, err := wal.Open(path, func([]byte) error { return errors.New("a new log has no records") })
	require.NoError(t, err)
	for i, record := range records {
		require.EqualValues(t, i+1, log.Append(record))
	}
	require.NoError(t, log.Wait(log.Last()))
	require.NoError(t, log.Close())
	return path
}

func read(path string) (records [][]byte, dropped int64, err error) {
	log, dropped, err := wal.Open(path, func(record []byte) error {
		records = append(records, append([]byte{}, record...))
		return nil
	})
	if err == nil {
		err = log.Close()
	}
	return records, dropped, err
}

var someRecords = rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 40), 0, 12)

// TestCutAnywhere: of a log that is cut at any byte the whole records before the
// cut are left, and it can be written and read again.
func TestCutAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "wal")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		records := someRecords.Draw(t, "records")
		path := write(t, dir, records)
		info, err := os.Stat(path)
		require.NoError(t, err)
		cut := rapid.Int64Range(0, info.Size()).Draw(t, "cut")
		require.NoError(t, os.Truncate(path, cut))

		whole, end := 0, int64(0)
		for whole < len(records) && end+8+int64(len(records[whole])) <= cut {
			end += 8 + int64(len(records[whole]))
			whole++
		}
		got, dropped, err := read(path)
		require.NoError(t, err)
		require.Equal(t, whole, len(got))
		for i := range got {
			require.Equal(t, records[i], got[i])
		}
		require.Equal(t, cut-end, dropped)

		log, dropped, err := wal.Open(path, func([]byte) error { return nil })
		require.NoError(t, err)
		require.Zero(t, dropped)
		require.NoError(t, log.Wait(log.Append([]byte("more"))))
		require.NoError(t, log.Close())
		got, _, err = read(path)
		require.NoError(t, err)
		require.Len(t, got, whole+1)
		require.Equal(t, "more", string(got[whole]))
	})
}

// TestDamageIsNoTornTail: a flipped bit in a record that others follow stops the
// opening, and the file stays as it is; in the last record it may stand for an
// unfinished write.
func TestDamageIsNoTornTail(t *testing.T) {
	path := write(t, t.TempDir(), [][]byte{[]byte("first"), []byte("second")})
	data, err := os.ReadFile(path)
	require.NoError(t, err)

	damaged := append([]byte{}, data...)
	damaged[8] ^= 1
	require.NoError(t, os.WriteFile(path, damaged, 0o600))
	_, _, err = read(path)
	require.ErrorContains(t, err, "at byte 0: a record does not match its checksum")
	left, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, damaged, left)

	torn := append([]byte{}, data...)
	torn[len(torn)-1] ^= 1
	require.NoError(t, os.WriteFile(path, torn, 0o600))
	got, dropped, err := read(path)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.EqualValues(t, 8+len("second"), dropped)
}

// TestNobodyWaitsForAClosedLog: who appends when the log is closed already, as a
// request of a server's last moment does, is told, and does not wait for ever.
func TestNobodyWaitsForAClosedLog(t *testing.T) {
	log, _, err := wal.Open(filepath.Join(t.TempDir(), "log"), func([]byte) error { return nil })
	require.NoError(t, err)
	number := log.Append([]byte("kept"))
	require.NoError(t, log.Close())
	require.NoError(t, log.Wait(number))
	require.ErrorContains(t, log.Wait(log.Append([]byte("late"))), "closed")
}
