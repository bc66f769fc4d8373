package core

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// claimPage is how many queue entries a worker looks at at once, at most.
const claimPage = 32

func (w *worker) claimPage() int { return min(claimPage, w.cfg.Page) }

// candidate is a queue entry that looked claimable.
type candidate struct {
	key string // of the queue row
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
	candidates, err := w.candidates(ctx)
	if err != nil {
		return nil, err
	}
	full := batchID("") // at its parallelism limit
	for _, c := range candidates {
		unit := unitKey(c.id, c.uid)
		if c.id == full || !w.reserve(unit) {
			continue
		}
		a, err := w.claimUnit(ctx, c)
		if err == nil {
			w.moveCursor(c.key)
			w.env.Metrics.Add("claims_total", 1)
			w.log(ctx, slog.LevelInfo, "unit claimed", unit, nil)
			return a, nil
		}
		w.unreserve(unit)
		switch {
		case errors.Is(err, errNotClaimable):
		case errors.Is(err, errBatchFull):
			full = c.id
		case damaged(err):
			// A damaged row must not hide the entries behind it (R13).
			w.log(ctx, slog.LevelError, "unit cannot be claimed", unit, err)
		default:
			return nil, err
		}
	}
	return nil, nil
}

// candidates returns the entries of the first page of the queue that has any
// which look claimable, in the order in which to try them.
func (w *worker) candidates(ctx context.Context) ([]candidate, error) {
	var found []candidate
	err := w.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		page, err := tx.Scan(ctx, queuePrefix, prefixEnd(queuePrefix), w.claimPage())
		if err != nil {
			return err
		}
		if found, err = w.behindCursor(ctx, tx, page); err != nil || len(found) > 0 {
			return err
		}
		for len(page) > 0 {
			if found, err = w.claimable(ctx, tx, page); err != nil || len(found) > 0 {
				return err
			}
			// Entries that cannot be claimed must not hide those behind them
			// (R13), however many they are: the rest of the last one's batch
			// cannot be claimed, either.
			from := queueBehindBatch(page[len(page)-1].Key)
			if page, err = tx.Scan(ctx, from, prefixEnd(queuePrefix), w.claimPage()); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// behindCursor returns the claimable entries of the page behind the entry that
// this process claimed last, if the highest priority has more than the first
// page: so a worker goes round, and a long queue starves nobody (R13).
func (w *worker) behindCursor(ctx context.Context, tx env.Txn, first []env.Pair) ([]candidate, error) {
	if len(first) < w.claimPage() {
		return nil, nil
	}
	cursor := w.readCursor()
	band := queueBand(first[0].Key)
	if !strings.HasPrefix(cursor, band) || cursor < first[len(first)-1].Key {
		return nil, nil
	}
	page, err := tx.Scan(ctx, cursor+"\x00", prefixEnd(band), w.claimPage())
	if err != nil {
		return nil, err
	}
	return w.claimable(ctx, tx, page)
}

// claimable keeps the entries whose batch lets another unit start, and rotates
// those of the highest priority, so that workers do not all run for the same
// one.
func (w *worker) claimable(ctx context.Context, tx env.Txn, page []env.Pair) ([]candidate, error) {
	var found []candidate
	var last batchID
	var open bool
	top := 0
	for _, p := range page {
		id, uid, ok := splitQueueKey(p.Key)
		if !ok {
			w.log(ctx, slog.LevelError, "not a queue key", p.Key, nil)
			continue
		}
		if id != last {
			var err error
			if open, err = w.open(ctx, tx, id); err != nil {
				return nil, err
			}
			last = id
		}
		if !open {
			continue
		}
		found = append(found, candidate{key: p.Key, id: id, uid: uid})
		if queueBand(p.Key) == queueBand(found[0].key) {
			top = len(found)
		}
	}
	if top > 1 {
		rotate(found[:top], int(w.env.Rand.Uint64()%uint64(top)))
	}
	return found, nil
}

// open reports whether another unit of the batch may start.
func (w *worker) open(ctx context.Context, tx env.Txn, id batchID) (bool, error) {
	b, err := readBatch(ctx, tx, id.name())
	if damaged(err) {
		w.log(ctx, slog.LevelError, "batch unreadable", string(id), err)
		return false, nil
	}
	if err != nil || !b.startsUnits(id) {
		return false, err
	}
	err = w.checkParallelism(ctx, tx, id, &b)
	if errors.Is(err, errBatchFull) {
		return false, nil
	}
	return err == nil, err
}

// damaged reports whether err says that a row is missing or unreadable, rather
// than that the store is in trouble.
func damaged(err error) bool {
	class := env.ClassOf(err)
	return class == env.ClassNotFound || class == env.ClassInvalid
}

// rotate moves the first n elements behind the others.
func rotate(list []candidate, n int) {
	head := append([]candidate(nil), list[:n]...)
	copy(list, list[n:])
	copy(list[len(list)-n:], head)
}

func (w *worker) readCursor() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}

func (w *worker) moveCursor(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cursor = key
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
		if err := w.checkParallelism(ctx, tx, c.id, &b); err != nil {
			return err
		}
		if err := u.advance(UnitProcessing); err != nil {
			return err
		}
		u.epoch++    // R2
		u.attempts++ // R12: counted at claim
		u.worker, u.incarnation = w.env.Self.Name, w.env.Self.Incarnation
		a.begin(&b, &u)
		tx.Put(a.unitKey, u.encode())
		tx.Delete(queueKey(b.priority, c.id, c.uid)) // R13: not claimable, not queued
		tx.Put(a.leaseKey, a.lease().encode())
		return nil
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		u, err := readUnit(ctx, tx, a.unitKey)
		return err == nil && a.epoch != 0 && a.owns(&u), err
	}
	claim := &txn{body: body, landed: landed}
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

// checkParallelism returns errBatchFull if as many units of the batch are in
// execution as it allows. All claims of a batch lock its row, so the count
// cannot be outdated when it matters (R3).
func (w *worker) checkParallelism(ctx context.Context, tx env.Txn, id batchID, b *batchRow) error {
	if b.parallelism == 0 {
		return nil
	}
	running := 0
	err := scanUnits(ctx, tx, id, w.cfg.Page, func(_ string, u *unitRow) (bool, error) {
		if u.state == UnitProcessing {
			running++
		}
		return true, nil
	})
	if err == nil && running >= b.parallelism {
		return errBatchFull
	}
	return err
}
