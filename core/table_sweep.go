package core

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// sweepRow is sweep/<bid>: what an ended batch has left to be settled and
// collected.
type sweepRow struct {
	state    string
	output   string
	priority int
	mergeGen uint64 // the one that was published, or 0
	chunk    int    // episodes in each chunk of the datasets
	ageMS    int64
	ttlMS    int64
}

// The states of a sweep, in order.
const (
	// sweepSettle: units may still be queued or leased, rows may still point
	// to staged objects.
	sweepSettle = "settle"
	// sweepCollect: no row points to a staged object any more.
	sweepCollect = "collect"
)

const sweepPrefix = "sweep/"

func sweepKey(id batchID) string { return sweepPrefix + string(id) }

// splitSweepKey is sweepKey's inverse.
func splitSweepKey(key string) (id batchID, ok bool) {
	text := key[len(sweepPrefix):]
	return batchID(text), validBatchID(text)
}

func (s *sweepRow) fields(f *fields) {
	f.text("state", &s.state)
	f.text("output", &s.output)
	f.int("priority", &s.priority)
	f.uint("merge_gen", &s.mergeGen)
	f.int("chunk", &s.chunk)
	f.int64("age_ms", &s.ageMS)
	f.int64("ttl_ms", &s.ttlMS)
}

func (s *sweepRow) encode() []byte {
	f := writeRow("w1")
	s.fields(&f)
	return f.row
}

func decodeSweep(key string, row []byte) (sweepRow, error) {
	var s sweepRow
	f := readRow(key, row, "w1")
	s.fields(&f)
	return s, f.end()
}

// sign is what a janitor watches: how long it, or another, has watched.
func (s *sweepRow) sign() beat { return beat{count: uint64(s.ageMS)} }

func readSweep(ctx context.Context, tx env.Txn, id batchID) (sweepRow, error) {
	key := sweepKey(id)
	row, err := tx.Get(ctx, key)
	if err != nil {
		return sweepRow{}, err
	}
	return decodeSweep(key, row)
}

// swept is a batch that has ended, with its sweep row.
type swept struct {
	id  batchID
	row sweepRow
}

// sweeps lists the batches that have ended and are not yet forgotten.
func (n *Node) sweeps(ctx context.Context) ([]swept, error) {
	var list []swept
	err := n.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		list = list[:0]
		return scan(ctx, tx, sweepPrefix, n.cfg.Page, func(p env.Pair) (bool, error) {
			id, ok := splitSweepKey(p.Key)
			row, err := decodeSweep(p.Key, p.Value)
			if err != nil || !ok {
				n.log(ctx, slog.LevelError, "sweep row unreadable", p.Key, err)
				return true, nil
			}
			list = append(list, swept{id: id, row: row})
			return true, nil
		})
	})
	return list, err
}
