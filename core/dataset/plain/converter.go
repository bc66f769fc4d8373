package plain

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

const (
	magic      = "GREC\x01"
	headerSize = len(magic) + 8 + 2 + 4 // and the task
	frameSize  = 1 + 8 + 8 + 8 + 3*4 + 4
	endSize    = 1 + 8 + 4

	frameTag = 'F'
	endTag   = 'E'

	// A recording of at most maxFrames frames, whose numbers and microseconds
	// are below maxValue, has exact statistics: their product is below 2^63.
	maxFrames = 1 << 22
	maxValue  = 1 << 40

	components = 5 // number, timestamp, three values
	sourceSize = 16
)

// converter is the state of one conversion; see state.go for its stored form.
type converter struct {
	started bool // the header has been read
	ended   bool // the end marker has been read
	source  uint64
	prefix  [sourceSize + 1]byte // the source column and its comma
	task    string
	frames  int64
	origin  int64 // the first frame's stamp, nanoseconds
	number  int64 // the last frame's number
	stamp   int64 // the last frame's stamp
	stats   [components]dataset.Stat
}

// NewConverter starts a conversion, or resumes one.
func (Codec) NewConverter(state []byte) (dataset.Converter, error) {
	c := &converter{}
	if len(state) == 0 {
		return c, nil
	}
	if !c.load(state) {
		return nil, invalid("resume conversion", errState)
	}
	return c, nil
}

// Frame consumes one frame, together with the header if it is the first and
// with the end marker if it is the last: so that every call that consumes
// anything yields exactly one record.
func (c *converter) Frame(dst, src []byte, eof bool) (out []byte, consumed int, frame bool, err error) {
	if c.ended {
		if len(src) > 0 {
			return dst, 0, false, invalid("decode frame", errTrailing)
		}
		return dst, 0, false, nil
	}
	header := 0
	if !c.started {
		if header, err = c.header(src); err != nil {
			return dst, 0, false, err
		}
	}
	rest := src[header:]
	if (header == 0 && !c.started) || len(rest) == 0 {
		return c.incomplete(dst, eof)
	}
	if rest[0] == endTag {
		return dst, 0, false, c.noFrame()
	}
	if len(rest) <= frameSize {
		return c.incomplete(dst, eof)
	}
	after := rest[frameSize:]
	if after[0] == endTag && len(after) < endSize {
		return c.incomplete(dst, eof)
	}
	if out, err = c.frame(dst, rest[:frameSize]); err != nil {
		return dst, 0, false, err
	}
	consumed = header + frameSize
	if after[0] != endTag {
		return out, consumed, true, nil
	}
	if err := c.end(after); err != nil {
		return dst, 0, false, err
	}
	return out, consumed + endSize, true, nil
}

// incomplete asks for more bytes, which at the end of the source cannot come.
func (c *converter) incomplete(dst []byte, eof bool) ([]byte, int, bool, error) {
	if eof {
		return dst, 0, false, invalid("decode frame", errTruncated)
	}
	return dst, 0, false, nil
}

// header reads the header at the front of src, and returns its size, or 0
// while it is incomplete. Reading it twice does no harm.
func (c *converter) header(src []byte) (int, error) {
	if n := min(len(src), len(magic)); string(src[:n]) != magic[:n] {
		return 0, invalid("decode header", errHeader)
	}
	if len(src) < headerSize {
		return 0, nil
	}
	length := int(binary.LittleEndian.Uint16(src[len(magic)+8:]))
	size := headerSize + length
	if len(src) < size {
		return 0, nil
	}
	task := src[len(magic)+10 : size-4]
	if crc32.ChecksumIEEE(src[:size-4]) != binary.LittleEndian.Uint32(src[size-4:]) || !oneLine(task) {
		return 0, invalid("decode header", errHeader)
	}
	c.setSource(binary.LittleEndian.Uint64(src[len(magic):]))
	c.task = string(task)
	return size, nil
}

func (c *converter) setSource(source uint64) {
	c.source = source
	copy(c.prefix[:], dataset.Digest(source).String())
	c.prefix[sourceSize] = ','
}

// frame checks one whole frame and appends its record.
func (c *converter) frame(dst, frame []byte) ([]byte, error) {
	if crc32.ChecksumIEEE(frame[:frameSize-4]) != binary.LittleEndian.Uint32(frame[frameSize-4:]) || frame[0] != frameTag {
		return dst, invalid("decode frame", errFrame)
	}
	number := int64(binary.LittleEndian.Uint64(frame[1:]))
	stamp := int64(binary.LittleEndian.Uint64(frame[9:]))
	source := binary.LittleEndian.Uint64(frame[17:])
	if !c.started {
		c.started = true
		c.origin, c.stamp, c.number = stamp, stamp, -1
	}
	if source != c.source || number <= c.number || stamp < c.stamp {
		return dst, invalid("decode frame", errOrder)
	}
	c.number, c.stamp = number, stamp
	elapsed := (stamp - c.origin) / 1000
	if stamp-c.origin < 0 || elapsed >= maxValue || number >= maxValue || c.frames == maxFrames {
		return dst, invalid("decode frame", errRange)
	}
	values := [3]int64{}
	for i := range values {
		values[i] = int64(int32(binary.LittleEndian.Uint32(frame[25+4*i:])))
	}
	dst = append(dst, c.prefix[:]...)
	dst = strconv.AppendInt(dst, number, 10)
	dst = appendSeconds(append(dst, ','), elapsed)
	for i, v := range values {
		dst = strconv.AppendInt(append(dst, ','), v, 10)
		c.stats[2+i].Add(v)
	}
	dst = strconv.AppendInt(append(dst, ','), c.frames, 10)
	c.stats[0].Add(number)
	c.stats[1].Add(elapsed)
	c.frames++
	return append(dst, '\n'), nil
}

// noFrame is the error of a frame expected where an end marker stands. An end
// marker after a frame is consumed with it, so this is the first record.
func (c *converter) noFrame() error {
	if c.started {
		return invalid("decode frame", errEnd)
	}
	return invalid("decode frame", errEmpty)
}

// end checks the end marker at the front of src.
func (c *converter) end(src []byte) error {
	sum := binary.LittleEndian.Uint32(src[endSize-4:])
	frames := binary.LittleEndian.Uint64(src[1:])
	if crc32.ChecksumIEEE(src[:endSize-4]) != sum || frames != uint64(c.frames) {
		return invalid("decode end", errEnd)
	}
	c.ended = true
	return nil
}

// Finish sums up; it is an error before the end marker has been read.
func (c *converter) Finish(dst []byte) ([]byte, dataset.Summary, error) {
	if !c.ended {
		return dst, dataset.Summary{}, invalid("finish conversion", errTruncated)
	}
	stats, err := dataset.AppendStats(nil, c.stats[:])
	if err != nil {
		return dst, dataset.Summary{}, err
	}
	return dst, dataset.Summary{Frames: c.frames, Task: c.task, Stats: string(stats)}, nil
}

// appendSeconds appends microseconds, at least 0, as seconds with 6 decimals.
func appendSeconds(dst []byte, micros int64) []byte {
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	dst = append(dst, '.')
	rest := micros % 1e6
	for unit := int64(100_000); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit%10))
	}
	return dst
}

// oneLine reports whether a task is valid text without control characters.
func oneLine(task []byte) bool {
	for i := 0; i < len(task); {
		r, size := utf8.DecodeRune(task[i:])
		if (r == utf8.RuneError && size == 1) || unicode.IsControl(r) {
			return false
		}
		i += size
	}
	return len(task) <= math.MaxUint16
}
