package lerobot_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

func newCodec(t require.TestingT, config lerobot.Config) *lerobot.Codec {
	c, err := lerobot.New(config)
	require.NoError(t, err)
	return c
}

// red is an image whose red tells it from others.
func red(v uint8) []byte {
	pixels := make([]byte, 2*3*3)
	for i := 0; i < len(pixels); i += 3 {
		pixels[i], pixels[i+1] = v, uint8(i)
	}
	return pixels
}

func asPNG(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// frame is a row as a test looks at it.
type frame struct {
	state     []float32
	image     image.Image
	path      string
	timestamp float32
}

// rows converts a recording and reads the Parquet file of it.
func rows(t require.TestingT, c *lerobot.Codec, recording []byte) []frame {
	e, err := offline.Convert(c, "", recording)
	require.NoError(t, err)
	file := rewrite(t, c, dataset.Place{}, e.Body, 1<<20)
	type stored struct {
		State []float32 `parquet:"observation.state,list,optional"`
		Image *struct {
			Bytes []byte  `parquet:"bytes,optional"`
			Path  *string `parquet:"path,optional"`
		} `parquet:"observation.images.top,optional"`
		Timestamp *float32 `parquet:"timestamp,optional"`
		Index     *int64   `parquet:"frame_index,optional"`
	}
	read, err := parquet.Read[stored](bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	var all []frame
	for i, r := range read {
		require.EqualValues(t, i, *r.Index)
		img, _, err := image.Decode(bytes.NewReader(r.Image.Bytes))
		require.NoError(t, err)
		all = append(all, frame{state: r.State, image: img, path: *r.Image.Path, timestamp: *r.Timestamp})
	}
	return all
}

func redOf(f frame) uint8 {
	r, _, _, _ := f.image.At(0, 0).RGBA()
	return uint8(r >> 8)
}

const ms = int64(time.Millisecond)

// Frame k shows what was logged last at or before its time.
func TestFramesShowWhatWasLoggedLast(t *testing.T) {
	for _, chunk := range []int{0, 1, 400, 1 << 20} {
		c := newCodec(t, small())
		r := newTape("cdr", mcap.WriterOptions{ChunkSize: chunk, Compression: "zstd"})
		if chunk == 0 {
			r = newTape("cdr", mcap.WriterOptions{})
		}
		r.text("/task", 0, "t")
		r.pixels("/top", 5*ms, 2, 3, 9, "rgb8", red(1))
		r.joints("/joints", 20*ms, []string{"b", "x", "a"}, []float64{0.5, 9, 0.25}) // frame 0 is at 20 ms
		r.pixels("/top", 60*ms, 2, 3, 9, "rgb8", red(2))                             // shown by no frame
		r.pixels("/top", 120*ms, 2, 3, 9, "rgb8", red(3))                            // at frame 1's time
		r.joints("/joints", 119*ms, []string{"a"}, []float64{-0.75})                 // late, and only one of them
		r.joints("/joints", 118*ms, []string{"a"}, []float64{100})                   // older than what it has
		r.joints("/joints", 221*ms, []string{"a", "b"}, []float64{7, 8})             // frame 2 is at 220 ms
		r.text("/task", 900*ms, "t")                                                 // makes no frames
		got := rows(t, c, r.end())
		require.Len(t, got, 3)
		require.Equal(t, []float32{0.25, 0.5}, got[0].state)
		require.Equal(t, []float32{-0.75, 0.5}, got[1].state)
		require.Equal(t, []float32{-0.75, 0.5}, got[2].state)
		require.Equal(t, []uint8{1, 3, 3}, []uint8{redOf(got[0]), redOf(got[1]), redOf(got[2])})
		require.Equal(t, []string{"frame_000000.png", "frame_000001.png", "frame_000002.png"}, []string{got[0].path, got[1].path, got[2].path})
		require.Equal(t, []float32{0, 0.1, 0.2}, []float32{got[0].timestamp, got[1].timestamp, got[2].timestamp})
	}
}

// The encodings say the same.
func TestEncodings(t *testing.T) {
	c := newCodec(t, small())
	record := func(encoding string) []byte {
		r := newTape(encoding, mcap.WriterOptions{ChunkSize: 300, Compression: "lz4"})
		r.text("/task", 0, "sort — 杯子")
		for i := range int64(4) {
			r.joints("/joints", i*100*ms, []string{"a", "b"}, []float64{float64(i) / 8, -1.5})
			if i%2 == 0 {
				r.packed("/top", i*100*ms, asPNG(image.NewRGBA(image.Rect(0, 0, 3, 2))))
			} else {
				// A topic has one schema; the other camera encodings are below.
				r.packed("/top", i*100*ms, asPNG(image.NewGray(image.Rect(0, 0, 3, 2))))
			}
		}
		return r.end()
	}
	want, err := offline.Convert(c, "", record("cdr"))
	require.NoError(t, err)
	require.EqualValues(t, 4, want.Summary.Frames)
	require.Equal(t, "sort — 杯子", want.Summary.Task)
	for _, encoding := range []string{"cdr-be", "ros1", "json"} {
		got, err := offline.Convert(c, "", record(encoding))
		require.NoError(t, err, encoding)
		require.Equal(t, want, got, encoding)
	}
}

// Images become three channels of eight bits, whatever they were.
func TestImages(t *testing.T) {
	config := small()
	config.Vectors, config.TaskTopic = nil, ""
	c := newCodec(t, config)
	record := func(write func(r *tape)) []byte {
		r := newTape("cdr", mcap.WriterOptions{})
		write(r)
		return r.end()
	}
	pixel := func(f frame, x, y int) [3]uint8 {
		r, g, b, a := f.image.At(x, y).RGBA()
		require.EqualValues(t, 0xffff, a)
		return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
	}
	raws := map[string]struct {
		step int
		data []byte
		want [3]uint8
	}{
		"rgb8":  {9, append(make([]byte, 15), 1, 2, 3), [3]uint8{1, 2, 3}},
		"bgr8":  {11, append(make([]byte, 17), 1, 2, 3, 0, 0), [3]uint8{3, 2, 1}},
		"rgba8": {12, append(make([]byte, 20), 1, 2, 3, 99), [3]uint8{1, 2, 3}},
		"bgra8": {12, append(make([]byte, 20), 1, 2, 3, 99), [3]uint8{3, 2, 1}},
		"mono8": {4, append(make([]byte, 6), 9, 0), [3]uint8{9, 9, 9}},
	}
	for encoding, raw := range raws {
		got := rows(t, c, record(func(r *tape) { r.pixels("/top", 0, 2, 3, raw.step, encoding, raw.data) }))
		require.Len(t, got, 1)
		require.Equal(t, raw.want, pixel(got[0], 2, 1), encoding)
		require.IsType(t, &image.RGBA{}, got[0].image)
	}
	area := image.Rect(0, 0, 3, 2)
	gray, nrgba := image.NewGray(area), image.NewNRGBA(area)
	paletted := image.NewPaletted(area, color.Palette{color.Black, color.RGBA{10, 20, 30, 255}})
	gray.SetGray(2, 1, color.Gray{Y: 77})
	nrgba.SetNRGBA(2, 1, color.NRGBA{R: 5, G: 6, B: 7, A: 1})
	paletted.SetColorIndex(2, 1, 1)
	for _, img := range []struct {
		image.Image
		want [3]uint8
	}{{gray, [3]uint8{77, 77, 77}}, {nrgba, [3]uint8{5, 6, 7}}, {paletted, [3]uint8{10, 20, 30}}} {
		got := rows(t, c, record(func(r *tape) { r.packed("/top", 0, asPNG(img.Image)) }))
		require.Equal(t, img.want, pixel(got[0], 2, 1))
		require.IsType(t, &image.RGBA{}, got[0].image)
	}
	// What has three channels is kept as it is.
	var photo bytes.Buffer
	require.NoError(t, jpeg.Encode(&photo, image.NewRGBA(area), nil))
	for _, kept := range [][]byte{photo.Bytes(), asPNG(opaque(area))} {
		e, err := offline.Convert(c, "", record(func(r *tape) { r.packed("/top", 0, kept) }))
		require.NoError(t, err)
		require.True(t, bytes.Contains(e.Body, kept))
	}
	got := rows(t, c, record(func(r *tape) { r.packed("/top", 0, photo.Bytes()) }))
	require.Equal(t, "frame_000000.jpg", got[0].path)
}

func opaque(area image.Rectangle) *image.RGBA {
	img := image.NewRGBA(area)
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	return img
}

// Statistics of large images are taken of a grid, as LeRobot's recorder does; they
// are of all frames, also of those that show an image again.
func TestImageStatistics(t *testing.T) {
	config := small()
	config.Cameras[0].Height, config.Cameras[0].Width = 310, 200
	c := newCodec(t, config)
	f := c.Schema().Features[1]
	require.EqualValues(t, 155*100, f.Samples) // 310/150 is 2
	r := newTape("cdr", mcap.WriterOptions{})
	pixels := make([]byte, 310*200*3)
	for i := range pixels {
		if (i/3/200)%2 == 0 && (i/3%200)%2 == 0 {
			pixels[i] = 51
		} else {
			pixels[i] = 255 // between the grid's lines
		}
	}
	pixels[0] = 0
	r.pixels("/top", 0, 310, 200, 600, "rgb8", pixels)
	for i := range int64(3) {
		r.joints("/joints", i*100*ms, []string{"a", "b"}, []float64{1, 2})
	}
	e, err := offline.Convert(c, "", r.end())
	require.NoError(t, err)
	stats := make([]dataset.Stat, 2+3+1)
	require.NoError(t, dataset.ParseStats(stats, e.Summary.Stats))
	n := 3 * f.Samples
	require.Equal(t, dataset.Stat{Count: n, Min: 0, Max: 51, Sum: 51 * (n - 3), SquaresLo: uint64(51 * 51 * (n - 3))}, stats[2])
	require.Equal(t, dataset.Stat{Count: n, Min: 51, Max: 51, Sum: 51 * n, SquaresLo: uint64(51 * 51 * n)}, stats[3])
	require.Equal(t, dataset.Stat{Count: 3, Min: 2e6, Max: 2e6, Sum: 6e6, SquaresLo: 12e12}, stats[1])
	require.Equal(t, dataset.Stat{Count: 3, Max: 2, Sum: 3, SquaresLo: 5}, stats[5])
}

// What cannot be converted is refused as poison, with one line that says why.
func TestRefused(t *testing.T) {
	names := []string{"a", "b"}
	zero := []float64{0, 0}
	good := func(r *tape) {
		r.text("/task", 0, "t")
		r.pixels("/top", 0, 2, 3, 9, "rgb8", red(1))
		r.joints("/joints", 0, names, zero)
	}
	after := func(more func(r *tape)) func(r *tape) {
		return func(r *tape) { good(r); more(r) }
	}
	cases := map[string]struct {
		record func(r *tape)
		want   string
	}{
		"nothing":  {func(*tape) {}, "no frame: there is nothing of /joints a, /top"},
		"no image": {func(r *tape) { r.joints("/joints", 0, names, zero) }, "nothing of /top"},
		"a joint never": {func(r *tape) {
			r.pixels("/top", 0, 2, 3, 9, "rgb8", red(1))
			r.joints("/joints", 0, names[:1], zero[:1])
		}, "nothing of /joints b"},
		"never together":     {func(r *tape) { r.joints("/joints", 0, names, zero); r.pixels("/top", 5000*ms, 2, 3, 9, "rgb8", red(1)) }, "never speak at the same time"},
		"not a number":       {after(func(r *tape) { r.joints("/joints", 1, names, []float64{0, math.NaN()}) }), "/joints b: invalid: a joint's value"},
		"a huge number":      {after(func(r *tape) { r.joints("/joints", 1, names, []float64{1e6, 0}) }), "/joints a: invalid: a joint's value"},
		"fewer values":       {after(func(r *tape) { r.joints("/joints", 1, names, zero[:1]) }), "/joints: invalid: malformed message"},
		"cut message":        {after(func(r *tape) { r.write("/joints", "", "", 1, []byte{0, 1, 0, 0, 1, 2}) }), "/joints: invalid: malformed message"},
		"another CDR":        {after(func(r *tape) { r.write("/joints", "", "", 1, []byte{0, 7, 0, 0}) }), "/joints: invalid: malformed message"},
		"a huge list":        {after(func(r *tape) { r.write("/joints", "", "", 1, append(make([]byte, 16), 255, 255, 255, 255)) }), "/joints: invalid: malformed message"},
		"a schema":           {func(r *tape) { r.write("/joints", "geometry_msgs/msg/Twist", "cdr", 0, nil) }, "/joints: invalid: the topic's messages have an encoding or a schema"},
		"a schema elsewhere": {func(r *tape) { r.write("/joints", "std_msgs/msg/String", "cdr", 0, nil) }, "/joints: invalid: the topic's messages have an encoding or a schema"},
		"an encoding":        {func(r *tape) { r.write("/joints", "sensor_msgs/msg/JointState", "protobuf", 0, nil) }, "/joints: invalid: the topic's messages have an encoding or a schema"},
		"another size":       {after(func(r *tape) { r.pixels("/top", 1, 3, 2, 9, "rgb8", red(1)) }), "/top: invalid: an image of another size"},
		"short pixels":       {after(func(r *tape) { r.pixels("/top", 1, 2, 3, 9, "rgb8", red(1)[1:]) }), "/top: invalid: not an image"},
		"a short step":       {after(func(r *tape) { r.pixels("/top", 1, 2, 3, 8, "rgb8", red(1)) }), "/top: invalid: not an image"},
		"depth":              {after(func(r *tape) { r.pixels("/top", 1, 2, 3, 9, "16UC1", red(1)) }), "/top: invalid: not an image"},
		"silent":             {after(func(r *tape) { r.joints("/joints", 600*ms, names, zero); r.joints("/joints", 1200*ms, names, zero) }), "/top: invalid: a topic is silent for longer than max-hold: at frame 11"},
		"back in time": {after(func(r *tape) {
			for _, at := range []int64{600, 1000, 1500, 400} {
				r.joints("/joints", at*ms, names, zero)
				r.pixels("/top", (at+100)*ms, 2, 3, 9, "rgb8", red(1))
			}
		}), "/joints: invalid: a message is more than a second older"},
		"far in the future": {after(func(r *tape) { r.joints("/joints", -1, names, zero) }), "/joints: invalid: a log time beyond"},
		"another task":      {after(func(r *tape) { r.text("/task", 1, "u") }), "/task: invalid: not a task"},
		"a task of lines":   {func(r *tape) { r.text("/task", 0, "a\nb") }, "/task: invalid: not a task"},
		"a long task":       {func(r *tape) { r.text("/task", 0, strings.Repeat("x", lerobot.MaxTask+1)) }, "/task: invalid: not a task"},
		"not UTF-8":         {func(r *tape) { r.text("/task", 0, "a\xff") }, "/task: invalid: not a task"},
	}
	c := newCodec(t, small())
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			for _, chunk := range []int{0, 200} {
				r := newTape("cdr", mcap.WriterOptions{ChunkSize: chunk})
				test.record(r)
				_, err := offline.Convert(c, "", r.end())
				require.ErrorIs(t, err, env.ErrInvalid)
				require.ErrorContains(t, err, test.want)
				require.NotContains(t, err.Error(), "\n")
			}
		})
	}
	e, err := offline.Convert(c, "", func() []byte { r := newTape("cdr", mcap.WriterOptions{}); good(r); return r.end() }())
	require.NoError(t, err)
	require.EqualValues(t, 1, e.Summary.Frames)
}

