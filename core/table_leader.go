package core

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// leaderRow is leader/scanner: who scans (R20). An empty worker means that the
// leader has let go.
type leaderRow struct {
	epoch       uint64
	worker      string
	incarnation string
	beat        uint64
}

const leaderKey = "leader/scanner"

func (l *leaderRow) fields(f *fields) {
	f.uint("epoch", &l.epoch)
	f.text("worker", &l.worker)
	f.text("incarnation", &l.incarnation)
	f.uint("beat", &l.beat)
}

func (l *leaderRow) encode() []byte {
	f := writeRow("s1")
	l.fields(&f)
	return f.row
}

func decodeLeader(key string, row []byte) (leaderRow, error) {
	var l leaderRow
	f := readRow(key, row, "s1")
	l.fields(&f)
	return l, f.end()
}

func (l *leaderRow) heldBy(p env.Process) bool {
	return l.worker == p.Name && l.incarnation == p.Incarnation
}

// sign is what an observer watches: the leader's sign of life.
func (l *leaderRow) sign() beat { return beat{epoch: l.epoch, count: l.beat} }

// readLeader returns the leader row; if there is none, one of epoch 0.
func readLeader(ctx context.Context, tx env.Txn) (leaderRow, error) {
	row, ok, err := get(ctx, tx, leaderKey)
	if err != nil || !ok {
		return leaderRow{}, err
	}
	return decodeLeader(leaderKey, row)
}
