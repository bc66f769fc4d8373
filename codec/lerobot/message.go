package lerobot

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
)

// shape is what a message holds, whatever its encoding.
type shape uint8

const (
	asJoints shape = iota + 1
	asPacked       // an image in a format of its own: jpeg or png
	asPixels       // an image as rows of pixels
	asText
)

// shapes are the schemas that are read, by name.
var shapes = map[string]shape{
	"sensor_msgs/msg/JointState": asJoints, "sensor_msgs/JointState": asJoints,
	"sensor_msgs/msg/CompressedImage": asPacked, "sensor_msgs/CompressedImage": asPacked, "foxglove.CompressedImage": asPacked,
	"sensor_msgs/msg/Image": asPixels, "sensor_msgs/Image": asPixels, "foxglove.RawImage": asPixels,
	"std_msgs/msg/String": asText, "std_msgs/String": asText,
}

// coding is how a message's fields are laid out.
type coding uint8

const (
	cdr coding = iota + 1
	ros1
	inJSON
)

var codings = map[string]coding{"cdr": cdr, "ros1": ros1, "json": inJSON}

var fields = [...]string{"position", "velocity", "effort"}

// jointState is a message of joints: values are as many as names.
type jointState struct {
	names  []string
	values []float64
}

// rawImage is a message of pixels.
type rawImage struct {
	height, width, step uint32
	encoding            string
	data                []byte
}

// wire reads the fields of a message in CDR, as ROS 2 writes it, or in ROS 1's
// encoding, which has neither a head, nor alignment, nor zeros behind texts. The
// first field that is not there makes it fail.
type wire struct {
	data   []byte
	at     int
	order  binary.ByteOrder
	ros1   bool
	failed bool
}

func newWire(data []byte, how coding) *wire {
	w := &wire{data: data, order: binary.LittleEndian, ros1: how == ros1}
	if w.ros1 {
		return w
	}
	if len(data) < 4 || data[0] != 0 || data[1] > 1 { // other representations are not plain CDR
		w.failed = true
		return w
	}
	if data[1] == 0 {
		w.order = binary.BigEndian
	}
	w.data = data[4:]
	return w
}

func (w *wire) take(n, align int) []byte {
	at := w.at
	if !w.ros1 {
		at = (at + align - 1) / align * align
	}
	if w.failed || n < 0 || at > len(w.data) || n > len(w.data)-at {
		w.failed = true
		return nil
	}
	w.at = at + n
	return w.data[at:w.at]
}

func (w *wire) uint32() uint32 {
	if b := w.take(4, 4); b != nil {
		return w.order.Uint32(b)
	}
	return 0
}

// count reads the length of a sequence whose elements have at least size bytes.
func (w *wire) count(size int) int {
	n := w.uint32()
	if uint64(n)*uint64(size) > uint64(len(w.data)-w.at) {
		w.failed = true
		return 0
	}
	return int(n)
}

func (w *wire) text() string {
	b := w.take(w.count(1), 1)
	if !w.ros1 && len(b) > 0 {
		w.failed = w.failed || b[len(b)-1] != 0
		b = b[:len(b)-1]
	}
	return string(b)
}

func (w *wire) bytes() []byte { return w.take(w.count(1), 1) }

func (w *wire) texts() []string {
	all := make([]string, 0, w.count(4))
	for range cap(all) {
		all = append(all, w.text())
	}
	return all
}

func (w *wire) float64s() []float64 {
	n := w.count(8)
	if n == 0 {
		return nil
	}
	b := w.take(8*n, 8)
	all := make([]float64, 0, n)
	for ; len(b) > 0; b = b[8:] {
		all = append(all, math.Float64frombits(w.order.Uint64(b)))
	}
	return all
}

// header reads a std_msgs/Header: of no interest, since log times count.
func (w *wire) header() {
	if w.ros1 {
		w.uint32() // its number
	}
	w.uint32() // seconds
	w.uint32() // nanoseconds
	w.text()
}

// decodeJoints reads a JointState. field is one of fields.
func decodeJoints(data []byte, how coding, field string) (jointState, error) {
	var lists [len(fields)][]float64
	var s jointState
	if how == inJSON {
		var m struct {
			Name                       []string
			Position, Velocity, Effort []float64
		}
		if json.Unmarshal(data, &m) != nil {
			return s, errDecode
		}
		s.names = m.Name
		lists = [...][]float64{m.Position, m.Velocity, m.Effort}
	} else {
		w := newWire(data, how)
		w.header()
		s.names = w.texts()
		for i := range lists {
			lists[i] = w.float64s()
		}
		if w.failed {
			return s, errDecode
		}
	}
	for i, name := range fields {
		if name == field {
			s.values = lists[i]
		}
	}
	if len(s.values) != len(s.names) {
		return s, errDecode
	}
	return s, nil
}

func decodePacked(data []byte, how coding) ([]byte, error) {
	if how == inJSON {
		var m struct{ Data string }
		if json.Unmarshal(data, &m) != nil {
			return nil, errDecode
		}
		b, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			return nil, errDecode
		}
		return b, nil
	}
	w := newWire(data, how)
	w.header()
	w.text() // the format: the bytes tell it, too
	b := w.bytes()
	if w.failed {
		return nil, errDecode
	}
	return b, nil
}

func decodePixels(data []byte, how coding) (rawImage, error) {
	if how == inJSON {
		var m struct {
			Height, Width, Step uint32
			Encoding, Data      string
		}
		if json.Unmarshal(data, &m) != nil {
			return rawImage{}, errDecode
		}
		b, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			return rawImage{}, errDecode
		}
		return rawImage{height: m.Height, width: m.Width, step: m.Step, encoding: m.Encoding, data: b}, nil
	}
	w := newWire(data, how)
	w.header()
	m := rawImage{height: w.uint32(), width: w.uint32(), encoding: w.text()}
	w.take(1, 1) // is_bigendian: of no interest to bytes
	m.step, m.data = w.uint32(), w.bytes()
	if w.failed {
		return rawImage{}, errDecode
	}
	return m, nil
}

func decodeText(data []byte, how coding) (string, error) {
	if how == inJSON {
		var m struct{ Data string }
		if json.Unmarshal(data, &m) != nil {
			return "", errDecode
		}
		return m.Data, nil
	}
	w := newWire(data, how)
	s := w.text()
	if w.failed {
		return "", errDecode
	}
	return s, nil
}
