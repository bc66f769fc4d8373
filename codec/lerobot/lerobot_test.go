package lerobot_test

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

func codec(t require.TestingT) *lerobot.Codec {
	c, err := lerobot.New(lerobot.DefaultConfig())
	require.NoError(t, err)
	return c
}

// convert runs a conversion in one process over the whole source at once.
func convert(c dataset.Codec, source []byte) ([]byte, dataset.Summary, int, error) {
	n, err := c.NewConverter(nil)
	if err != nil {
		return nil, dataset.Summary{}, 0, err
	}
	var out []byte
	frames := 0
	for {
		next, consumed, frame, err := n.Frame(out, source, true)
		if err != nil {
			return nil, dataset.Summary{}, frames, err
		}
		out, source = next, source[consumed:]
		if frame {
			frames++
		}
		if !frame && consumed == 0 {
			break
		}
	}
	out, summary, err := n.Finish(out)
	return out, summary, frames, err
}

// rewrite publishes a staged episode, in reads of so many bytes.
func rewrite(t require.TestingT, c dataset.Codec, place dataset.Place, staged []byte, read int) []byte {
	r := c.NewRewriter(place)
	var out, pending []byte
	for at := 0; at < len(staged); {
		n := min(read, len(staged)-at)
		pending = append(pending, staged[at:at+n]...)
		at += n
		for len(pending) > 0 {
			next, consumed, err := r.Rewrite(out, pending, at == len(staged))
			require.NoError(t, err)
			out, pending = next, pending[consumed:]
			if consumed == 0 {
				break
			}
		}
	}
	require.Empty(t, pending)
	return out
}

func TestEpisode(t *testing.T) {
	for seed := range uint64(4) {
		c := codec(t)
		staged, summary, frames, err := convert(c, example.Recording(seed, 40))
		require.NoError(t, err)
		require.Equal(t, 40, frames)
		require.EqualValues(t, 40, summary.Frames)
		require.Equal(t, example.Task(seed), summary.Task)
		file := rewrite(t, c, dataset.Place{Episode: 3, FirstIdx: 100, TaskIndex: 2}, staged, 1000)
		f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err)
		require.EqualValues(t, 40, f.NumRows())
		t.Log(f.Schema(), len(file))
	}
}

// However the source is cut into reads, and wherever a successor takes over with
// the state of a dead predecessor, the episode is the same.
func TestAnyCutAnyResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := codec(t)
		seed := rapid.Uint64Range(0, 1000).Draw(t, "seed")
		source := example.Recording(seed, rapid.IntRange(1, 30).Draw(t, "frames"))
		want, wantSummary, _, err := convert(c, source)
		require.NoError(t, err)

		n, err := c.NewConverter(nil)
		require.NoError(t, err)
		var out, saved, savedState []byte
		offset, have, savedOffset := 0, 0, 0
		for deaths := 0; ; {
			have = min(max(have, offset)+rapid.IntRange(0, 9000).Draw(t, "read"), len(source))
			next, consumed, frame, err := n.Frame(out, source[offset:have], have == len(source))
			require.NoError(t, err)
			out, offset = next, offset+consumed
			if have == len(source) && consumed == 0 && !frame {
				break
			}
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0, 1: // a checkpoint
				saved, savedOffset, savedState = bytes.Clone(out), offset, n.State()
				require.Equal(t, savedState, n.State())
				require.Less(t, len(savedState), 1500)
			case 2: // a crash: back to the last checkpoint
				if deaths++; deaths > 5 {
					continue
				}
				out, offset, have = bytes.Clone(saved), savedOffset, savedOffset
				n, err = c.NewConverter(savedState)
				require.NoError(t, err)
			}
		}
		got, summary, err := n.Finish(out)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		require.Equal(t, wantSummary, summary)
	})
}
