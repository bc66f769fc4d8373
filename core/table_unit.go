package core

import (
	"context"
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// unitRow is unit/<bid>/<uid>: the guard of an attempt.
type unitRow struct {
	state       UnitState
	epoch       uint64
	attempts    int
	releases    int
	retries     int
	shard       int // of its batch, for good
	slot        int // the shard whose share of the parallelism it takes, from 1; 0: none
	source      int
	url         string
	size        int64
	etag        string
	worker      string
	incarnation string
	staged      string
	stagedSize  int64
	stagedETag  string
	digest      string
	frames      int64
	task        string
	stats       string
	err         string
}

const unitPrefix = "unit/"

func unitsPrefix(id batchID) string         { return unitPrefix + string(id) + "/" }
func unitKey(id batchID, uid string) string { return unitPrefix + string(id) + "/" + uid }

// splitUnitKey is unitKey's inverse within a batch.
func splitUnitKey(id batchID, key string) (uid string) { return key[len(unitPrefix)+len(id)+1:] }

func (u *unitRow) fields(f *fields) {
	f.text("state", (*string)(&u.state))
	f.uint("epoch", &u.epoch)
	f.int("attempts", &u.attempts)
	f.int("releases", &u.releases)
	f.int("retries", &u.retries)
	f.int("shard", &u.shard)
	f.int("slot", &u.slot)
	f.int("source", &u.source)
	f.text("url", &u.url)
	f.int64("size", &u.size)
	f.text("etag", &u.etag)
	f.text("worker", &u.worker)
	f.text("incarnation", &u.incarnation)
	f.text("staged", &u.staged)
	f.int64("staged_size", &u.stagedSize)
	f.text("staged_etag", &u.stagedETag)
	f.text("digest", &u.digest)
	f.int64("frames", &u.frames)
	f.text("task", &u.task)
	f.text("stats", &u.stats)
	f.text("error", &u.err)
}

func (u *unitRow) encode() []byte {
	f := writeRow("u1")
	u.fields(&f)
	return f.row
}

func decodeUnit(key string, row []byte) (unitRow, error) {
	var u unitRow
	f := readRow(key, row, "u1")
	u.fields(&f)
	return u, f.end()
}

// UnitState is the state of a unit.
type UnitState string

const (
	UnitPending    UnitState = "pending"    // queued
	UnitProcessing UnitState = "processing" // leased to the row's owner
	UnitComplete   UnitState = "complete"   // staged
	UnitFailed     UnitState = "failed"     // an attempt failed; queued again after a back-off
	UnitDead       UnitState = "dead"       // poison, or out of attempts
	UnitCancelled  UnitState = "cancelled"  // its batch ended without it
)

// Terminal reports whether a unit in this state is never executed again, an
// operator's retry aside.
func (s UnitState) Terminal() bool {
	switch s {
	case UnitComplete, UnitDead, UnitCancelled:
		return true
	}
	return false
}

// nextStates are the legal edges of a unit.
var nextStates = map[UnitState][]UnitState{
	UnitPending:    {UnitProcessing, UnitCancelled},
	UnitProcessing: {UnitComplete, UnitFailed, UnitDead, UnitPending, UnitCancelled},
	UnitFailed:     {UnitPending, UnitCancelled},
	UnitDead:       {UnitPending}, // an operator's retry, while the batch lives
}

// advance moves the unit to another state, or refuses an illegal edge with
// env.ErrInvalid.
func (u *unitRow) advance(to UnitState) error {
	if !slices.Contains(nextStates[u.state], to) {
		return &env.Error{Class: env.ClassInvalid, Op: "unit state " + string(u.state) + " to " + string(to)}
	}
	u.state = to
	return nil
}

// attemptLimit bounds the unit's attempts (R12): an operator's retry grants as
// many again.
func (u *unitRow) attemptLimit(b *batchRow) int { return b.maxAttempts * (1 + u.retries) }

// failures is how many attempts of the unit have failed, unless it has since
// recovered, or may be about to.
func (u *unitRow) failures() int {
	if u.state == UnitProcessing || u.state == UnitComplete {
		return 0
	}
	return u.attempts
}

// fingerprint identifies what a complete unit contributes to the dataset.
func (u *unitRow) fingerprint(uid string) uint64 {
	h := fnv(fnvOffset, uid)
	h = fnv(mix(h), u.staged)
	return mix(fnv(mix(h), u.digest))
}

func readUnit(ctx context.Context, tx env.Txn, key string) (unitRow, error) {
	row, err := tx.Get(ctx, key)
	if err != nil {
		return unitRow{}, err
	}
	return decodeUnit(key, row)
}
