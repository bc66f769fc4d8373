package plain_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// convert runs a conversion in one process over the whole source at once.
func convert(source []byte) ([]byte, dataset.Summary, error) {
	c, err := plain.Codec{}.NewConverter(nil)
	if err != nil {
		return nil, dataset.Summary{}, err
	}
	var out []byte
	for {
		next, consumed, _, err := c.Frame(out, source, true)
		if err != nil {
			return nil, dataset.Summary{}, err
		}
		if consumed == 0 {
			break
		}
		out, source = next, source[consumed:]
	}
	return c.Finish(out)
}

func drawFrames(t *rapid.T, source uint64) []plaintest.Frame {
	n := rapid.IntRange(1, 30).Draw(t, "frames")
	frames := make([]plaintest.Frame, n)
	number, stamp := int64(-1), rapid.Int64Range(-1e15, 1e18).Draw(t, "origin")
	for i := range frames {
		number += rapid.Int64Range(1, 1000).Draw(t, "step")
		frames[i] = plaintest.Frame{Number: number, Stamp: stamp, Source: source}
		for k := range frames[i].Values {
			frames[i].Values[k] = rapid.Int32().Draw(t, "value")
		}
		stamp += rapid.Int64Range(0, 1e12).Draw(t, "period")
	}
	return frames
}

func TestEpisodeText(t *testing.T) {
	frames := plaintest.Frames(0xabc, 41, 3)
	frames[1].Values = [3]int32{math.MinInt32, math.MaxInt32, 0}
	out, summary, err := convert(plaintest.Recording(0xabc, "pick; place", frames))
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{
		"0000000000000abc,41,0.000000,748,0,-1,0",
		"0000000000000abc,42,0.033333,-2147483648,2147483647,0,1",
		"0000000000000abc,43,0.066666,750,-4,1,2",
		"",
	}, "\n"), string(out))
	require.Equal(t, dataset.Summary{
		Frames: 3, Task: "pick; place",
		Stats: "3:41:43:126:14ae,3:0:66666:99999:14b215add,3:-2147483648:750:-2147482150:4000000000111ed4,3:-4:2147483647:2147483643:3fffffff00000011,3:-1:1:0:2",
	}, summary)

	rewriter := plain.Codec{}.NewRewriter(dataset.Place{Episode: 7, FirstIdx: 100, TaskIndex: 2})
	published, consumed, err := rewriter.Rewrite(nil, out, true)
	require.NoError(t, err)
	require.Equal(t, len(out), consumed)
	require.Equal(t, strings.Join([]string{
		"0000000000000abc,41,0.000000,748,0,-1,0,7,100,2",
		"0000000000000abc,42,0.033333,-2147483648,2147483647,0,1,7,101,2",
		"0000000000000abc,43,0.066666,750,-4,1,2,7,102,2",
		"",
	}, "\n"), string(published))
}

// However the source is cut into reads, and wherever a successor takes over
// with the state of a dead predecessor, the episode is the same.
func TestAnyCutAnyResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := plaintest.Recording(5, "a task; with \"separators\"", drawFrames(t, 5))
		want, wantSummary, err := convert(source)
		require.NoError(t, err)

		converter, err := plain.Codec{}.NewConverter(nil)
		require.NoError(t, err)
		var out, saved, savedState []byte
		offset, have, savedOffset := 0, 0, 0
		for deaths := 0; offset < len(source); {
			have = min(have+rapid.IntRange(0, 60).Draw(t, "read"), len(source))
			next, consumed, _, err := converter.Frame(out, source[offset:have], have == len(source))
			require.NoError(t, err)
			out, offset = next, offset+consumed
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0: // a checkpoint
				saved, savedOffset, savedState = bytes.Clone(out), offset, converter.State()
				require.Equal(t, savedState, converter.State())
			case 1: // a crash: back to the last checkpoint
				if deaths++; deaths > 5 {
					continue
				}
				out, offset, have = bytes.Clone(saved), savedOffset, savedOffset
				converter, err = plain.Codec{}.NewConverter(savedState)
				require.NoError(t, err)
			}
		}
		got, summary, err := converter.Finish(out)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		require.Equal(t, wantSummary, summary)
	})
}

