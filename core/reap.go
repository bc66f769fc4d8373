package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// reaper takes units away from owners that have gone silent. It enumerates
// leases, which every claim writes: an owner need never have beaten.
type reaper struct {
	*Node
	leases *observer
}

func newReaper(n *Node) *reaper {
	return &reaper{Node: n, leases: newObserver(n.env.Clock)}
}

func (r *reaper) run(ctx context.Context) error {
	return r.every(ctx, "reaper", r.cfg.ReapEvery, r.round)
}

// round looks at every lease and reaps those that have been stale for long
// enough.
func (r *reaper) round(ctx context.Context) error {
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
			if r.leases.unchanged(p.Key, lease.sign()) >= r.cfg.StaleAfter {
				stale = append(stale, p.Key)
			}
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	r.leases.endRound()
	var first error
	for _, key := range stale {
		if err := r.reap(ctx, key, r.leases.beatOf(key)); err != nil {
			r.log(ctx, slog.LevelWarn, "reaping failed", key, err)
			first = firstError(first, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return first
}

// reap ends the attempt behind a stale lease. What was seen may be outdated:
// the transaction reads the lease and the unit again, and an owner that has
// beaten meanwhile, or beats at this moment, keeps them (R3, R8).
func (r *reaper) reap(ctx context.Context, key string, seen beat) error {
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
		if lease.sign() != seen {
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
	r.leases.forget(key)
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
	was := *u
	to := UnitCancelled
	if b.gen == id.gen() && !b.phase.Terminal() {
		to = UnitPending // R3, R16: what ends the batch locks the unit's shard
		if u.attempts >= u.attemptLimit(&b) {
			to = UnitDead
		}
	}
	if err := u.advance(to); err != nil {
		return "", err
	}
	u.err = fmt.Sprintf("lease of %s/%s at epoch %d ran out", u.worker, u.incarnation, u.epoch)
	u.slot = 0
	if to == UnitPending {
		enqueue(tx, b.priority, id, uid, u)
	}
	return to, moveUnit(ctx, tx, id, uid, &was, u)
}
