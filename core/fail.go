package core

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// fail records that the attempt failed: the unit is tried again after a
// back-off, or is dead if it is poison or out of attempts (R12). The failure,
// the end of the lease and the error text are one transaction.
func (a *attempt) fail(ctx context.Context, cause error) error {
	ctx, err := a.node.env.Runtime.Step(ctx, StepFailUnit)
	if err != nil {
		return err
	}
	to := UnitFailed
	if isPoison(cause) || a.unit.attempts >= a.limit {
		to = UnitDead
	}
	body := func(ctx context.Context, tx env.Txn) error {
		u, err := a.guard(ctx, tx)
		if err != nil {
			return err
		}
		was := u
		if err := u.advance(to); err != nil {
			return err
		}
		u.err = errorText(cause)
		return a.move(ctx, tx, &was, &u)
	}
	if err := a.node.kv.update(ctx, &txn{patient: true, whole: a.node.drainBy.Load() == 0, body: body, landed: a.ended(to)}); err != nil {
		return err
	}
	if to == UnitDead {
		a.forgetSource()
	}
	a.node.env.Metrics.Add("attempts_failed_total", 1)
	a.node.log(ctx, slog.LevelWarn, "unit "+string(to), a.unitKey, cause)
	return nil
}

// release gives the unit back, without consuming the attempt (R12): it is
// queued again in the same transaction that makes it pending (R13).
func (a *attempt) release(ctx context.Context) error {
	ctx, err := a.node.env.Runtime.Step(ctx, StepReleaseUnit)
	if err != nil {
		return err
	}
	body := func(ctx context.Context, tx env.Txn) error {
		if _, err := a.guardBatch(ctx, tx); err != nil {
			return err
		}
		u, err := a.guard(ctx, tx)
		if err != nil {
			return err
		}
		was := u
		if err := u.advance(UnitPending); err != nil {
			return err
		}
		u.attempts--
		u.releases++
		enqueue(tx, a.priority, a.id, a.uid, &u)
		return a.move(ctx, tx, &was, &u)
	}
	if err := a.node.kv.update(ctx, &txn{patient: true, body: body, landed: a.ended(UnitPending)}); err != nil {
		return err
	}
	a.node.env.Metrics.Add("releases_total", 1)
	a.node.log(ctx, slog.LevelInfo, "unit released", a.unitKey, nil)
	return nil
}