// Every flipped bit, every missing or additional tail is noticed.
func TestDamageIsNoticed(t *testing.T) {
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, 4))
	for i := range source {
		for bit := range 8 {
			damaged := bytes.Clone(source)
			damaged[i] ^= 1 << bit
			_, _, err := convert(damaged)
			require.ErrorIs(t, err, env.ErrInvalid, "byte %d bit %d", i, bit)
		}
		_, _, err := convert(source[:i])
		require.ErrorIs(t, err, env.ErrInvalid, "cut after %d bytes", i)
	}
	_, _, err := convert(append(bytes.Clone(source), 0))
	require.ErrorIs(t, err, env.ErrInvalid)
	_, _, err = convert(append(bytes.Clone(source), source...))
	require.ErrorIs(t, err, env.ErrInvalid)
}

func TestImpossibleRecordings(t *testing.T) {
	edit := func(change func(f []plaintest.Frame) []plaintest.Frame) []byte {
		return plaintest.Recording(5, "task", change(plaintest.Frames(5, 0, 4)))
	}
	frames := plaintest.Frames(5, 0, 4)
	cases := map[string][]byte{
		"no frames":        plaintest.Recording(5, "task", nil),
		"control in task":  plaintest.Recording(5, "a\nb", frames),
		"task not UTF-8":   plaintest.Recording(5, "a\xff", frames),
		"repeated frame":   edit(func(f []plaintest.Frame) []plaintest.Frame { f[2] = f[1]; return f }),
		"swapped frames":   edit(func(f []plaintest.Frame) []plaintest.Frame { f[1], f[2] = f[2], f[1]; return f }),
		"foreign frame":    edit(func(f []plaintest.Frame) []plaintest.Frame { f[2].Source = 6; return f }),
		"time goes back":   edit(func(f []plaintest.Frame) []plaintest.Frame { f[2].Stamp -= 40e6; return f }),
		"negative number":  edit(func(f []plaintest.Frame) []plaintest.Frame { f[0].Number = -1; return f }),
		"huge number":      edit(func(f []plaintest.Frame) []plaintest.Frame { f[3].Number = 1 << 40; return f }),
		"years of video":   edit(func(f []plaintest.Frame) []plaintest.Frame { f[3].Stamp = math.MaxInt64; return f }),
		"stamps wrap":      edit(func(f []plaintest.Frame) []plaintest.Frame { f[0].Stamp = math.MinInt64; return f }),
		"missing a frame":  slices.Delete(plaintest.Recording(5, "task", frames), 23, 23+41),
		"nothing":          nil,
		"another format":   []byte("#ROSBAG V2.0\n"),
		"later version":    []byte("GREC\x02"),
		"only the header":  plaintest.Recording(5, "task", nil)[:23],
		"end inside frame": plaintest.Recording(5, "task", frames)[:23+41+20],
	}
	for name, source := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := convert(source)
			require.ErrorIs(t, err, env.ErrInvalid)
		})
	}
}

// A conversion that has not seen the end marker cannot be finished.
func TestFinishNeedsTheEnd(t *testing.T) {
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, 4))
	converter, err := plain.Codec{}.NewConverter(nil)
	require.NoError(t, err)
	for range 3 {
		_, consumed, _, err := converter.Frame(nil, source, true)
		require.NoError(t, err)
		source = source[consumed:]
		_, _, err = converter.Finish(nil)
		require.ErrorIs(t, err, env.ErrInvalid)
	}
	_, consumed, _, err := converter.Frame(nil, source, true)
	require.NoError(t, err)
	require.Equal(t, len(source), consumed)
	_, _, err = converter.Finish(nil)
	require.NoError(t, err)
}

