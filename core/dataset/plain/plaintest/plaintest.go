// Package plaintest makes recordings of the plain codec for tests.
package plaintest

import (
	"encoding/binary"
	"hash/crc32"
)

// Frame is one frame of a recording.
type Frame struct {
	Number int64
	Stamp  int64 // nanoseconds
	Source uint64
	Values [3]int32
}

// Frames returns n frames of a source, numbered from first on, 30 a second,
// with values that differ between sources and frames.
func Frames(source uint64, first int64, n int) []Frame {
	frames := make([]Frame, n)
	for i := range frames {
		k := int64(i)
		frames[i] = Frame{
			Number: first + k,
			Stamp:  1_700_000_000_000_000_000 + k*33_333_333,
			Source: source,
			Values: [3]int32{int32(source%1000) + int32(i), -int32(i * i), int32(i%3) - 1},
		}
	}
	return frames
}

// Recording returns the file that holds the frames, whatever they are: a test
// may break every rule but the checksums.
func Recording(source uint64, task string, frames []Frame) []byte {
	le := binary.LittleEndian
	file := append(make([]byte, 0, 64+len(task)+64*len(frames)), "GREC\x01"...)
	file = le.AppendUint64(file, source)
	file = le.AppendUint16(file, uint16(len(task)))
	file = append(file, task...)
	file = seal(file, 0)
	for _, f := range frames {
		begin := len(file)
		file = append(file, 'F')
		file = le.AppendUint64(file, uint64(f.Number))
		file = le.AppendUint64(file, uint64(f.Stamp))
		file = le.AppendUint64(file, f.Source)
		for _, v := range f.Values {
			file = le.AppendUint32(file, uint32(v))
		}
		file = seal(file, begin)
	}
	begin := len(file)
	file = append(file, 'E')
	file = le.AppendUint64(file, uint64(len(frames)))
	return seal(file, begin)
}

// seal appends the checksum of the record that begins at begin.
func seal(file []byte, begin int) []byte {
	return binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(file[begin:]))
}
