package tikvserver

import (
	"encoding/binary"

	"github.com/gauntlet-dst/gauntlet/e2e/wal"
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
	case tikv.KindPrewrite, tikv.KindCommit, tikv.KindRollback, tikv.KindCheckTxn, tikv.KindResolve, tikv.KindCleanup:
		return true
	}
	return false
}

func encodeLimit(physicalMS int64) []byte {
	return binary.AppendUvarint([]byte{limitRecord}, uint64(physicalMS))
}

// encodeRequest makes a record of a request that succeeded. It leaves the region
// out, which need not be the same after a restart. A cleanup that succeeded is a
// rollback.
func encodeRequest(req *tikv.Request) []byte {
	if req.Kind == tikv.KindCleanup {
		req = &tikv.Request{Kind: tikv.KindRollback, StartTS: req.StartTS, Keys: []string{req.Key}}
	}
	b := []byte{byte(req.Kind), 0}
	if req.RollbackIfMissing {
		b[1] = 1
	}
	for _, n := range []uint64{req.StartTS, req.CommitTS, req.CurrentTS, req.CallerTS, req.MinCommitTS, req.TTLMS} {
		b = binary.AppendUvarint(b, n)
	}
	b = wal.AppendText(b, req.Primary)
	b = binary.AppendUvarint(b, uint64(len(req.Keys)))
	for _, key := range req.Keys {
		b = wal.AppendText(b, key)
	}
	b = binary.AppendUvarint(b, uint64(len(req.Mutations)))
	for _, m := range req.Mutations {
		b = append(b, byte(m.Op))
		b = wal.AppendText(b, m.Key)
		b = wal.AppendText(b, string(m.Value))
	}
	return b
}

// decode reads a record: a request, or a limit of the timestamps.
func decode(record []byte) (req *tikv.Request, limitMS int64, err error) {
	r := wal.NewReader(record)
	kind := r.Byte()
	if kind == limitRecord {
		limitMS = int64(r.Uint())
		return nil, limitMS, r.End()
	}
	req = &tikv.Request{Kind: tikv.Kind(kind), RollbackIfMissing: r.Byte() == 1}
	for _, n := range []*uint64{&req.StartTS, &req.CommitTS, &req.CurrentTS, &req.CallerTS, &req.MinCommitTS, &req.TTLMS} {
		*n = r.Uint()
	}
	req.Primary = r.Text()
	for range r.Length() {
		req.Keys = append(req.Keys, r.Text())
	}
	for range r.Length() {
		m := tikv.Mutation{Op: tikv.Op(r.Byte()), Key: r.Text()}
		if value := r.Text(); value != "" {
			m.Value = []byte(value)
		}
		req.Mutations = append(req.Mutations, m)
	}
	if !writes(req.Kind) {
		return nil, 0, wal.ErrRecord
	}
	return req, 0, r.End()
}
