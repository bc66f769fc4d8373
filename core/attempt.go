package core

import (
	"context"
	"sync/atomic"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// attempt is one execution of a unit under one epoch. All that it does to rows
// is conditional on the unit row still being its own (R1); all that it does to
// objects touches keys that only it and its successors write.
type attempt struct {
	node     *Node
	id       batchID
	uid      string
	unitKey  string
	leaseKey string

	epoch    uint64
	unit     unitRow // as it was claimed
	output   string  // of the batch
	priority int
	limit    int // of the unit's attempts

	sentAt atomic.Int64 // monotonic time at which the last successful beat was sent
	seq    uint64       // of the last checkpoint

	conversion *conversion // nil until it has begun
}

// begin takes over what a claim's transaction read and is about to write.
func (a *attempt) begin(b *batchRow, u *unitRow) {
	a.epoch = u.epoch
	a.unit = *u
	a.output = b.output
	a.priority = b.priority
	a.limit = u.attemptLimit(b)
}

// lease is the attempt's lease, as it is written with the claim.
func (a *attempt) lease() *leaseRow {
	return &leaseRow{epoch: a.epoch, beat: 1, ttlMS: a.node.cfg.StaleAfter.Milliseconds()}
}

// owns reports whether u is this attempt's.
func (a *attempt) owns(u *unitRow) bool {
	return u.state == UnitProcessing &&
		u.epoch == a.epoch &&
		u.worker == a.node.env.Self.Name &&
		u.incarnation == a.node.env.Self.Incarnation
}

// own reads the unit's row and refuses with env.ErrFenced if it is not this
// attempt's.
func (a *attempt) own(ctx context.Context, tx env.Txn) (unitRow, error) {
	u, err := readUnit(ctx, tx, a.unitKey)
	if err == nil && !a.owns(&u) {
		err = fenced("attempt", a.unitKey)
	}
	return u, err
}

// guard is own for what writes: the row is locked, too, since whoever ends the
// attempt writes it (R1, R3).
func (a *attempt) guard(ctx context.Context, tx env.Txn) (unitRow, error) {
	u, err := a.own(ctx, tx)
	if err == nil {
		tx.Lock(a.unitKey)
	}
	return u, err
}

// guardBatch reads the batch's row and refuses with errNotClaimable unless its
// units may start and complete. The row is not locked, or all attempts of a
// batch would wait for one another: the caller writes the unit's shard, which
// whatever ends the batch locks (R3, R16).
func (a *attempt) guardBatch(ctx context.Context, tx env.Txn) (batchRow, error) {
	b, err := readBatch(ctx, tx, a.id.name())
	if err == nil && !b.startsUnits(a.id) {
		err = errNotClaimable
	}
	return b, err
}

// move buffers the end of the attempt: the unit's edge, with its lease.
func (a *attempt) move(ctx context.Context, tx env.Txn, from, to *unitRow) error {
	to.slot = 0
	tx.Delete(a.leaseKey)
	return moveUnit(ctx, tx, a.id, a.uid, from, to)
}
