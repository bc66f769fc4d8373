package lerobot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
)

// readersVariable makes it an error that the readers are not installed.
const readersVariable = "CODEC_READERS"

// node runs one of testdata/readers, programs of somebody else's, and decodes what
// it prints.
func node(t *testing.T, into any, script string, arguments ...string) {
	t.Helper()
	folder, err := filepath.Abs("../testdata/readers")
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		if os.Getenv(readersVariable) != "" {
			require.NoError(t, err, "npm ci has not run")
		}
		t.Skip("the readers are not installed: `make codec` does it")
	}
	cmd := exec.Command("node", append([]string{filepath.Join(folder, script)}, arguments...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v", script, arguments)
	if into != nil {
		require.NoError(t, json.Unmarshal(out, into))
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// layouts are all ways in which recordings are laid out.
func layouts() []mcap.WriterOptions {
	var all []mcap.WriterOptions
	for _, size := range []int{0, 1, 3000, 1 << 20} {
		for _, compression := range []string{"", "lz4", "zstd"} {
			for _, bare := range []bool{false, true} {
				if size > 0 || compression == "" {
					all = append(all, mcap.WriterOptions{ChunkSize: size, Compression: compression, NoIndex: bare, NoCRC: bare, Library: "test"})
				}
			}
		}
	}
	return all
}

// What our writer writes, @mcap/core reads: the same messages in the same order,
// front to back and by the indexes, with all checksums.
func TestOthersReadRecordings(t *testing.T) {
	const frames = 7
	dir := t.TempDir()
	files := make(map[string]mcap.WriterOptions)
	arguments := []string{}
	for i, layout := range layouts() {
		name := filepath.Join(dir, strconv.Itoa(i)+".mcap")
		body := example.With(3, frames, example.Options{WriterOptions: layout, Task: "stack"})
		require.NoError(t, os.WriteFile(name, body, 0o644))
		files[name] = layout
		arguments = append(arguments, name)
	}
	type message struct {
		Topic, LogTime, Data, Text string
		Sequence                   uint32
		Positions                  []float64
	}
	var read map[string]struct {
		Messages []message
		Indexed  *struct{ Messages, Counted, Chunks int }
	}
	node(t, &read, "recording.mjs", arguments...)
	require.Len(t, read, len(files))
	for name, layout := range files {
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		got := read[name]
		i, states := 0, 0
		topics := map[uint16]string{}
		require.NoError(t, mcapRecords(body, func(r *mcap.Record) {
			switch r.Kind {
			case mcap.ChannelRecord:
				topics[r.Channel.ID] = r.Channel.Topic
			case mcap.MessageRecord:
				m := got.Messages[i]
				require.Equal(t, topics[r.Message.ChannelID], m.Topic)
				require.Equal(t, strconv.FormatUint(r.Message.LogTime, 10), m.LogTime)
				require.Equal(t, digest(r.Message.Data), m.Data)
				require.Equal(t, r.Message.Sequence, m.Sequence)
				if m.Topic == "/joint_states" {
					if states%2 == 0 {
						require.Equal(t, example.Positions(3, states/2), m.Positions)
					}
					states++
				}
				if m.Topic == "/task" {
					require.Equal(t, "stack", m.Text)
				}
				i++
			}
		}))
		require.Len(t, got.Messages, i, "%+v", layout)
		require.Equal(t, 2*frames-1, states)
		if layout.ChunkSize == 0 || layout.NoIndex {
			require.Nil(t, got.Indexed)
			continue
		}
		require.Equal(t, i, got.Indexed.Messages, "%+v", layout)
		require.Equal(t, i, got.Indexed.Counted)
		require.Positive(t, got.Indexed.Chunks)
	}
	fmt.Printf("readers: %d recordings read by @mcap/core\n", len(files))
}

// mcapRecords calls visit for every record of a recording.
func mcapRecords(body []byte, visit func(r *mcap.Record)) error {
	reader := mcap.NewReader(mcap.Position{})
	reader.Feed(body, true)
	for {
		r, err := reader.Peek()
		if err != nil || r.Kind == mcap.End {
			return err
		}
		visit(r)
		reader.Advance()
	}
}

// What @mcap/core records, we convert.
func TestOthersRecordingsAreRead(t *testing.T) {
	converted := 0
	for _, how := range [][]string{{"chunked", "lz4"}, {"chunked", "none"}, {"unchunked", "none"}} {
		name := filepath.Join(t.TempDir(), "other.mcap")
		node(t, nil, "record.mjs", name, how[0], how[1])
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		e, err := offline.Convert(codec(t), "other.mcap", body)
		require.NoError(t, err)
		require.EqualValues(t, 3, e.Summary.Frames)
		require.Equal(t, "fold the towel", e.Summary.Task)
		read := readDataset(t, codec(t), []offline.Episode{e})
		for i, row := range read.Episodes[0].Rows {
			var state []float64
			require.NoError(t, json.Unmarshal(row["observation.state"], &state))
			for k, v := range state { // the recording names the joints from the last to the first
				require.InDelta(t, float64(i)+float64(5-k)/8, v, 1e-6)
			}
		}
		converted++
	}
	require.Equal(t, 3, converted)
	fmt.Printf("readers: %d recordings of @mcap/core converted\n", converted)
}

// loaded is what dataset.mjs prints.
type loaded struct {
	Episodes []struct {
		Task string
		Rows []map[string]json.RawMessage
	}
	Frames, Images, Groups int
}

func readDataset(t *testing.T, c *lerobot.Codec, episodes []offline.Episode) loaded {
	t.Helper()
	published, err := offline.Publish(c, "demo", 2, episodes)
	require.NoError(t, err)
	dir := t.TempDir()
	for path, body := range published {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), body, 0o644))
	}
	var read loaded
	node(t, &read, "dataset.mjs", dir)
	return read
}

// What is published, a loader that works as LeRobot's does loads: see
// testdata/readers/dataset.mjs for what it insists on. The values are those that
// were recorded.
func TestOthersReadDatasets(t *testing.T) {
	c := codec(t)
	frames := []int{1, 40, 13}
	var episodes []offline.Episode
	for i, n := range frames {
		recording := example.With(uint64(i), n, example.Options{WriterOptions: example.Layout(uint64(i + 1)), Task: example.Task(uint64(i)), PNG: i == 1, Raw: i == 2})
		e, err := offline.Convert(c, fmt.Sprintf("in/%d.mcap", i), recording)
		require.NoError(t, err)
		episodes = append(episodes, e)
	}
	read := readDataset(t, c, episodes)
	require.Equal(t, 54, read.Frames)
	require.Equal(t, 54, read.Images)
	require.Len(t, read.Episodes, len(frames))
	for i, e := range read.Episodes {
		require.Equal(t, example.Task(uint64(i)), e.Task)
		require.Len(t, e.Rows, frames[i])
		for k, row := range e.Rows {
			for feature, want := range map[string][]float64{"observation.state": example.Positions(uint64(i), k), "action": example.Positions(uint64(i), k+1)} {
				var got []float64
				require.NoError(t, json.Unmarshal(row[feature], &got))
				require.Len(t, got, len(want))
				for c := range want {
					require.Equal(t, float32(want[c]), float32(got[c]), "episode %d frame %d %s", i, k, feature)
				}
			}
		}
	}
	fmt.Printf("readers: %d episodes, %d frames, %d row groups read by hyparquet and parquet-wasm\n", len(frames), read.Frames, read.Groups)
}
