package lerobot

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// MaxState is the length of the longest state, in bytes, with all that a
// configuration may have and the largest numbers. TestStateIsShort holds it; an
// arm with one camera needs about 700.
const MaxState = 28 << 10

// A stored state is base64 of these fields in their order, numbers as varints,
// and a CRC-32 (IEEE) of them. The fingerprint comes first: it is that of the
// configuration, and of the version of this list.
const stateVersion = 1

// State returns what a successor needs to continue, nil before the first call of
// Frame. Decoded images are not in it: one that a frame may still show is staged
// already, or lies in the chunk in which a successor begins.
func (c *converter) State() []byte {
	if !c.begun {
		return nil
	}
	w := stateWriter{b: make([]byte, 0, 1024)}
	w.uint(c.codec.fingerprint)
	at := c.reader.Position()
	w.uint(uint64(at.Phase), uint64(at.CRC), at.Skip, uint64(at.Place))
	w.uint(uint64(len(c.schemas)))
	for _, s := range c.schemas {
		w.uint(uint64(s.id), uint64(s.shape))
	}
	w.uint(uint64(len(c.channels)))
	for _, n := range c.channels {
		w.uint(uint64(n.id), uint64(n.topic), uint64(n.shape), uint64(n.coding))
	}
	w.bool(c.started, c.ended, c.told)
	w.int(c.origin, c.newest, c.frames)
	w.uint(uint64(len(c.task)))
	w.b = append(w.b, c.task...)
	for _, j := range c.joints {
		w.int(j.value, j.at-c.newest)
	}
	for i := range c.cameras {
		n := &c.cameras[i]
		w.int(n.at - c.newest)
		w.bool(n.pending)
		w.uint(uint64(n.place))
		w.stats(n.stats[:])
	}
	w.stats(c.stats)
	w.b = binary.LittleEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b))
	return base64.RawStdEncoding.AppendEncode(nil, w.b)
}

// load reverses State; false means that the state is not one of this codec and
// configuration.
func (c *converter) load(state []byte) (at mcap.Position, ok bool) {
	b, err := base64.RawStdEncoding.AppendDecode(nil, state)
	if err != nil || len(b) < 4 {
		return at, false
	}
	body := b[:len(b)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return at, false
	}
	r := stateReader{rest: body}
	if r.uint() != c.codec.fingerprint {
		return at, false
	}
	at = mcap.Position{Phase: uint8(r.uint()), CRC: uint32(r.uint()), Skip: r.uint(), Place: uint32(r.uint())}
	c.schemas = make([]schema, r.count(maxSchemas))
	for i := range c.schemas {
		c.schemas[i] = schema{id: uint16(r.uint()), shape: shape(r.uint())}
	}
	c.channels = make([]channel, r.count(maxChannels))
	for i := range c.channels {
		c.channels[i] = channel{id: uint16(r.uint()), topic: r.count(len(c.codec.topics) - 1), shape: shape(r.uint()), coding: coding(r.uint())}
	}
	c.begun, c.started, c.ended, c.told = true, r.bool(), r.bool(), r.bool()
	c.origin, c.newest, c.frames = r.int(), r.int(), r.int()
	c.task = r.text(r.count(MaxTask))
	for i := range c.joints {
		c.joints[i] = joint{value: r.int(), at: r.int() + c.newest}
	}
	for i := range c.cameras {
		n := &c.cameras[i]
		n.at, n.pending, n.place = r.int()+c.newest, r.bool(), uint32(r.uint())
		r.stats(n.stats[:])
	}
	r.stats(c.stats)
	return at, !r.failed && len(r.rest) == 0 && c.frames >= 0 && c.frames <= maxFrames
}

type stateWriter struct{ b []byte }

func (w *stateWriter) uint(values ...uint64) {
	for _, v := range values {
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *stateWriter) int(values ...int64) {
	for _, v := range values {
		w.b = binary.AppendVarint(w.b, v)
	}
}

func (w *stateWriter) bool(values ...bool) {
	for _, v := range values {
		n := byte(0)
		if v {
			n = 1
		}
		w.b = append(w.b, n)
	}
}

func (w *stateWriter) stats(stats []dataset.Stat) {
	for i := range stats {
		s := &stats[i]
		w.int(s.Count, s.Min, s.Max, s.Sum)
		w.uint(s.SquaresHi, s.SquaresLo)
	}
}

// stateReader reverses stateWriter. The first field that is not there makes it
// fail.
type stateReader struct {
	rest   []byte
	failed bool
}

func (r *stateReader) advance(n int) {
	if n <= 0 {
		r.failed, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *stateReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.advance(n)
	return v
}

func (r *stateReader) int() int64 {
	v, n := binary.Varint(r.rest)
	r.advance(n)
	return v
}

// count reads a number from 0 to most.
func (r *stateReader) count(most int) int {
	v := r.uint()
	if v > uint64(max(most, 0)) {
		r.failed = true
		return 0
	}
	return int(v)
}

func (r *stateReader) bool() bool { return r.count(1) == 1 }

func (r *stateReader) text(n int) string {
	if n > len(r.rest) {
		r.failed = true
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

func (r *stateReader) stats(stats []dataset.Stat) {
	for i := range stats {
		s := &stats[i]
		s.Count, s.Min, s.Max, s.Sum = r.int(), r.int(), r.int(), r.int()
		s.SquaresHi, s.SquaresLo = r.uint(), r.uint()
	}
}
