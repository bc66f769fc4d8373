package lerobot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// vga is the example robot with a camera of 640 by 480 pixels.
func vga(t require.TestingT) *lerobot.Codec {
	config := lerobot.DefaultConfig()
	config.Cameras[0].Height, config.Cameras[0].Width = 480, 640
	return newCodec(t, config)
}

func large(frames int, o example.Options) []byte {
	o.WriterOptions = mcap.WriterOptions{ChunkSize: 1 << 20, Compression: "zstd"}
	o.Height, o.Width = 480, 640
	return example.With(1, frames, o)
}

// readSize is how many bytes of a source arrive at once.
const readSize = 256 << 10

// stream converts as core does: what is consumed is dropped, and so is what was
// made of it. It returns the most bytes of the source that were held.
func stream(t require.TestingT, c dataset.Codec, source []byte) (frames, held int) {
	n, err := c.NewConverter(nil)
	require.NoError(t, err)
	var out []byte
	for from, to := 0, 0; ; {
		held = max(held, to-from)
		next, consumed, frame, err := n.Frame(out[:0], source[from:to], to == len(source))
		require.NoError(t, err)
		out, from = next, from+consumed
		switch {
		case frame:
			frames++
		case consumed > 0:
		case to == len(source):
			_, _, err = n.Finish(out)
			require.NoError(t, err)
			return frames, held
		default:
			to = min(to+readSize, len(source))
		}
	}
}

// What is held of a source is a chunk and a read; what a rewriter makes at once is
// a row group.
func TestMemoryIsBounded(t *testing.T) {
	const frames = 500
	config := lerobot.DefaultConfig()
	config.Cameras[0].Height, config.Cameras[0].Width = 120, 160
	c := newCodec(t, config)
	source := example.With(1, frames, example.Options{
		WriterOptions: mcap.WriterOptions{ChunkSize: 1 << 20, Compression: "lz4"}, Height: 120, Width: 160, Raw: true,
	})
	require.Greater(t, len(source), 4<<20)
	converted, held := stream(t, c, source)
	require.Equal(t, frames, converted)
	require.Less(t, held, 2<<20+2*readSize)

	e, err := offline.Convert(c, "", source)
	require.NoError(t, err)
	r := c.NewRewriter(dataset.Place{})
	most, parts := 0, 0
	for rest := e.Body; len(rest) > 0; {
		out, consumed, err := r.Rewrite(nil, rest, true)
		require.NoError(t, err)
		require.Positive(t, consumed)
		most, rest = max(most, len(out)), rest[consumed:]
		parts++
	}
	require.Greater(t, parts, 1)
	require.Less(t, most, 9<<20)
	t.Logf("%d bytes of source: held %d at once; %d row groups of up to %d bytes", len(source), held, parts, most)
}

func BenchmarkConvert(b *testing.B) {
	const frames = 100
	joints := lerobot.DefaultConfig()
	joints.Cameras = nil
	for _, c := range []struct {
		name   string
		codec  *lerobot.Codec
		source []byte
	}{
		{"joints", newCodec(b, joints), example.With(1, 3000, example.Options{WriterOptions: mcap.WriterOptions{ChunkSize: 1 << 20, Compression: "zstd"}, Height: 1, Width: 1, PNG: true})},
		{"jpeg-640x480", vga(b), large(frames, example.Options{})},
		{"png-640x480", vga(b), large(frames, example.Options{PNG: true})},
		{"raw-640x480", vga(b), large(frames, example.Options{Raw: true})},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.source)))
			n := 0
			for b.Loop() {
				frames, _ := stream(b, c.codec, c.source)
				n += frames
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	c := vga(b)
	e, err := offline.Convert(c, "", large(100, example.Options{}))
	require.NoError(b, err)
	b.ReportAllocs()
	b.SetBytes(int64(len(e.Body)))
	n := 0
	for b.Loop() {
		rewrite(b, c, dataset.Place{}, e.Body, readSize)
		n += int(e.Summary.Frames)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "frames/s")
}
