package tikvserver

import (
	"encoding/binary"
	"errors"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// A record of the log is a request that changed the engine, or the limit of the
// timestamps: the engine is a function of the requests that it handled, so that
// handling them again makes the same rows and locks.

// limitRecord marks a record that holds the limit of the timestamps; other
// records begin with their request's kind.
const limitRecord = 0xff

// writes reports whether requests of this kind may change rows or locks.
func writes(kind tikv.Kind) bool {
	switch kind {
	case tikv.KindPrewrite, tikv.KindCommit, tikv.KindRollback, tikv.KindCheckTxn, tikv.KindResolve:
		return true
	}
	return false
}

func encodeLimit(physicalMS int64) []byte {
	return binary.AppendUvarint([]byte{limitRecord}, uint64(physicalMS))
}

func encodeRequest(req *tikv.Request) []byte {
	b := []byte{byte(req.Kind), 0}
	if req.RollbackIfMissing {
		b[1] = 1
	}
	for _, n := range []uint64{req.StartTS, req.CommitTS, req.CurrentTS, req.CallerTS, req.TTLMS} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendText(b, req.Primary)
	b = binary.AppendUvarint(b, uint64(len(req.Keys)))
	for _, key := range req.Keys {
		b = appendText(b, key)
	}
	b = binary.AppendUvarint(b, uint64(len(req.Mutations)))
	for _, m := range req.Mutations {
		b = append(b, byte(m.Op))
		b = appendText(b, m.Key)
		b = appendText(b, string(m.Value))
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var errRecord = errors.New("a record that this version does not write")

// decode reads a record: a request, or a limit of the timestamps.
func decode(record []byte) (req *tikv.Request, limitMS int64, err error) {
	r := reader{rest: record}
	kind := r.byte()
	if kind == limitRecord {
		limitMS = int64(r.uint())
		return nil, limitMS, r.end()
	}
	req = &tikv.Request{Kind: tikv.Kind(kind), RollbackIfMissing: r.byte() == 1}
	for _, n := range []*uint64{&req.StartTS, &req.CommitTS, &req.CurrentTS, &req.CallerTS, &req.TTLMS} {
		*n = r.uint()
	}
	req.Primary = r.text()
	for range r.length() {
		req.Keys = append(req.Keys, r.text())
	}
	for range r.length() {
		m := tikv.Mutation{Op: tikv.Op(r.byte()), Key: r.text()}
		if value := r.text(); value != "" {
			m.Value = []byte(value)
		}
		req.Mutations = append(req.Mutations, m)
	}
	if !writes(req.Kind) {
		r.bad = true
	}
	return req, 0, r.end()
}

// reader reads a record's fields. After the first that is not there all others
// are zero, and end tells.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) end() error {
	if r.bad || len(r.rest) > 0 {
		return errRecord
	}
	return nil
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uint() uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

// length is a number of things of which each takes a byte at least.
func (r *reader) length() int {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) text() string {
	n := r.length()
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}
