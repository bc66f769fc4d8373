package wal

import (
	"encoding/binary"
	"errors"
)

// ErrRecord is the error of a record that does not read as it was written.
var ErrRecord = errors.New("a record that this version does not write")

// AppendText appends a text with its length.
func AppendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// NewReader returns a reader of a record.
func NewReader(record []byte) *Reader { return &Reader{rest: record} }

// Reader reads a record's fields. After the first that is not there all others
// are zero, and End tells.
type Reader struct {
	rest []byte
	bad  bool
}

// End returns [ErrRecord] if a field was not there, or something is left.
func (r *Reader) End() error {
	if r.bad || len(r.rest) > 0 {
		return ErrRecord
	}
	return nil
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Uint reads what binary.AppendUvarint has written.
func (r *Reader) Uint() uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

// Length reads a number of things of which each takes a byte at least.
func (r *Reader) Length() int {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return 0
	}
	return int(n)
}

// Text reads what [AppendText] has written.
func (r *Reader) Text() string {
	n := r.Length()
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}
