package core

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// statusRow is status/<ns>/<name>: the controller's summary, for people.
type statusRow struct {
	gen    uint64
	phase  Phase
	counts Counts
	err    string
}

const statusPrefix = "status/"

func statusKey(name string) string { return statusPrefix + name }

func (s *statusRow) fields(f *fields) {
	f.uint("gen", &s.gen)
	f.text("phase", (*string)(&s.phase))
	f.int("pending", &s.counts.Pending)
	f.int("processing", &s.counts.Processing)
	f.int("complete", &s.counts.Complete)
	f.int("failed", &s.counts.Failed)
	f.int("dead", &s.counts.Dead)
	f.int("cancelled", &s.counts.Cancelled)
	f.text("error", &s.err)
}

func (s *statusRow) encode() []byte {
	f := writeRow("t1")
	s.fields(&f)
	return f.row
}

func decodeStatus(key string, row []byte) (statusRow, error) {
	var s statusRow
	f := readRow(key, row, "t1")
	s.fields(&f)
	return s, f.end()
}

// readStatus returns the last summary of a name; if there is none, one of
// generation 0.
func readStatus(ctx context.Context, tx env.Txn, name string) (statusRow, error) {
	key := statusKey(name)
	row, ok, err := get(ctx, tx, key)
	if err != nil || !ok {
		return statusRow{}, err
	}
	return decodeStatus(key, row)
}
