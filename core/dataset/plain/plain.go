// Package plain is a small, complete codec for simulation and tests: binary
// recordings in, one line of comma-separated text per frame out.
//
// # Recording
//
// All numbers are little-endian; every checksum is a CRC-32 (IEEE) of the
// bytes of its record before it.
//
//	header  "GREC" version=1 source:u64 length:u16 task:length bytes crc:u32
//	frame   'F' number:u64 stamp:i64 source:u64 values:3*i32 crc:u32
//	end     'E' frames:u64 crc:u32
//
// Frame numbers rise strictly, stamps (nanoseconds) never fall, every frame
// names the header's source, and the end marker counts the frames: damaged,
// missing, repeated and foreign frames are all env.ErrInvalid, and so are a
// recording that is cut short, one that goes on after its end marker, and one
// without a frame, for which a dataset has no room. The limits are 2^22 frames,
// numbers below 2^40 and 12 days.
//
// # Episode
//
// Columns: source (16 hexadecimal digits), number, timestamp (seconds since
// the first frame, 6 decimals), two values of observation.state, one of action,
// frame_index; in the published dataset also episode_index, index, task_index.
package plain

import (
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Codec is the plain codec. The zero value is ready to use.
type Codec struct{}

var _ dataset.Codec = Codec{}

// Ext returns "csv".
func (Codec) Ext() string { return "csv" }

// Schema describes the columns before frame_index.
func (Codec) Schema() dataset.Schema {
	return dataset.Schema{
		RobotType: "simulated",
		FPS:       30,
		Features: []dataset.Feature{
			{Name: "source", DType: "string"},
			{Name: "number", DType: "int64", Components: 1},
			{Name: "timestamp", DType: "float64", Components: 1, Divisor: 1_000_000},
			{Name: "observation.state", DType: "int32", Components: 2},
			{Name: "action", DType: "int32", Components: 1},
		},
	}
}

// The causes that an env.Error of class invalid wraps.
var (
	errHeader    = errors.New("damaged header")
	errFrame     = errors.New("damaged frame")
	errOrder     = errors.New("frame of another source, or out of order")
	errRange     = errors.New("too many frames, or a number or stamp out of range")
	errEnd       = errors.New("damaged end marker, or wrong number of frames")
	errTruncated = errors.New("the recording is cut short")
	errTrailing  = errors.New("the recording goes on after its end marker")
	errEmpty     = errors.New("the recording has no frames")
	errState     = errors.New("not a state of this codec")
	errStaged    = errors.New("not a staged episode of this codec")
)

func invalid(op string, cause error) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Err: cause}
}