// Damaged images are noticed when a frame shows them, and so is every other file.
func TestRefusedFiles(t *testing.T) {
	c := codec(t)
	for _, layout := range layouts() {
		_, err := offline.Convert(c, "", example.With(1, 5, example.Options{WriterOptions: layout, Damaged: 3}))
		require.ErrorIs(t, err, env.ErrInvalid)
		require.ErrorContains(t, err, "/camera/front: invalid: not an image")
	}
	for want, file := range map[string][]byte{
		"it is empty": {}, "not an MCAP file": []byte("RIFF0000"), "cut short": example.Recording(1, 5)[:3000],
	} {
		_, err := offline.Convert(c, "", file)
		require.ErrorIs(t, err, env.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

// A recording that is cut short is poison, unless what there is of it is asked for:
// then its frames are those of the whole one, as far as they go, however often
// the conversion is interrupted.
func TestTruncatedRecordings(t *testing.T) {
	config := lerobot.DefaultConfig()
	config.KeepTruncated = true
	keeps, strict := newCodec(t, config), codec(t)
	for seed := range uint64(4) {
		source := example.Recording(seed, 30)
		whole, err := offline.Convert(keeps, "", source)
		require.NoError(t, err)
		counts := map[int64]bool{}
		for cut := 4000; cut < len(source)-2500; cut += 1711 {
			_, err := offline.Convert(strict, "", source[:cut])
			require.ErrorIs(t, err, env.ErrInvalid)
			require.ErrorIs(t, err, mcap.ErrTruncated)
			kept, err := offline.Convert(keeps, "", source[:cut])
			if err != nil {
				require.ErrorContains(t, err, "has no frame")
				continue
			}
			counts[kept.Summary.Frames] = true
			const end = 5 // the size of the record behind the last frame
			require.True(t, bytes.HasPrefix(whole.Body, kept.Body[:len(kept.Body)-end]), "what is kept is not of the whole")
			require.EqualValues(t, kept.Summary.Frames, binary.LittleEndian.Uint32(kept.Body[len(kept.Body)-4:]))
			p := newProcess(t, keeps, source[:cut])
			for n := 0; !p.step(20_000); n++ {
				if p.checkpoint(); n%3 == 0 {
					p.kill()
				}
			}
			p.requireSame(kept)
		}
		require.Greater(t, len(counts), 1)
	}
}

// Whatever bytes there are, a conversion ends, as poison or with an episode.
func TestAnyBytes(t *testing.T) {
	c := newCodec(t, small())
	rapid.Check(t, func(t *rapid.T) {
		r := newTape(rapid.SampledFrom([]string{"cdr", "cdr-be", "ros1", "json"}).Draw(t, "encoding"), mcap.WriterOptions{
			ChunkSize: rapid.SampledFrom([]int{0, 300}).Draw(t, "chunk"), NoCRC: true,
		})
		r.text("/task", 0, "t")
		for i := range int64(3) {
			r.packed("/top", i*100*ms, asPNG(opaque(image.Rect(0, 0, 3, 2))))
			r.joints("/joints", i*100*ms, []string{"a", "b"}, []float64{1, 2})
		}
		file := bytes.Clone(r.end())
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
			file[at] = rapid.Byte().Draw(t, "byte")
		}
		e, err := offline.Convert(c, "", file)
		if err != nil {
			require.ErrorIs(t, err, env.ErrInvalid)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.Positive(t, e.Summary.Frames)
		rewrite(t, c, dataset.Place{}, e.Body, 100)
	})
}

// Whatever a staged episode holds, a rewriter makes a file of it or refuses it.
func TestAnyStagedBytes(t *testing.T) {
	c := newCodec(t, small())
	r := newTape("cdr", mcap.WriterOptions{})
	for i := range int64(3) {
		r.pixels("/top", i*100*ms, 2, 3, 9, "rgb8", red(uint8(i)))
		r.joints("/joints", i*100*ms, []string{"a", "b"}, []float64{1, 2})
	}
	e, err := offline.Convert(c, "", r.end())
	require.NoError(t, err)
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		staged := bytes.Clone(e.Body)
		if rapid.Bool().Draw(t, "cut") {
			staged = staged[:rapid.IntRange(1, len(staged)-1).Draw(t, "length")]
		} else {
			staged[rapid.IntRange(0, len(staged)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		rewriter := c.NewRewriter(dataset.Place{})
		var out []byte
		for len(staged) > 0 {
			next, consumed, err := rewriter.Rewrite(out, staged, true)
			if err != nil {
				require.ErrorIs(t, err, env.ErrInvalid)
				refused++
				return
			}
			if out, staged = next, staged[consumed:]; consumed == 0 {
				refused++ // dataset.Write refuses what is left over
				return
			}
		}
	})
	require.Positive(t, refused)
}
