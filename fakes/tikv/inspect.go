package tikv

import (
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
)

// LowWater returns the timestamp up to which the order of commits is final:
// no transaction that is still undecided can get a commit timestamp at or
// below it. It is math.MaxUint64 when none is undecided, since a transaction
// that begins to commit later gets a newer timestamp than all before. With
// Options.AsyncCommit that is not so: it never exceeds MaxTS then.
func (e *Engine) LowWater() uint64 {
	low := uint64(math.MaxUint64)
	if e.opts.AsyncCommit {
		low = e.maxTS
	}
	for _, t := range e.undecided {
		// A transaction in async commit lacks a lock, whose minimum will exceed
		// maxTS; if it falls back, its commit timestamp is fetched after that.
		if l := &t.primaryRow.lock; !l.async || t.twoPhase() {
			low = min(low, max(t.bound+1, l.minCommitTS)-1)
		}
	}
	return low
}

// LastTS returns the newest timestamp that was handed out, 0 before the first.
func (e *Engine) LastTS() uint64 { return e.oracle.last }

// Locks returns every lock that stands, in key order.
func (e *Engine) Locks() []Lock {
	var locks []Lock
	for _, chunk := range e.rows.chunks {
		for _, entry := range chunk {
			if entry.row.lock.startTS != 0 {
				locks = append(locks, e.describe(entry.key, entry.row))
			}
		}
	}
	return locks
}

// SnapshotAt iterates over the values committed at or before ts, in key order;
// math.MaxUint64 means the latest. A transaction counts as a whole once its
// primary is committed, even while locks on its other keys remain. Nothing may
// be handled during the iteration.
func (e *Engine) SnapshotAt(ts uint64) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, chunk := range e.rows.chunks {
			for _, entry := range chunk {
				value := e.committedAt(entry.row, ts)
				if value != nil && !yield(entry.key, value) {
					return
				}
			}
		}
	}
}

// committedAt returns r's value at ts, or nil.
func (e *Engine) committedAt(r *row, ts uint64) []byte {
	if r.lock.startTS != 0 && r.lock.op <= OpDelete {
		if t := e.txns[r.lock.startTS]; t.commitTS != 0 && t.commitTS <= ts {
			return r.lock.value
		}
	}
	w := r.at(ts)
	if w == nil {
		return nil
	}
	return w.value
}

// Digest folds the latest committed keys and values into 64 bits. Equal states
// have equal digests in every process and on every architecture.
func (e *Engine) Digest() uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for key, value := range e.SnapshotAt(math.MaxUint64) {
		h = foldString(h, key)
		h = foldBytes(h, value)
	}
	return h
}

const (
	foldA = 0xa0761d6478bd642f
	foldB = 0xe7037ed1a0b428db
)

func fold(h, word uint64) uint64 {
	hi, lo := bits.Mul64(h^foldA, word^foldB)
	return hi ^ lo ^ bits.RotateLeft64(h, 23) ^ word
}

func foldString(h uint64, s string) uint64 {
	var tail uint64
	for i := range len(s) {
		tail = tail<<8 | uint64(s[i])
		if i&7 == 7 {
			h, tail = fold(h, tail), 0
		}
	}
	return fold(fold(h, tail), uint64(len(s)))
}

func foldBytes(h uint64, b []byte) uint64 {
	n := uint64(len(b))
	for len(b) >= 8 {
		h = fold(h, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var tail uint64
	for i := range b {
		tail = tail<<8 | uint64(b[i])
	}
	return fold(fold(h, tail), n)
}

// SetSafePoint drops what no snapshot at or after ts needs: older versions,
// deletions, and the records of finished transactions. It visits every row.
// Reads of older snapshots find what is left. The caller promises that no
// request of a transaction that began before ts is still to come: its records,
// which would refuse it, may be gone. ts never goes back.
func (e *Engine) SetSafePoint(ts uint64) {
	e.safePoint = max(e.safePoint, ts)
	e.rows.trim(e.safePoint)
}
