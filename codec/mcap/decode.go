package mcap

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decoder takes fields off a record's content. The first that is not there makes
// it fail, and all after it are zero. What follows the known fields is left: the
// format lets later versions append.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) check(op byte, chunk bool) error {
	if d.failed {
		return &Error{Opcode: op, Chunk: chunk, Err: ErrMalformed}
	}
	return nil
}

func (d *decoder) skip(n uint64) { d.take(n) }

func (d *decoder) take(n uint64) []byte {
	if d.failed || n > uint64(len(d.rest)) {
		d.failed = true
		return nil
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) block32() []byte { return d.take(uint64(d.uint32())) }
func (d *decoder) block64() []byte { return d.take(d.uint64()) }
func (d *decoder) text() string    { return string(d.block32()) }

func (d *decoder) message() Message {
	m := Message{ChannelID: d.uint16(), Sequence: d.uint32(), LogTime: d.uint64(), PublishTime: d.uint64()}
	m.Data, d.rest = d.rest, nil
	return m
}

// zstds decompresses zstd blocks, on the caller's goroutine, into as much memory
// as it is given: a small block that would become a large one is an error.
var zstds, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
	zstd.WithDecoderMaxMemory(MaxRecord), zstd.WithDecoderMaxWindow(MaxRecord)) // the options are valid

// decompressor decompresses chunks.
type decompressor struct {
	lz4 *lz4.Reader
}

// all decompresses a chunk's records, which are size bytes, into dst's memory.
func (u *decompressor) all(dst []byte, size int, compression string, records []byte) ([]byte, error) {
	if cap(dst) < size {
		dst = make([]byte, 0, size)
	}
	dst = dst[:0:size]

	damaged := func(detail string) error {
		return &Error{Opcode: opChunk, Err: ErrCompression, Detail: detail}
	}
	var err error
	switch compression {
	case "":
		dst = append(dst, records...)
	case "zstd":
		dst, err = zstds.DecodeAll(records, dst)
	case "lz4":
		dst, err = u.lz4All(dst, records)
	default:
		return nil, damaged(strconv.Quote(compression))
	}
	if err != nil {
		return nil, damaged(compression + ": " + err.Error())
	}
	if len(dst) != size {
		return nil, damaged("it has " + strconv.Itoa(len(dst)) + " bytes, not " + strconv.Itoa(size))
	}
	return dst, nil
}

func (u *decompressor) lz4All(dst, records []byte) ([]byte, error) {
	if u.lz4 == nil {
		u.lz4 = lz4.NewReader(nil)
	}
	u.lz4.Reset(bytes.NewReader(records))
	dst = dst[:cap(dst)]
	if _, err := io.ReadFull(u.lz4, dst); err != nil {
		return nil, err
	}
	var more [1]byte
	if n, err := u.lz4.Read(more[:]); n > 0 || err != io.EOF {
		return nil, io.ErrShortBuffer
	}
	return dst, nil
}
