package core

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// activeRow is active/<ns>/<name>: the index of the batches that live.
type activeRow struct {
	gen      uint64
	priority int // the batch's
}

// liveBatch is a batch that the index holds.
type liveBatch struct {
	id       batchID
	priority int
}

const activePrefix = "active/"

func activeKey(name string) string { return activePrefix + name }

// splitActiveKey is activeKey's inverse.
func splitActiveKey(key string) (name string) { return key[len(activePrefix):] }

func (a *activeRow) fields(f *fields) {
	f.uint("gen", &a.gen)
	f.int("priority", &a.priority)
}

func (a *activeRow) encode() []byte {
	f := writeRow("a1")
	a.fields(&f)
	return f.row
}

func decodeActive(key string, row []byte) (activeRow, error) {
	var a activeRow
	f := readRow(key, row, "a1")
	a.fields(&f)
	return a, f.end()
}

// scanActive lists the batches that have not ended.
func (n *Node) scanActive(ctx context.Context, tx env.Txn) ([]liveBatch, error) {
	var live []liveBatch
	err := scan(ctx, tx, activePrefix, n.cfg.Page, func(p env.Pair) (bool, error) {
		row, err := decodeActive(p.Key, p.Value)
		if err != nil {
			n.log(ctx, slog.LevelError, "active row unreadable", p.Key, err)
			return true, nil
		}
		live = append(live, liveBatch{id: newBatchID(splitActiveKey(p.Key), row.gen), priority: row.priority})
		return true, nil
	})
	return live, err
}

// liveBatches lists the batches that have not ended.
func (n *Node) liveBatches(ctx context.Context) ([]batchID, error) {
	var ids []batchID
	err := n.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		live, err := n.scanActive(ctx, tx)
		ids = ids[:0]
		for _, b := range live {
			ids = append(ids, b.id)
		}
		return err
	})
	return ids, err
}
