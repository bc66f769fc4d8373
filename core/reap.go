package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// reaper takes units away from owners that have gone silent. It enumerates
// leases, which every claim writes: an owner need never have beaten.
type reaper struct {
	*Node
	seen map[string]sighting // by lease key
}

// sighting is what an observer remembers of a lease: since when, on its own
// monotonic clock, it has seen this very beat (R8). No wall clock takes part.
type sighting struct {
	epoch uint64
	beat  uint64
	since time.Duration
	round uint64 // in which it was last seen
}

// forget drops what a round has not seen again.
func forget(seen map[string]sighting, round uint64) {
	maps.DeleteFunc(seen, func(_ string, s sighting) bool { return s.round != round })
}

func newReaper(n *Node) *reaper {
	return &reaper{Node: n, seen: make(map[string]sighting)}
}

func (r *reaper) run(ctx context.Context) error {
	var round uint64
	return r.every(ctx, "reaper", r.cfg.ReapEvery, func(ctx context.Context) error {
		round++
		return r.round(ctx, round)
	})
}

// round looks at every lease and reaps those that have been stale for long
// enough.
func (r *reaper) round(ctx context.Context, round uint64) error {
	ctx, err := r.env.Runtime.Step(ctx, StepReap)
	if err != nil {
		return err
	}
	var stale []string
	err = r.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		stale = stale[:0]
		return scan(ctx, tx, leasePrefix, r.cfg.Page, func(p env.Pair) (bool, error) {
			lease, err := decodeLease(p.Key, p.Value)
			if err != nil {
				r.log(ctx, slog.LevelError, "lease unreadable", p.Key, err)
				return true, nil
			}
			if r.observe(p.Key, &lease, round) {
				stale = append(stale, p.Key)
			}
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	forget(r.seen, round)
	var first error
	for _, key := range stale {
		if err := r.reap(ctx, key, r.seen[key]); err != nil {
			r.log(ctx, slog.LevelWarn, "reaping failed", key, err)
			first = firstError(first, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return first
}

// observe notes a lease and reports whether it has not moved for StaleAfter on
// this observer's clock.
func (r *reaper) observe(key string, lease *leaseRow, round uint64) bool {
	now := r.env.Clock.Monotonic()
	s, known := r.seen[key]
	if !known || s.epoch != lease.epoch || s.beat != lease.beat {
		s = sighting{epoch: lease.epoch, beat: lease.beat, since: now}
	}
	s.round = round
	r.seen[key] = s
	return now-s.since >= r.cfg.StaleAfter
}

// reap ends the attempt behind a stale lease. What was seen may be outdated:
// the transaction reads the lease and the unit again, and an owner that has
// beaten meanwhile, or beats at this moment, keeps them (R3, R8).
func (r *reaper) reap(ctx context.Context, key string, seen sighting) error {
	worker, incarnation, id, uid, ok := splitLeaseKey(key)
	if !ok {
		return invalid("reap", key, "not a lease key")
	}
	unit := unitKey(id, uid)
	to := UnitState("")
	body := func(ctx context.Context, tx env.Txn) error {
		row, ok, err := get(ctx, tx, key)
		if err != nil {
			return err
		}
		if !ok {
			return errUnchanged
		}
		lease, err := decodeLease(key, row)
		if err != nil {
			return err
		}
		if lease.epoch != seen.epoch || lease.beat != seen.beat {
			return errUnchanged
		}
		u, err := readUnit(ctx, tx, unit)
		if err != nil && env.ClassOf(err) != env.ClassNotFound {
			return err
		}
		tx.Delete(key)
		to = ""
		if u.state != UnitProcessing || u.epoch != lease.epoch || u.worker != worker || u.incarnation != incarnation {
			return nil // a lease without an attempt, which never comes back (R2)
		}
		to, err = r.takeAway(ctx, tx, id, uid, &u)
		return err
	}
	if err := r.kv.update(ctx, &txn{body: body}); err != nil && !errors.Is(err, errUnchanged) {
		return err
	}
	delete(r.seen, key)
	if to != "" {
		r.env.Metrics.Add("units_reaped_total", 1)
		r.log(ctx, slog.LevelWarn, "unit reaped, now "+string(to), unit, nil)
	}
	return nil
}

// takeAway buffers the end of u's attempt: the unit is queued again in the same
// transaction (R13), unless it is out of attempts (R12) or its batch has ended.
func (r *reaper) takeAway(ctx context.Context, tx env.Txn, id batchID, uid string, u *unitRow) (UnitState, error) {
	b, err := readBatch(ctx, tx, id.name())
	if err != nil {
		return "", err
	}
	to := UnitCancelled // an ended batch stays ended: no need to lock its row
	if b.startsUnits(id) {
		tx.Lock(batchKey(id.name())) // R3, R16
		to = UnitPending
		if u.attempts >= u.attemptLimit(&b) {
			to = UnitDead
		}
	}
	if err := u.advance(to); err != nil {
		return "", err
	}
	u.err = fmt.Sprintf("lease of %s/%s at epoch %d ran out", u.worker, u.incarnation, u.epoch)
	tx.Put(unitKey(id, uid), u.encode())
	if to == UnitPending {
		tx.Put(queueKey(b.priority, id, uid), queueValue(u.epoch))
	}
	return to, nil
}
