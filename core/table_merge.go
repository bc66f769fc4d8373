package core

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// mergeRow is merge/<bid>: who may publish. An empty worker means that the
// owner has let go; the generation stays its own until it is taken over.
type mergeRow struct {
	gen         uint64
	state       string
	worker      string
	incarnation string
	beat        uint64
	units       int
	digest      string
}

// The states of a merge, in order.
const (
	mergeClaimed   = "claimed"
	mergePublished = "published"
)

const mergePrefix = "merge/"

func mergeKey(id batchID) string { return mergePrefix + string(id) }

func (m *mergeRow) fields(f *fields) {
	f.uint("gen", &m.gen)
	f.text("state", &m.state)
	f.text("worker", &m.worker)
	f.text("incarnation", &m.incarnation)
	f.uint("beat", &m.beat)
	f.int("units", &m.units)
	f.text("digest", &m.digest)
}

func (m *mergeRow) encode() []byte {
	f := writeRow("m1")
	m.fields(&f)
	return f.row
}

func decodeMerge(key string, row []byte) (mergeRow, error) {
	var m mergeRow
	f := readRow(key, row, "m1")
	m.fields(&f)
	return m, f.end()
}

// sign is what an observer watches: the owner's sign of life.
func (m *mergeRow) sign() beat { return beat{epoch: m.gen, count: m.beat} }

// readMerge returns the merge row; if there is none, one of generation 0.
func readMerge(ctx context.Context, tx env.Txn, key string) (mergeRow, error) {
	row, ok, err := get(ctx, tx, key)
	if err != nil || !ok {
		return mergeRow{}, err
	}
	return decodeMerge(key, row)
}
