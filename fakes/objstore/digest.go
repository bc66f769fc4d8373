package objstore

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strconv"
)

// Odd constants with about half of their bits set, as multiply-fold hashes
// want them; their values have no other meaning.
const (
	seed = 0x9e3779b97f4a7c15
	mixA = 0xa0761d6478bd642f
	mixB = 0xe7037ed1a0b428db
)

// digestOf is a 64-bit digest of content: quick, the same on every machine and
// in every process, and no defence against an adversary.
func digestOf[T string | []byte](b T) uint64 {
	h := fold(seed^uint64(len(b)), mixB)
	for len(b) >= 8 {
		word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		h = fold(h^word, mixA)
		b = b[8:]
	}
	var word uint64
	for i := 0; i < len(b); i++ {
		word |= uint64(b[i]) << (8 * i)
	}
	return fold(h^word, mixB)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// etagOf is S3's ETag: the sum in hex, and for a multipart upload, whose sum is
// that of its parts' sums, "-" and the number of parts. parts is 0 for content
// written in one piece.
func etagOf(sum *[md5.Size]byte, parts int) string {
	var buf [2*md5.Size + 6]byte
	text := hex.AppendEncode(buf[:0], sum[:])
	if parts > 0 {
		text = append(text, '-')
		text = strconv.AppendInt(text, int64(parts), 10)
	}
	return string(text)
}

// opaqueETag is the n-th ETag of a store whose ETags say nothing of contents.
func opaqueETag(n uint64) string {
	var raw [md5.Size]byte
	binary.BigEndian.PutUint64(raw[:], fold(seed^n, mixA))
	binary.BigEndian.PutUint64(raw[8:], n)
	return hex.EncodeToString(raw[:])
}
