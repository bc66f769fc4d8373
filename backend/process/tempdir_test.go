package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// TestTempDirs compares both kinds with a map, over names that no file system
// would take as they are.
func TestTempDirs(t *testing.T) {
	names := rapid.OneOf(
		rapid.SampledFrom([]string{
			".", "..", "../up", "/etc/passwd", "a", "A", "a/b", "a%2fb", ".write-1", "x\x00y", "naïve", "%", "con", ".a", "%2ea",
		}),
		rapid.StringN(1, 10, 50),
	)
	rapid.Check(t, func(rt *rapid.T) {
		root := filepath.Join(t.TempDir(), "temp")
		onDisk, err := process.NewTempDir(root)
		require.NoError(rt, err)
		inMemory := process.NewMemoryTempDir()
		want := map[string][]byte{}
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				name := names.Draw(rt, "name")
				data := rapid.SliceOf(rapid.Byte()).Draw(rt, "data")
				want[name] = append([]byte{}, data...)
				require.NoError(rt, onDisk.Write(name, data))
				require.NoError(rt, inMemory.Write(name, data))
				clear(data) // the caller may reuse it
			},
			"remove": func(rt *rapid.T) {
				name := names.Draw(rt, "name")
				delete(want, name)
				require.NoError(rt, onDisk.Remove(name))
				require.NoError(rt, inMemory.Remove(name))
			},
			"read": func(rt *rapid.T) {
				name := names.Draw(rt, "name")
				for _, dir := range []env.TempDir{onDisk, inMemory} {
					got, err := dir.Read(name)
					if data, exists := want[name]; exists {
						require.NoError(rt, err)
						require.Equal(rt, data, append([]byte{}, got...))
					} else {
						require.ErrorIs(rt, err, env.ErrNotFound)
					}
				}
			},
			"reopen": func(rt *rapid.T) {
				onDisk, err = process.NewTempDir(root)
				require.NoError(rt, err)
			},
			"": func(rt *rapid.T) {
				files, err := os.ReadDir(root)
				require.NoError(rt, err)
				require.Len(rt, files, len(want), "one file an entry, nothing else")
			},
		})
	})
}

// TestTempDirAfterCrash: what a crash left half-written is gone, and nothing
// was written outside the directory.
func TestTempDirAfterCrash(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "w0", "temp")
	dir, err := process.NewTempDir(path)
	require.NoError(t, err)
	require.NoError(t, dir.Write("../../escape", []byte("x")))
	require.NoError(t, os.WriteFile(filepath.Join(path, ".write-123"), []byte("half"), 0o600))

	dir, err = process.NewTempDir(path)
	require.NoError(t, err)
	files, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Len(t, files, 1)
	got, err := dir.Read("../../escape")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	outside, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, outside, 1)
}

func TestTempDirErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "temp")
	dir, err := process.NewTempDir(path)
	require.NoError(t, err)
	require.ErrorIs(t, dir.Write("", nil), env.ErrInvalid)
	require.ErrorIs(t, dir.Write(strings.Repeat("X", 100), nil), env.ErrInvalid)
	require.NoError(t, dir.Write(strings.Repeat("x", 255), nil))

	require.NoError(t, os.RemoveAll(path))
	require.ErrorIs(t, dir.Write("a", nil), env.ErrUnavailable)
	_, err = dir.Read("a")
	require.ErrorIs(t, err, env.ErrNotFound)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = process.NewTempDir(path)
	require.Error(t, err)
}
