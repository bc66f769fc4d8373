package lerobot

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

const (
	channels = 3 // LeRobot's images have three, and its loader insists on it

	// Statistics are taken of every n-th pixel of every n-th row, so that about
	// sideSampled of each side count, where a side has sideWhole or more: as
	// LeRobot's own recorder does.
	sideWhole   = 300
	sideSampled = 150
)

func (c *Camera) stride() int {
	if side := max(c.Height, c.Width); side >= sideWhole {
		return side / sideSampled
	}
	return 1
}

func (c *Camera) samples() int64 {
	n := c.stride()
	return int64((c.Height+n-1)/n) * int64((c.Width+n-1)/n)
}

// format is how an image is stored.
type format uint8

const (
	inPNG format = iota
	inJPEG
)

var extensions = [...]string{inPNG: ".png", inJPEG: ".jpg"}

// picture is an image as it is stored, and the statistics of its channels.
type picture struct {
	format format
	bytes  []byte
	stats  [channels]dataset.Stat
}

// unpack makes a picture of an image in a format of its own. JPEG and PNG with
// three channels of 8 bits are kept as they are; gray, palettes and alpha become
// three channels.
func (c *Camera) unpack(b []byte) (picture, error) {
	config, name, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return picture{}, errImage
	}
	if config.Height != c.Height || config.Width != c.Width {
		return picture{}, errShape
	}
	decode, form := png.Decode, inPNG
	if name == "jpeg" {
		decode, form = jpeg.Decode, inJPEG
	}
	decoded, err := decode(bytes.NewReader(b))
	if err != nil {
		return picture{}, errImage
	}
	switch img := decoded.(type) {
	case *image.YCbCr:
		return picture{format: form, bytes: b, stats: c.stats(func(x, y int) [channels]uint8 {
			p := img.YCbCrAt(x, y)
			r, g, b := color.YCbCrToRGB(p.Y, p.Cb, p.Cr)
			return [channels]uint8{r, g, b}
		})}, nil
	case *image.RGBA:
		return picture{format: form, bytes: b, stats: c.stats(func(x, y int) [channels]uint8 {
			p := img.RGBAAt(x, y)
			return [channels]uint8{p.R, p.G, p.B}
		})}, nil
	case *image.Gray:
		return c.pack(func(x, y int) [channels]uint8 {
			p := img.GrayAt(x, y).Y
			return [channels]uint8{p, p, p}
		})
	case *image.NRGBA:
		return c.pack(func(x, y int) [channels]uint8 {
			p := img.NRGBAAt(x, y)
			return [channels]uint8{p.R, p.G, p.B}
		})
	case *image.Paletted:
		return c.pack(func(x, y int) [channels]uint8 {
			r, g, b, _ := img.At(x, y).RGBA()
			return [channels]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
		})
	}
	return picture{}, errImage // 16 bits, or CMYK
}

// raws are the encodings of pixels that are read: how many bytes a pixel has, and
// where in it its red, green and blue stand.
var raws = map[string]struct {
	size uint32
	rgb  [channels]uint32
}{
	"rgb8": {3, [...]uint32{0, 1, 2}}, "bgr8": {3, [...]uint32{2, 1, 0}}, "mono8": {1, [...]uint32{0, 0, 0}},
	"rgba8": {4, [...]uint32{0, 1, 2}}, "bgra8": {4, [...]uint32{2, 1, 0}},
}

// unpackRaw makes a picture of rows of pixels.
func (c *Camera) unpackRaw(m rawImage) (picture, error) {
	how, known := raws[m.encoding]
	if !known {
		return picture{}, errImage
	}
	if int64(m.height) != int64(c.Height) || int64(m.width) != int64(c.Width) {
		return picture{}, errShape
	}
	if m.step < m.width*how.size || uint64(m.step)*uint64(m.height) > uint64(len(m.data)) {
		return picture{}, errImage
	}
	return c.pack(func(x, y int) [channels]uint8 {
		p := m.data[uint32(y)*m.step+uint32(x)*how.size:]
		return [channels]uint8{p[how.rgb[0]], p[how.rgb[1]], p[how.rgb[2]]}
	})
}

var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &encoderBuffers{}}

// encoderBuffers are used again: each has about a megabyte.
type encoderBuffers struct{ pool sync.Pool }

func (e *encoderBuffers) Get() *png.EncoderBuffer {
	b, _ := e.pool.Get().(*png.EncoderBuffer)
	return b
}

func (e *encoderBuffers) Put(b *png.EncoderBuffer) { e.pool.Put(b) }

// pack stores pixels as a PNG of three channels.
func (c *Camera) pack(at func(x, y int) [channels]uint8) (picture, error) {
	img := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height))
	for y := range c.Height {
		row := img.Pix[y*img.Stride : (y+1)*img.Stride]
		for x := range c.Width {
			p := at(x, y)
			pixel := row[4*x : 4*x+4]
			pixel[0], pixel[1], pixel[2] = p[0], p[1], p[2]
			pixel[3] = 0xff // without it, the PNG would have an alpha channel
		}
	}
	var b bytes.Buffer
	if err := encoder.Encode(&b, img); err != nil {
		return picture{}, errImage
	}
	return picture{format: inPNG, bytes: b.Bytes(), stats: c.stats(at)}, nil
}

func (c *Camera) stats(at func(x, y int) [channels]uint8) (stats [channels]dataset.Stat) {
	n := c.stride()
	var seen [channels][256]int64
	for y := 0; y < c.Height; y += n {
		for x := 0; x < c.Width; x += n {
			p := at(x, y)
			for i, v := range p {
				seen[i][v]++
			}
		}
	}
	for i := range stats {
		stats[i] = histogram(&seen[i])
	}
	return stats
}

// histogram sums up how often each value was seen.
func histogram(seen *[256]int64) dataset.Stat {
	var s dataset.Stat
	for v, n := range seen {
		if n == 0 {
			continue
		}
		value := int64(v)
		if s.Count == 0 {
			s.Min = value
		}
		s.Max = value
		s.Count += n
		s.Sum += n * value
		s.SquaresLo += uint64(n * value * value) // below 2^26 pixels times 2^16
	}
	return s
}
