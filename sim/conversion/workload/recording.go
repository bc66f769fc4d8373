package workload

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// frame is what one frame of a recording holds.
type frame struct {
	number int64
	stamp  int64 // nanoseconds
	values [3]int32
}

// frame returns frame i, counted from 0, of the recording: a function of its
// ID, First and i only.
func (r *Recording) frame(i int) frame {
	const (
		origin = 1_700_000_000_000_000_000 // some day in 2023
		period = 33_333_333                // 30 frames a second
		jitter = 1_000_000
	)
	f := frame{number: r.First + int64(i)}
	bits := mix(r.ID, uint64(i))
	f.stamp = origin + int64(r.ID%1_000_000)*period + int64(i)*period + int64(bits%jitter)
	for k := range f.values {
		bits = mix(bits, uint64(k))
		f.values[k] = int32(bits%200_001) - 100_000
		switch bits >> 54 { // sometimes the extremes
		case 0:
			f.values[k] = math.MinInt32
		case 1:
			f.values[k] = math.MaxInt32
		}
	}
	return f
}

// Bytes returns the source file, in the format that package core/dataset/plain
// documents.
func (r *Recording) Bytes() []byte {
	le := binary.LittleEndian
	file := make([]byte, 0, 32+len(r.Task)+41*r.Frames)
	file = append(file, 'G', 'R', 'E', 'C', 1)
	file = le.AppendUint64(file, r.ID)
	file = le.AppendUint16(file, uint16(len(r.Task)))
	file = append(file, r.Task...)
	file = le.AppendUint32(file, crc32.ChecksumIEEE(file))
	for i := range r.Frames {
		f := r.frame(i)
		begin := len(file)
		file = append(file, 'F')
		file = le.AppendUint64(file, uint64(f.number))
		file = le.AppendUint64(file, uint64(f.stamp))
		file = le.AppendUint64(file, r.ID)
		for _, v := range f.values {
			file = le.AppendUint32(file, uint32(v))
		}
		sum := crc32.ChecksumIEEE(file[begin:])
		if r.Poison == i+1 {
			sum = ^sum
		}
		file = le.AppendUint32(file, sum)
	}
	begin := len(file)
	file = append(file, 'E')
	file = le.AppendUint64(file, uint64(r.Frames))
	return le.AppendUint32(file, crc32.ChecksumIEEE(file[begin:]))
}

// mix hashes two words into one.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
