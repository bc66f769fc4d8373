package lerobot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
)

// tape records messages for tests: in any of the encodings that are read, and
// whatever they hold.
type tape struct {
	file     bytes.Buffer
	to       *mcap.Writer
	encoding string
	channels map[string]uint16
}

func newTape(encoding string, options mcap.WriterOptions) *tape {
	t := &tape{encoding: encoding, channels: map[string]uint16{}}
	t.to = mcap.NewWriter(&t.file, options)
	return t
}

// schemas are the names of a kind of message, by encoding.
var schemas = map[string]map[string]string{
	"joints": {"cdr": "sensor_msgs/msg/JointState", "ros1": "sensor_msgs/JointState", "json": "sensor_msgs/msg/JointState"},
	"packed": {"cdr": "sensor_msgs/msg/CompressedImage", "ros1": "sensor_msgs/CompressedImage", "json": "foxglove.CompressedImage"},
	"pixels": {"cdr": "sensor_msgs/msg/Image", "ros1": "sensor_msgs/Image", "json": "foxglove.RawImage"},
	"text":   {"cdr": "std_msgs/msg/String", "ros1": "std_msgs/String", "json": "std_msgs/msg/String"},
}

func (t *tape) channel(topic, schema, encoding string) uint16 {
	id, ok := t.channels[topic]
	if !ok {
		id = t.to.AddChannel(topic, t.to.AddSchema(schema, "", nil), encoding)
		t.channels[topic] = id
	}
	return id
}

func (t *tape) write(topic, schema, encoding string, at int64, data []byte) {
	t.to.Write(mcap.Message{ChannelID: t.channel(topic, schema, encoding), LogTime: uint64(at), Data: data})
}

func (t *tape) wire() *wire { return newWire(t.encoding) }

func (t *tape) own(topic, kind string, at int64, w *wire, asJSON map[string]any) {
	data := w.data
	if t.encoding == "json" {
		data, _ = json.Marshal(asJSON)
	}
	encoding := t.encoding
	if encoding == "cdr-be" {
		encoding = "cdr"
	}
	t.write(topic, schemas[kind][encoding], encoding, at, data)
}

func (t *tape) joints(topic string, at int64, names []string, positions []float64) {
	w := t.wire()
	w.header()
	w.uint32(uint32(len(names)))
	for _, name := range names {
		w.text(name)
	}
	w.float64s(positions)
	w.float64s(nil)
	w.float64s(positions) // effort
	t.own(topic, "joints", at, w, map[string]any{"name": names, "position": positions, "effort": positions})
}

func (t *tape) packed(topic string, at int64, image []byte) {
	w := t.wire()
	w.header()
	w.text("png")
	w.bytes(image)
	t.own(topic, "packed", at, w, map[string]any{"data": base64.StdEncoding.EncodeToString(image), "format": "png"})
}

func (t *tape) pixels(topic string, at int64, height, width, step int, encoding string, data []byte) {
	w := t.wire()
	w.header()
	w.uint32(uint32(height))
	w.uint32(uint32(width))
	w.text(encoding)
	w.data = append(w.data, 0)
	w.uint32(uint32(step))
	w.bytes(data)
	t.own(topic, "pixels", at, w, map[string]any{
		"height": height, "width": width, "step": step, "encoding": encoding, "data": base64.StdEncoding.EncodeToString(data),
	})
}

func (t *tape) text(topic string, at int64, text string) {
	w := t.wire()
	w.text(text)
	t.own(topic, "text", at, w, map[string]any{"data": text})
}

func (t *tape) end() []byte {
	_ = t.to.Close() // a buffer takes everything
	return t.file.Bytes()
}

// wire writes CDR of either order, or ROS 1's encoding.
type wire struct {
	data  []byte
	order binary.AppendByteOrder
	ros1  bool
	head  int
}

func newWire(encoding string) *wire {
	switch encoding {
	case "ros1":
		return &wire{order: binary.LittleEndian, ros1: true}
	case "cdr-be":
		return &wire{data: []byte{0, 0, 0, 0}, order: binary.BigEndian, head: 4}
	}
	return &wire{data: []byte{0, 1, 0, 0}, order: binary.LittleEndian, head: 4}
}

func (w *wire) align(n int) {
	for !w.ros1 && (len(w.data)-w.head)%n != 0 {
		w.data = append(w.data, 0xee)
	}
}

func (w *wire) uint32(v uint32) {
	w.align(4)
	w.data = w.order.AppendUint32(w.data, v)
}

func (w *wire) text(s string) {
	if !w.ros1 {
		s += "\x00"
	}
	w.bytes([]byte(s))
}

func (w *wire) bytes(p []byte) {
	w.uint32(uint32(len(p)))
	w.data = append(w.data, p...)
}

func (w *wire) float64s(all []float64) {
	w.uint32(uint32(len(all)))
	if len(all) > 0 {
		w.align(8)
	}
	for _, v := range all {
		w.data = w.order.AppendUint64(w.data, math.Float64bits(v))
	}
}

func (w *wire) header() {
	if w.ros1 {
		w.uint32(7)
	}
	w.uint32(1)
	w.uint32(2)
	w.text("map")
}

// small is a robot of two joints and a camera of 2 by 3 pixels, 10 frames a second.
func small() lerobot.Config {
	return lerobot.Config{
		RobotType: "toy", FPS: 10,
		Vectors:   []lerobot.Vector{{Feature: "observation.state", Topic: "/joints", Joints: []string{"a", "b"}}},
		Cameras:   []lerobot.Camera{{Feature: "observation.images.top", Topic: "/top", Height: 2, Width: 3}},
		TaskTopic: "/task",
	}
}
