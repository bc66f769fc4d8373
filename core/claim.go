package core

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// claimPage is how many queue entries a worker looks at at once, at most.
const claimPage = 8

// claimLooks is how often a worker looks at the queue, at most, before it
// pauses.
const claimLooks = 3

func (w *worker) claimPage() int { return min(claimPage, w.cfg.Page) }

// candidate is a unit whose queue entry looked claimable.
type candidate struct {
	id  batchID
	uid string
}

// claim makes one claimable unit this worker's own, or returns nil if there is
// none. While the object store is known to be down it claims nothing: the
// attempt would be wasted.
func (w *worker) claim(ctx context.Context) (*attempt, error) {
	if !w.objects.breaker.allow(w.env.Clock.Monotonic()) {
		return nil, nil
	}
	ctx, err := w.env.Runtime.Step(ctx, StepClaimUnit)
	if err != nil {
		return nil, err
	}
	for range claimLooks {
		candidates, err := w.candidates(ctx)
		if err != nil || len(candidates) == 0 {
			return nil, err
		}
		if a, err := w.claimOne(ctx, candidates); a != nil || err != nil {
			return a, err
		}
		// Others were faster, at all of them: the next look is at another batch,
		// or at another place.
		w.moveCursor(candidates[0].id)
		// Meanwhile another slot may have found the store down
		// (seeds/second-look-in-an-outage.plan).
		if !w.objects.breaker.allow(w.env.Clock.Monotonic()) {
			return nil, nil
		}
	}
	return nil, nil
}

// claimOne claims the first of the candidates, which are of one batch, that can
// be claimed. It returns nil if none can.
func (w *worker) claimOne(ctx context.Context, candidates []candidate) (*attempt, error) {
	for _, c := range candidates {
		unit := unitKey(c.id, c.uid)
		if !w.reserve(unit) {
			continue
		}
		a, err := w.claimUnit(ctx, c)
		if err == nil {
			w.moveCursor(c.id)
			w.env.Metrics.Add("claims_total", 1)
			w.log(ctx, slog.LevelInfo, "unit claimed", unit, nil)
			return a, nil
		}
		w.unreserve(unit)
		switch {
		case errors.Is(err, errNotClaimable):
		case errors.Is(err, errBatchFull):
			return nil, nil
		case damaged(err):
			// A damaged row must not hide the entries behind it (R13).
			w.log(ctx, slog.LevelError, "unit cannot be claimed", unit, err)
		default:
			return nil, err
		}
	}
	return nil, nil
}

// candidates returns queue entries that look claimable, all of one batch: of the
// first that has any, by priority. Among equals the workers take turns at the
// batches, so that a long queue starves nobody, and a batch that lets no unit
// start is passed by, however many of its units wait (R13).
func (w *worker) candidates(ctx context.Context) ([]candidate, error) {
	var found []candidate
	err := w.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		live, err := w.scanActive(ctx, tx)
		if err != nil {
			return err
		}
		takeTurns(live, w.readCursor())
		for _, b := range live {
			if found, err = w.enter(ctx, tx, b.id); err != nil || len(found) > 0 {
				return err
			}
		}
		return nil
	})
	return found, err
}

// takeTurns sorts batches by priority, highest first, and those of one priority
// in the order of their ids, beginning behind the last.
func takeTurns(live []liveBatch, last batchID) {
	slices.SortStableFunc(live, func(a, b liveBatch) int {
		before, after := a.id <= last, b.id <= last
		switch {
		case a.priority != b.priority:
			return cmp.Compare(b.priority, a.priority)
		case before != after && before:
			return +1
		case before != after:
			return -1
		}
		return cmp.Compare(a.id, b.id)
	})
}

// enter returns queue entries of a batch, if it lets another unit start.
//
// The units of a batch are queued in the order of a hash, and each look enters
// at a random place, so that workers do not run for the same entries. It first
// reads on for a shard's length only: a store has to pass by every entry that was
// taken and not yet collected, and where most were they are many. Only if
// nothing is there the shards are asked whether anything is pending at all.
func (w *worker) enter(ctx context.Context, tx env.Txn, id batchID) ([]candidate, error) {
	b, err := w.batches.read(ctx, tx, id.name())
	if damaged(err) {
		w.log(ctx, slog.LevelError, "batch unreadable", string(id), err)
		return nil, nil
	}
	if err != nil || !b.startsUnits(id) {
		return nil, err
	}
	if full, err := w.full(ctx, tx, id, &b); err != nil || full {
		return nil, err
	}
	queue := queuePrefixOf(b.priority, id)
	end := prefixEnd(queue)
	at := w.env.Rand.Uint64()
	near := end
	if span := math.MaxUint64 / uint64(b.shards); at <= math.MaxUint64-span {
		near = queue + hex16(at+span)
	}
	page, err := tx.Scan(ctx, queue+hex16(at), near, w.claimPage())
	if err != nil || len(page) > 0 {
		return candidatesOf(id, page), err
	}
	if any, err := w.pending(ctx, tx, id, &b); err != nil || !any {
		return nil, err
	}
	if near < end {
		page, err = tx.Scan(ctx, near, end, w.claimPage())
	}
	if err == nil && len(page) == 0 {
		page, err = tx.Scan(ctx, queue, queue+hex16(at), w.claimPage())
	}
	return candidatesOf(id, page), err
}

