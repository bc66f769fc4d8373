// Package example makes recordings for demonstrations and tests: a robot arm of
// six joints with a camera, as lerobot.DefaultConfig reads it.
package example

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/codec/mcap"
)

// Options says how a recording is laid out and what goes wrong in it.
type Options struct {
	mcap.WriterOptions
	// Task is what the task topic says.
	Task string
	// Height and Width of the images, in pixels; 0 means 48 and 64.
	Height, Width int
	// Raw records pixels in place of JPEG.
	Raw bool
	// PNG records PNG in place of JPEG.
	PNG bool
	// Damaged is the frame, counted from 1, whose image is damaged; 0 is none.
	Damaged int
}

// FPS is the number of frames a second, and Start the log time of the first.
const (
	FPS   = 30
	Start = 1_700_000_000_000_000_000
)

var joints = [...]string{"shoulder_pan", "shoulder_lift", "elbow", "wrist_flex", "wrist_roll", "gripper"}

// Recording returns a recording with exactly that many frames at 30 a second. The
// seed decides about all contents, and about the layout: unchunked, or chunks
// that are uncompressed, lz4 or zstd.
func Recording(seed uint64, frames int) []byte {
	return With(seed, frames, Options{WriterOptions: Layout(seed), Task: Task(seed)})
}

// Task is the task of Recording(seed, ...).
func Task(seed uint64) string { return "pick block " + strconv.FormatUint(seed%5, 10) }

// Layout is the layout of Recording(seed, ...).
func Layout(seed uint64) mcap.WriterOptions {
	o := mcap.WriterOptions{Profile: "ros2", Library: "gauntlet example", ChunkSize: 16 << 10}
	switch seed % 4 {
	case 0:
		o.ChunkSize = 0
	case 1:
		o.Compression = "lz4"
	case 2:
		o.Compression = "zstd"
	}
	return o
}

// With returns a recording laid out as asked. It has no frame if frames is 0.
func With(seed uint64, frames int, o Options) []byte {
	var file bytes.Buffer
	r := recorder{options: o, seed: seed, to: mcap.NewWriter(&file, o.WriterOptions)}
	if r.options.Height == 0 {
		r.options.Height, r.options.Width = 48, 64
	}
	r.begin()
	for i := range frames {
		r.frame(i, i == frames-1)
	}
	_ = r.to.Close() // a buffer takes everything
	return file.Bytes()
}

type recorder struct {
	options                             Options
	seed                                uint64
	to                                  *mcap.Writer
	state, command, camera, other, task uint16
	sequence                            uint32
}

func (r *recorder) begin() {
	channel := func(topic, schema string) uint16 {
		return r.to.AddChannel(topic, r.to.AddSchema(schema, "ros2msg", []byte("# "+schema)), "cdr")
	}
	r.task = channel("/task", "std_msgs/msg/String")
	r.state = channel("/joint_states", "sensor_msgs/msg/JointState")
	r.command = channel("/joint_commands", "sensor_msgs/msg/JointState")
	r.other = channel("/diagnostics", "std_msgs/msg/Int32")
	if r.options.Raw {
		r.camera = channel("/camera/front", "sensor_msgs/msg/Image")
	} else {
		r.camera = channel("/camera/front", "sensor_msgs/msg/CompressedImage")
	}
	b := newCDR()
	b.text(r.options.Task)
	r.write(r.task, Start-1, b.data)
}

// frame records what frame i shows: joints at twice the frame rate, a command and
// an image, all at or a little before the frame's time.
func (r *recorder) frame(i int, last bool) {
	at := Start + uint64(i)*1_000_000_000/FPS
	early := uint64(0)
	if i > 0 {
		early = mix(r.seed, uint64(i)) % 10_000_000
	}
	r.write(r.camera, at-early, r.image(i, at-early))
	r.write(r.command, at-early/2, JointState(at, joints[:], r.positions(i+1)))
	r.write(r.state, at, JointState(at, joints[:], r.positions(i)))
	r.write(r.other, at, []byte{0, 1, 0, 0, byte(i), 0, 0, 0})
	if !last {
		const half = 1_000_000_000 / FPS / 2
		r.write(r.state, at+half, JointState(at+half, joints[:], r.positions(-i)))
	}
}

