package core

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// failedRow is failed/<bid>/<uid>, present exactly while the unit waits for its
// back-off, or dead/<bid>/<uid>, present exactly while it is dead: the index by
// which the controller, a retry and people find the few units that have failed
// among the many that have not.
type failedRow struct {
	epoch    uint64
	attempts int
}

const (
	failedPrefix = "failed/"
	deadPrefix   = "dead/"
)

func failuresPrefix(id batchID) string        { return failedPrefix + string(id) + "/" }
func deadsPrefix(id batchID) string           { return deadPrefix + string(id) + "/" }
func failedKey(id batchID, uid string) string { return failedPrefix + string(id) + "/" + uid }
func deadKey(id batchID, uid string) string   { return deadPrefix + string(id) + "/" + uid }

func (r *failedRow) fields(f *fields) {
	f.uint("epoch", &r.epoch)
	f.int("attempts", &r.attempts)
}

func (r *failedRow) encode() []byte {
	f := writeRow("f1")
	r.fields(&f)
	return f.row
}

func decodeFailed(key string, row []byte) (failedRow, error) {
	var r failedRow
	f := readRow(key, row, "f1")
	r.fields(&f)
	return r, f.end()
}

// indexFailure buffers what a unit's edge changes of the index.
func indexFailure(tx env.Txn, id batchID, uid string, from, to *unitRow) {
	if from.state == to.state {
		return
	}
	switch from.state {
	case UnitFailed:
		tx.Delete(failedKey(id, uid))
	case UnitDead:
		tx.Delete(deadKey(id, uid))
	}
	row := failedRow{epoch: to.epoch, attempts: to.attempts}
	switch to.state {
	case UnitFailed:
		tx.Put(failedKey(id, uid), row.encode())
	case UnitDead:
		tx.Put(deadKey(id, uid), row.encode())
	}
}

// scanFailed calls visit with every unit under one of the index's two prefixes,
// until it returns false.
func scanFailed(ctx context.Context, tx env.Txn, prefix string, page int, visit func(uid string, r *failedRow) bool) error {
	return scan(ctx, tx, prefix, page, func(p env.Pair) (bool, error) {
		r, err := decodeFailed(p.Key, p.Value)
		if err != nil {
			return false, err
		}
		return visit(p.Key[len(prefix):], &r), nil
	})
}
