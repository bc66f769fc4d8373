package core

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// complete makes the staged object the unit's result. It is the attempt's last
// act: the unit is complete, its lease and checkpoint are gone, or an error
// says why not.
func (a *attempt) complete(ctx context.Context, s staged) error {
	ctx, err := a.node.env.Runtime.Step(ctx, StepCompleteUnit)
	if err != nil {
		return err
	}
	// R6: the object is there, whole, before a row names it. Objects appear
	// whole, and this key's bytes are a function of the key; its ETag may be that
	// of an earlier try which came late.
	obj, err := a.node.patient.Head(ctx, s.Key)
	if err != nil {
		return err
	}
	if obj.Size != s.Size {
		return &env.Error{Class: env.ClassOther, Op: "stage", Key: s.Key, Err: errShortBody}
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
		if err := u.advance(UnitComplete); err != nil {
			return err
		}
		u.staged, u.stagedSize, u.stagedETag = s.Key, obj.Size, obj.ETag
		u.digest = s.digest.String()
		u.frames, u.task, u.stats = s.summary.Frames, s.summary.Task, s.summary.Stats
		u.err = ""
		row := u.encode()
		if size := len(a.unitKey) + len(row); size > a.node.cfg.unitRoom() {
			return poison(invalid("complete", a.unitKey, "its summary makes a row of "+strconv.Itoa(size)+" bytes; there is room for "+strconv.Itoa(a.node.cfg.unitRoom())))
		}
		tx.Delete(checkpointKey(a.id, a.uid))
		return a.move(ctx, tx, &was, &u)
	}
	err = a.node.kv.update(ctx, &txn{patient: true, whole: true, body: body, landed: a.ended(UnitComplete)})
	if err == nil {
		a.node.env.Metrics.Add("units_completed_total", 1)
		a.node.log(ctx, slog.LevelInfo, "unit complete", a.unitKey, nil)
	}
	return err
}

// ended tells whether this attempt has brought its unit to a state. Epochs are
// never reused, so the row still tells whose the last attempt was (R2).
func (a *attempt) ended(state UnitState) func(ctx context.Context, tx env.Txn) (bool, error) {
	return func(ctx context.Context, tx env.Txn) (bool, error) {
		u, err := readUnit(ctx, tx, a.unitKey)
		return err == nil && u.state == state && u.epoch == a.epoch, err
	}
}