func (r *recorder) write(channel uint16, at uint64, data []byte) {
	r.sequence++
	r.to.Write(mcap.Message{ChannelID: channel, Sequence: r.sequence, LogTime: at, PublishTime: at, Data: data})
}

// Positions are those of the joints at frame i of Recording(seed, ...).
func Positions(seed uint64, i int) []float64 {
	r := recorder{seed: seed}
	return r.positions(i)
}

func (r *recorder) positions(i int) []float64 {
	p := make([]float64, len(joints))
	for k := range p {
		noise := float64(mix(r.seed+uint64(k), uint64(i))%2001)/1e6 - 0.001
		p[k] = math.Round((math.Sin(float64(i)/20+float64(k)+float64(r.seed%100))+noise)*1e6) / 1e6
	}
	return p
}

// image is a gradient with a square that moves, and a camera's noise.
func (r *recorder) image(i int, at uint64) []byte {
	h, w := r.options.Height, r.options.Width
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	x0, y0 := (i*3+int(r.seed%64))%w, (i+int(r.seed%48))%h
	for y := range h {
		for x := range w {
			noise := int(mix(r.seed+uint64(i), uint64(y*w+x)) % 16)
			c := color.RGBA{uint8(240*x/w + noise), uint8(240*y/h + noise), uint8(r.seed%64) + uint8(noise), 255}
			if x >= x0 && x < x0+w/6 && y >= y0 && y < y0+h/6 {
				c = color.RGBA{255, 64, 0, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	b := newCDR()
	b.header(at, "camera")
	if r.options.Raw {
		b.uint32(uint32(h))
		b.uint32(uint32(w))
		b.text("rgba8")
		b.data = append(b.data, 0)
		b.uint32(uint32(img.Stride))
		b.bytes(img.Pix)
		return b.data
	}
	var packed bytes.Buffer
	if r.options.PNG {
		b.text("png")
		_ = png.Encode(&packed, img) // neither a buffer nor this image can fail
	} else {
		b.text("jpeg")
		_ = jpeg.Encode(&packed, img, nil)
	}
	if r.options.Damaged == i+1 {
		packed.Truncate(packed.Len() / 2)
	}
	b.bytes(packed.Bytes())
	return b.data
}

// JointState is a sensor_msgs/msg/JointState in CDR.
func JointState(at uint64, names []string, positions []float64) []byte {
	b := newCDR()
	b.header(at, "")
	b.uint32(uint32(len(names)))
	for _, name := range names {
		b.text(name)
	}
	b.float64s(positions)
	b.float64s(nil)
	b.float64s(nil)
	return b.data
}

// cdrWriter writes little-endian CDR.
type cdrWriter struct{ data []byte }

func newCDR() *cdrWriter { return &cdrWriter{data: []byte{0, 1, 0, 0}} }

func (c *cdrWriter) align(n int) {
	for (len(c.data)-4)%n != 0 {
		c.data = append(c.data, 0)
	}
}

func (c *cdrWriter) uint32(v uint32) {
	c.align(4)
	c.data = binary.LittleEndian.AppendUint32(c.data, v)
}

func (c *cdrWriter) text(s string) {
	c.uint32(uint32(len(s) + 1))
	c.data = append(append(c.data, s...), 0)
}

func (c *cdrWriter) bytes(p []byte) {
	c.uint32(uint32(len(p)))
	c.data = append(c.data, p...)
}

func (c *cdrWriter) float64s(all []float64) {
	c.uint32(uint32(len(all)))
	if len(all) > 0 {
		c.align(8)
	}
	for _, v := range all {
		c.data = binary.LittleEndian.AppendUint64(c.data, math.Float64bits(v))
	}
}

func (c *cdrWriter) header(at uint64, frame string) {
	c.uint32(uint32(at / 1_000_000_000))
	c.uint32(uint32(at % 1_000_000_000))
	c.text(frame)
}

// mix hashes two words into one.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
