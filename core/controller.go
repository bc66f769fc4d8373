package core

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// controller queues failed units again after their back-off, fails batches
// that cannot be completed, settles those that have ended, and writes status
// rows. Any number of controllers may run: all they do is conditional.
type controller struct {
	*Node
	failed *observer // of failed units
}

func newController(n *Node) *controller {
	return &controller{Node: n, failed: newObserver(n.env.Clock)}
}

func (c *controller) run(ctx context.Context) error {
	return c.every(ctx, "controller", c.cfg.ControlEvery, c.round)
}

func (c *controller) round(ctx context.Context) error {
	ctx, err := c.env.Runtime.Step(ctx, StepControl)
	if err != nil {
		return err
	}
	live, err := c.liveBatches(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, id := range live {
		if err := c.control(ctx, id); err != nil {
			c.log(ctx, slog.LevelWarn, "control failed", string(id), err)
			first = firstError(first, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	c.failed.endRound()
	return firstError(c.settleAll(ctx), first)
}

// survey is what one look at a batch found, all from one snapshot.
type survey struct {
	batch    batchRow
	counts   Counts
	failures int      // failed attempts of the units that have not recovered
	due      []string // ids of failed units whose back-off is over
	dead     string   // id of a dead unit, or ""
	deadText string   // its error
	lastText string   // the error of some failed attempt
}

// control takes one look at a living batch and acts on it.
func (c *controller) control(ctx context.Context, id batchID) error {
	var s survey
	err := c.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) (err error) {
		if s, err = c.survey(ctx, tx, id); err != nil {
			return err
		}
		return putStatus(ctx, tx, id, &s)
	}})
	if err != nil || s.batch.gen != id.gen() || !s.batch.startsUnits(id) {
		return err
	}
	if text := s.verdict(); text != "" {
		return c.failBatch(ctx, id, &s, text)
	}
	for _, uid := range s.due {
		if err := c.requeue(ctx, id, uid); err != nil {
			return err
		}
	}
	return nil
}

// survey reads the batch and all of its units.
func (c *controller) survey(ctx context.Context, tx env.Txn, id batchID) (survey, error) {
	var s survey
	var err error
	if s.batch, err = readBatch(ctx, tx, id.name()); err != nil {
		return s, err
	}
	err = scanUnits(ctx, tx, id, c.cfg.Page, func(uid string, u *unitRow) (bool, error) {
		s.counts.add(u.state)
		s.failures += u.failures()
		switch u.state {
		case UnitDead:
			s.dead, s.deadText = uid, u.url+": "+u.err
		case UnitFailed:
			s.lastText = u.url + ": " + u.err
			if c.backedOff(unitKey(id, uid), u) {
				s.due = append(s.due, uid)
			}
		}
		return true, nil
	})
	return s, err
}

// backedOff notes a failed unit and reports whether its back-off, which
// doubles with each attempt, is over on this controller's clock.
func (c *controller) backedOff(key string, u *unitRow) bool {
	wait := c.cfg.UnitBackoff
	for range u.attempts - 1 {
		wait = min(2*wait, c.cfg.UnitBackoffMax)
	}
	return c.failed.unchanged(key, beat{epoch: u.epoch}) >= wait
}

// verdict says why the batch must fail, or "". A dead unit fails it once no
// other is left to execute: until then an operator may still retry it.
func (s *survey) verdict() string {
	if s.failures > s.batch.backoffLimit {
		return fmt.Sprintf("more than %d failed attempts; %s", s.batch.backoffLimit, firstText(s.deadText, s.lastText))
	}
	left := s.counts.Pending + s.counts.Processing + s.counts.Failed
	if s.dead != "" && left == 0 && s.batch.phase == PhaseRunning {
		return "dead unit: " + s.deadText
	}
	return ""
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// failBatch fails a batch, unless somebody has changed it meanwhile or retried
// the dead unit (R3): a retry locks the batch row, which this writes.
func (c *controller) failBatch(ctx context.Context, id batchID, s *survey, text string) error {
	failed := false
	err := c.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		failed = false
		b, err := readBatch(ctx, tx, id.name())
		if err != nil {
			return err
		}
		if b.gen != id.gen() || b.phase != s.batch.phase {
			return nil
		}
		if s.dead != "" && s.failures <= b.backoffLimit {
			u, err := readUnit(ctx, tx, unitKey(id, s.dead))
			if err != nil {
				return err
			}
			if u.state != UnitDead {
				return nil
			}
			tx.Lock(unitKey(id, s.dead))
		}
		if err := b.advance(PhaseFailed); err != nil {
			return err
		}
		b.err = text[:min(len(text), maxErrorText)]
		finishBatch(tx, c.env.Clock, id, &b)
		failed = true
		return nil
	}})
	if err == nil && failed {
		c.env.Metrics.Add("batches_failed_total", 1)
		c.log(ctx, slog.LevelError, "batch failed: "+text, string(id), nil)
	}
	return err
}

// requeue makes a failed unit pending, and queues it in the same transaction
// (R13).
func (c *controller) requeue(ctx context.Context, id batchID, uid string) error {
	key := unitKey(id, uid)
	seen := c.failed.beatOf(key)
	err := c.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, id.name())
		if err != nil {
			return err
		}
		if !b.startsUnits(id) {
			return nil
		}
		tx.Lock(batchKey(id.name())) // R16
		u, err := readUnit(ctx, tx, key)
		if err != nil {
			return err
		}
		if u.state != UnitFailed || u.epoch != seen.epoch {
			return nil
		}
		if err := u.advance(UnitPending); err != nil {
			return err
		}
		tx.Put(key, u.encode())
		enqueue(tx, b.priority, id, uid, &u)
		return nil
	}})
	if err == nil {
		c.log(ctx, slog.LevelInfo, "unit queued again", key, nil)
	}
	return err
}

// putStatus buffers the status row, if it would change. It is derived from one
// snapshot, and an older snapshot's conflicts with a newer one's.
func putStatus(ctx context.Context, tx env.Txn, id batchID, s *survey) error {
	if s.batch.gen != id.gen() {
		return nil // superseded: the row belongs to the newest submission
	}
	status := statusRow{gen: s.batch.gen, phase: s.batch.phase, counts: s.counts, err: s.batch.err}
	key := statusKey(id.name())
	old, ok, err := get(ctx, tx, key)
	if err != nil {
		return err
	}
	row := status.encode()
	if !ok || string(old) != string(row) {
		tx.Put(key, row)
	}
	return nil
}
