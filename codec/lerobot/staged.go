package lerobot

import (
	"encoding/binary"
	"math"
)

// A staged episode is a head, then images and frames in their order, then an end.
// All numbers are little-endian.
//
//	head   "GLRS" version:u8 fingerprint:u64 (of the configuration)
//	image  'I' camera:u8 format:u8 length:u32 bytes   shown by the frames behind it
//	frame  'F' number:u32 components*float32
//	end    'E' frames:u32
//
// Core's digest covers all of it; so there are no checksums.
const (
	stagedMagic = "GLRS\x01"
	headSize    = len(stagedMagic) + 8
	imageHead   = 1 + 1 + 1 + 4
	frameHead   = 1 + 4
	endSize     = 1 + 4

	imageTag = 'I'
	frameTag = 'F'
	endTag   = 'E'
)

func (c *Codec) appendHead(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, stagedMagic...), c.fingerprint)
}

func appendImage(dst []byte, camera int, p *picture) []byte {
	dst = append(dst, imageTag, byte(camera), byte(p.format))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.bytes)))
	return append(dst, p.bytes...)
}

// appendFrame appends a frame whose values are in millionths.
func appendFrame(dst []byte, number int64, values []int64) []byte {
	dst = binary.LittleEndian.AppendUint32(append(dst, frameTag), uint32(number))
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(float64(v)/micro)))
	}
	return dst
}

func appendEnd(dst []byte, frames int64) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, endTag), uint32(frames))
}
