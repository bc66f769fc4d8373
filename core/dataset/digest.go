package dataset

import (
	"hash/crc64"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Digest is a running CRC-64/XZ (Go's crc64.ECMA) of an object's bytes. It proves that
// bytes are the ones that were written; it is no defence against an adversary.
// Eight bytes of state, and no more, let a successor continue it in the middle
// of an object (rule R5). The zero value is the digest of no bytes.
type Digest uint64

// Append returns the digest of the bytes so far followed by p.
func (d Digest) Append(p []byte) Digest {
	return Digest(crc64.Update(uint64(d), crc64.MakeTable(crc64.ECMA), p))
}

// String returns the 16 hexadecimal digits under which a digest is stored.
func (d Digest) String() string {
	var text [16]byte
	return string(appendHex(text[:0], uint64(d)))
}

// ParseDigest reverses String. Anything else is env.ErrInvalid.
func ParseDigest(text string) (Digest, error) {
	value, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return 0, &env.Error{Class: env.ClassInvalid, Op: "parse digest", Key: text}
	}
	return Digest(value), nil
}

func appendHex(dst []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[v>>shift&15])
	}
	return dst
}