func TestForeignStateIsRefused(t *testing.T) {
	converter, err := plain.Codec{}.NewConverter(nil)
	require.NoError(t, err)
	require.Empty(t, converter.State())
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, 2))
	_, _, _, err = converter.Frame(nil, source, true)
	require.NoError(t, err)
	state := converter.State()
	_, err = plain.Codec{}.NewConverter(state)
	require.NoError(t, err)

	for i := range state {
		damaged := bytes.Clone(state)
		damaged[i] ^= 1
		_, err = plain.Codec{}.NewConverter(damaged)
		require.ErrorIs(t, err, env.ErrInvalid, "byte %d", i)
		if i > 0 {
			_, err = plain.Codec{}.NewConverter(state[:i])
			require.ErrorIs(t, err, env.ErrInvalid, "cut after %d bytes", i)
		}
	}
	_, err = plain.Codec{}.NewConverter([]byte("mcap1;0;0;0;0;0;0;;;00000000"))
	require.ErrorIs(t, err, env.ErrInvalid)
}

// A staged episode that is not whole, or does not begin at its beginning, is
// refused.
func TestRewriterRefusesForeignRecords(t *testing.T) {
	staged, _, err := convert(plaintest.Recording(5, "task", plaintest.Frames(5, 0, 12)))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(staged), "\n")
	for name, text := range map[string]string{
		"first record missing": strings.Join(lines[1:], ""),
		"record missing":       lines[0] + lines[2],
		"record repeated":      lines[0] + lines[0],
		"cut short":            lines[0] + strings.TrimSuffix(lines[1], "\n"),
		"11 is not 1":          lines[0] + lines[11],
	} {
		_, _, err := plain.Codec{}.NewRewriter(dataset.Place{}).Rewrite(nil, []byte(text), true)
		require.ErrorIs(t, err, env.ErrInvalid, name)
	}
}

// Any cut of the staged bytes is rewritten to the same published bytes.
func TestRewriterAnyCut(t *testing.T) {
	staged, _, err := convert(plaintest.Recording(5, "task", plaintest.Frames(5, 0, 12)))
	require.NoError(t, err)
	place := dataset.Place{Episode: 1, FirstIdx: 95, TaskIndex: 3}
	want, _, err := plain.Codec{}.NewRewriter(place).Rewrite(nil, staged, true)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		rewriter := plain.Codec{}.NewRewriter(place)
		var out []byte
		offset, have := 0, 0
		for offset < len(staged) {
			have = min(have+rapid.IntRange(1, 90).Draw(t, "read"), len(staged))
			next, consumed, err := rewriter.Rewrite(out, staged[offset:have], have == len(staged))
			require.NoError(t, err)
			out, offset = next, offset+consumed
		}
		require.Equal(t, string(want), string(out))
	})
}

func TestFrameDoesNotAllocate(t *testing.T) {
	const frames = 500
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, frames))
	converter, err := plain.Codec{}.NewConverter(nil)
	require.NoError(t, err)
	out := make([]byte, 0, 1<<10)
	allocs := testing.AllocsPerRun(frames-10, func() {
		_, consumed, _, err := converter.Frame(out, source, true)
		if err != nil || consumed == 0 {
			panic("the recording is too short")
		}
		source = source[consumed:]
	})
	require.Zero(t, allocs)
}

func BenchmarkFrame(b *testing.B) {
	const frames = 10_000
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, frames))
	out := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	var converter dataset.Converter
	var rest []byte
	for b.Loop() {
		if len(rest) == 0 {
			converter, _ = plain.Codec{}.NewConverter(nil)
			rest = source
		}
		_, consumed, _, err := converter.Frame(out, rest, true)
		if err != nil {
			b.Fatal(err)
		}
		rest = rest[consumed:]
	}
}

func BenchmarkState(b *testing.B) {
	source := plaintest.Recording(5, "task", plaintest.Frames(5, 0, 2))
	converter, _ := plain.Codec{}.NewConverter(nil)
	if _, _, _, err := converter.Frame(nil, source, true); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (plain.Codec{}).NewConverter(converter.State()); err != nil {
			b.Fatal(err)
		}
	}
}
