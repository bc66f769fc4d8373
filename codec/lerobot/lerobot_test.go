package lerobot_test

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

func codec(t require.TestingT) *lerobot.Codec {
	c, err := lerobot.New(lerobot.DefaultConfig())
	require.NoError(t, err)
	return c
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

// process is a converter that can be killed: what it knows is gone then, and a
// successor begins with the state, the offset and the output of the last
// checkpoint.
type process struct {
	t         require.TestingT
	codec     dataset.Codec
	source    []byte
	converter dataset.Converter
	out       []byte
	offset    int // of the first byte that is not consumed
	have      int // bytes of the source that have been read
	frames    int
	longest   int // of the states

	saved struct {
		out    []byte
		offset int
		frames int
		state  []byte
	}
}

func newProcess(t require.TestingT, c dataset.Codec, source []byte) *process {
	p := &process{t: t, codec: c, source: source}
	p.kill()
	return p
}

// step reads up to n more bytes and calls Frame once; done tells that there is
// nothing more.
func (p *process) step(n int) (done bool) {
	p.have = min(max(p.have, p.offset)+n, len(p.source))
	eof := p.have == len(p.source)
	out, consumed, frame, err := p.converter.Frame(p.out, bytes.Clone(p.source[p.offset:p.have]), eof)
	require.NoError(p.t, err)
	p.out, p.offset = out, p.offset+consumed
	if frame {
		p.frames++
	}
	return eof && consumed == 0 && !frame
}

func (p *process) checkpoint() {
	state := p.converter.State()
	require.Equal(p.t, state, p.converter.State())
	p.longest = max(p.longest, len(state))
	p.saved.out, p.saved.offset, p.saved.frames, p.saved.state = bytes.Clone(p.out), p.offset, p.frames, state
}

func (p *process) kill() {
	var err error
	p.converter, err = p.codec.NewConverter(p.saved.state)
	require.NoError(p.t, err)
	p.out, p.offset, p.have, p.frames = bytes.Clone(p.saved.out), p.saved.offset, p.saved.offset, p.saved.frames
}

// requireSame compares what has come out with an episode that was converted in
// one go.
func (p *process) requireSame(want offline.Episode) {
	got, summary, err := p.converter.Finish(p.out)
	require.NoError(p.t, err)
	require.Equal(p.t, want.Summary, summary)
	require.EqualValues(p.t, want.Summary.Frames, p.frames)
	require.True(p.t, bytes.Equal(want.Body, got), "the episodes differ")
}

// A recording that is killed at ten places, and resumed each time, is the one that
// was not interrupted, in its staged form and in the published one. Most places lie
// within a chunk.
func TestKilledAtTenPlaces(t *testing.T) {
	const frames, deaths = 220, 10
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := codec(t)
			source := example.Recording(seed, frames)
			want, err := offline.Convert(c, "", source)
			require.NoError(t, err)
			p := newProcess(t, c, source)
			killed, sameOffset := 0, 0
			for !p.step(4096) {
				if killed < deaths && p.frames == (killed+1)*frames/(deaths+1) {
					before := p.saved.offset
					p.checkpoint()
					if p.saved.offset == before {
						sameOffset++
					}
					for range 5 { // it goes on for a while, in vain
						p.step(4096)
					}
					p.kill()
					killed++
				}
			}
			require.Equal(t, deaths, killed)
			p.requireSame(want)
			place := dataset.Place{Episode: 3, FirstIdx: 1000, TaskIndex: 1}
			whole, resumed := rewrite(t, c, place, want.Body, 1<<20), rewrite(t, c, place, append(p.out, want.Body[len(p.out):]...), 777)
			require.True(t, bytes.Equal(whole, resumed))
			t.Logf("killed at %d places, the state had up to %d bytes", killed, p.longest)
		})
	}
}

// However the source is cut into reads, and wherever a successor takes over with
// the state of a dead predecessor, the episode is the same.
func TestAnyCutAnyResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := codec(t)
		seed := rapid.Uint64Range(0, 1000).Draw(t, "seed")
		layout := rapid.SampledFrom(layouts()).Draw(t, "layout")
		source := example.With(seed, rapid.IntRange(1, 30).Draw(t, "frames"), example.Options{WriterOptions: layout, Task: "t"})
		want, err := offline.Convert(c, "", source)
		require.NoError(t, err)
		p := newProcess(t, c, source)
		for deaths := 0; !p.step(rapid.IntRange(0, 9000).Draw(t, "read")); {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0, 1:
				p.checkpoint()
			case 2:
				if deaths++; deaths <= 5 {
					p.kill()
				}
			}
		}
		p.requireSame(want)
		require.Less(t, p.longest, 1500)
	})
}

// A file's bytes depend on the staged episode and its place only.
func TestParquetIsAFunctionOfTheEpisode(t *testing.T) {
	c := codec(t)
	e, err := offline.Convert(c, "", example.Recording(2, 50))
	require.NoError(t, err)
	place := dataset.Place{Episode: 7, FirstIdx: 100, TaskIndex: 2}
	want := rewrite(t, c, place, e.Body, len(e.Body))
	rapid.Check(t, func(t *rapid.T) {
		require.True(t, bytes.Equal(want, rewrite(t, codec(t), place, e.Body, rapid.IntRange(1, 20000).Draw(t, "read"))))
	})
	f, err := parquet.OpenFile(bytes.NewReader(want), int64(len(want)))
	require.NoError(t, err)
	require.EqualValues(t, 50, f.NumRows())
	require.Equal(t, "gauntlet version 1(build 0)", f.Metadata().CreatedBy)
}
