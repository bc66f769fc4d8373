package core

import (
	"context"
	"log/slog"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// keep renews the attempt's lease until ctx ends, the first time at once. It
// returns env.ErrFenced when the attempt is over or must be assumed to be.
func (a *attempt) keep(ctx context.Context) error {
	return a.node.keepLease(ctx, StepHeartbeat, a.unitKey, time.Duration(a.sentAt.Load()), a.heartbeat)
}

// keepLease calls renew at once and then every Heartbeat, until ctx ends. sent
// is when the lease was last written, on the monotonic clock.
//
// The owner gives up by itself (R8), with env.ErrFenced, when its last
// successful renewal was sent longer ago than StaleAfter less a margin: it
// measures from the send, and an observer, who begins to count later, waits
// longer. That is for liveness and to save work; what the attempt still does
// to rows is refused by R1.
func (n *Node) keepLease(ctx context.Context, step env.Step, key string, sent time.Duration, renew func(ctx context.Context, until time.Duration) error) error {
	holds := n.cfg.StaleAfter - n.cfg.FenceMargin
	for {
		now := n.env.Clock.Monotonic()
		if now-sent >= holds {
			n.env.Metrics.Add("leases_given_up_total", 1)
			return fenced("lease ran out", key)
		}
		err := n.renewOnce(ctx, step, sent+holds-now, func(ctx context.Context) error { return renew(ctx, sent+holds) })
		wait := n.cfg.Heartbeat
		switch {
		case err == nil:
			sent = now
		case env.ClassOf(err) == env.ClassFenced:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			n.log(ctx, slog.LevelWarn, "renewal failed", key, err)
			wait = min(wait, n.cfg.StorageBackoffMax)/4 + 1
		}
		wait = min(wait, sent+holds-n.env.Clock.Monotonic())
		if err := n.env.Clock.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// renewOnce renews, for no longer than the lease still holds.
func (n *Node) renewOnce(ctx context.Context, step env.Step, holds time.Duration, renew func(ctx context.Context) error) error {
	ctx, err := n.env.Runtime.Step(ctx, step)
	if err != nil {
		return err
	}
	ctx, cancel := n.env.Clock.WithTimeout(ctx, holds)
	defer cancel()
	return renew(ctx)
}

// heartbeat raises the lease's beat. It only extends a lease that is there: a
// lease that is gone was reaped, and stays gone (R9).
//
// The lease row is the guard here, not the unit's, which is read only: all that
// ends an attempt deletes its lease in the same transaction (R1). To lock the
// unit as well would let an owner starve by its own hand:
//  1. A conversion that checkpoints often locks the unit all the time.
//  2. Each of its beats conflicts with a checkpoint, and backs off.
//  3. The lease runs out, and a living owner loses an attempt.
func (a *attempt) heartbeat(ctx context.Context, until time.Duration) error {
	err := a.node.kv.update(ctx, &txn{vital: true, whole: true, until: until, body: func(ctx context.Context, tx env.Txn) error {
		u, err := a.own(ctx, tx)
		if u.state == UnitComplete && u.epoch == a.epoch {
			return nil // by this attempt, which waits for the answer (R4)
		}
		if err != nil {
			return err
		}
		row, ok, err := get(ctx, tx, a.leaseKey)
		if err != nil {
			return err
		}
		if !ok {
			return fenced("heartbeat", a.leaseKey)
		}
		lease, err := decodeLease(a.leaseKey, row)
		if err != nil {
			return err
		}
		if lease.epoch != a.epoch {
			return fenced("heartbeat", a.leaseKey)
		}
		// One more than the row's, whatever became of earlier tries: observers
		// must see every beat that was written as a new one.
		lease.beat++
		tx.Put(a.leaseKey, lease.encode())
		return nil
	}})
	if err == nil {
		a.node.env.Metrics.Add("heartbeats_total", 1)
	}
	return err
}