func candidatesOf(id batchID, page []env.Pair) []candidate {
	found := make([]candidate, 0, len(page))
	for _, p := range page {
		if _, uid, ok := splitQueueKey(p.Key); ok {
			found = append(found, candidate{id: id, uid: uid})
		}
	}
	return found
}

// full reports whether the batch executes as many units as it may.
func (w *worker) full(ctx context.Context, tx env.Txn, id batchID, b *batchRow) (bool, error) {
	if b.parallelism == 0 {
		return false, nil
	}
	sum, err := readShards(ctx, tx, id, w.cfg.Page)
	return sum.taken >= b.parallelism, err
}

// pending reports whether any unit of the batch waits to be claimed.
func (w *worker) pending(ctx context.Context, tx env.Txn, id batchID, b *batchRow) (bool, error) {
	counts, err := readCounts(ctx, tx, id, b, w.cfg.Page)
	return counts.Pending > 0, err
}

// damaged reports whether err says that a row is missing or unreadable, rather
// than that the store is in trouble.
func damaged(err error) bool {
	class := env.ClassOf(err)
	return class == env.ClassNotFound || class == env.ClassInvalid
}

func (w *worker) readCursor() batchID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}

func (w *worker) moveCursor(id batchID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cursor = id
}

// claimUnit claims one unit, or returns errNotClaimable or errBatchFull.
func (w *worker) claimUnit(ctx context.Context, c candidate) (*attempt, error) {
	a := &attempt{node: w.Node, id: c.id, uid: c.uid, unitKey: unitKey(c.id, c.uid)}
	a.leaseKey = leaseKey(w.env.Self.Name, w.env.Self.Incarnation, c.id, c.uid)
	body := func(ctx context.Context, tx env.Txn) error {
		// The lease counts from the try that lands, not from the first one (R8):
		// this snapshot does not hold an earlier try, so none was seen before.
		a.sentAt.Store(int64(w.env.Clock.Monotonic()))
		b, err := a.guardBatch(ctx, tx)
		if err != nil {
			return err
		}
		u, err := readUnit(ctx, tx, a.unitKey)
		if err != nil {
			return err
		}
		if u.state != UnitPending {
			return errNotClaimable
		}
		was := u
		if err := u.advance(UnitProcessing); err != nil {
			return err
		}
		t := newTally(c.id)
		if u.slot, err = w.freeSlot(ctx, tx, t, &b, u.shard); err != nil {
			return err
		}
		u.epoch++    // R2
		u.attempts++ // R12: counted at claim
		u.worker, u.incarnation = w.env.Self.Name, w.env.Self.Incarnation
		a.begin(&b, &u)
		if err := t.move(ctx, tx, c.uid, &was, &u); err != nil {
			return err
		}
		t.put(tx) // R3, R16: what ends the batch locks the shard
		tx.Put(a.unitKey, u.encode())
		tx.Delete(queueKey(b.priority, c.id, c.uid)) // R13: not claimable, not queued
		tx.Put(a.leaseKey, a.lease().encode())
		return nil
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		u, err := readUnit(ctx, tx, a.unitKey)
		return err == nil && a.epoch != 0 && a.owns(&u), err
	}
	claim := &txn{whole: true, body: body, landed: landed}
	err := w.kv.update(ctx, claim)
	if env.ClassOf(err) == env.ClassUndetermined && drained(ctx) {
		// The process drains with the claim in flight: find out, and release
		// the unit, or the shutdown would burn an attempt.
		late, cancel := w.afterwards(ctx)
		defer cancel()
		claim.unsure = true
		err = w.kv.update(late, claim)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// freeSlot finds room for one more unit of a batch with a limit on its
// parallelism: in the unit's own shard, or else in the next that has some. It
// returns the number to store with the unit, 0 if there is no limit, or
// errBatchFull. Who takes a slot writes its shard, so that no two take the same
// (R3).
func (w *worker) freeSlot(ctx context.Context, tx env.Txn, t *tally, b *batchRow, own int) (int, error) {
	if b.parallelism == 0 {
		return 0, nil
	}
	for i := range b.shards {
		shard := (own + i) % b.shards
		s, err := t.row(ctx, tx, shard)
		if err != nil {
			return 0, err
		}
		if s.taken < b.slots(shard) {
			return shard + 1, nil
		}
		if shard != own {
			t.drop(shard)
		}
	}
	return 0, errBatchFull
}
