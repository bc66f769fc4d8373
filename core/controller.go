package core

import (
	"cmp"
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
	if first == nil {
		c.failed.endRound() // or the back-off of a unit that could not be read would begin anew
	}
	return firstError(c.settleAll(ctx), first)
}

// survey is what one look at a batch found, all from one snapshot.
type survey struct {
	batch    batchRow
	counts   Counts
	failures int      // failed attempts of the units that have not recovered
	due      []string // ids of failed units whose back-off is over
	failed   string   // id of some failed unit, or ""
	dead     string   // id of a dead unit, or ""
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
	if err != nil || s.batch.gen != id.gen() || s.batch.phase.Terminal() {
		return err
	}
	if s.batch.closing != "" || s.verdict() != "" {
		return c.failBatch(ctx, id)
	}
	if !s.batch.startsUnits(id) {
		return nil
	}
	for _, uid := range s.due {
		if err := c.requeue(ctx, id, uid); err != nil {
			return err
		}
	}
	return nil
}

// survey reads the batch and the sums of its shards, and of its units only those
// that have failed.
func (c *controller) survey(ctx context.Context, tx env.Txn, id batchID) (survey, error) {
	s, err := c.count(ctx, tx, id)
	if err != nil {
		return s, err
	}
	if s.counts.Failed > 0 {
		err = scanFailed(ctx, tx, failuresPrefix(id), c.cfg.Page, func(uid string, r *failedRow) bool {
			s.failed = uid
			if c.backedOff(unitKey(id, uid), r) {
				s.due = append(s.due, uid)
			}
			return true
		})
	}
	if err == nil && s.counts.Dead > 0 {
		err = scanFailed(ctx, tx, deadsPrefix(id), 1, func(uid string, _ *failedRow) bool {
			s.dead = uid
			return false
		})
	}
	return s, err
}

// count reads the batch and the sums of its shards.
func (c *controller) count(ctx context.Context, tx env.Txn, id batchID) (survey, error) {
	var s survey
	var err error
	if s.batch, err = c.batches.read(ctx, tx, id.name()); err != nil {
		return s, err
	}
	sum, err := readShards(ctx, tx, id, c.cfg.Page)
	if err != nil {
		return s, err
	}
	found, err := readFound(ctx, tx, id, &s.batch, c.cfg.Page)
	s.counts, s.failures = sum.counts(found), sum.failures
	return s, err
}

// backedOff notes a failed unit and reports whether its back-off, which
// doubles with each attempt, is over on this controller's clock.
func (c *controller) backedOff(key string, r *failedRow) bool {
	wait := c.cfg.UnitBackoff
	for range r.attempts - 1 {
		wait = min(2*wait, c.cfg.UnitBackoffMax)
	}
	return c.failed.unchanged(key, beat{epoch: r.epoch}) >= wait
}

// verdict says why the batch must fail, or "". A dead unit fails it once no
// other is left to execute: until then an operator may still retry it.
func (s *survey) verdict() string {
	if s.failures > s.batch.backoffLimit {
		return fmt.Sprintf("more than %d failed attempts", s.batch.backoffLimit)
	}
	left := s.counts.Pending + s.counts.Processing + s.counts.Failed
	if s.dead != "" && left == 0 && s.batch.phase == PhaseRunning {
		return "dead unit"
	}
	return ""
}

// failBatch fails a batch that must fail, or ends one whose row says what it is
// about to become. It judges again, on the snapshot of the transaction that locks
// the shards: somebody may have retried the dead unit meanwhile (R3). Until then a
// dead unit is nothing to announce: it fails a batch that has nothing else left, so
// nobody crowds its shards, and a retry must be heard. That the limit was passed
// stays so, whoever moves a unit meanwhile.
func (c *controller) failBatch(ctx context.Context, id batchID) error {
	var to Phase
	text := ""
	passed := false // the limit of failed attempts
	body := func(ctx context.Context, tx env.Txn) error {
		to = ""
		s, err := c.survey(ctx, tx, id)
		if err != nil || s.batch.gen != id.gen() || s.batch.phase.Terminal() {
			return err
		}
		if s.batch.closing != "" {
			to, text = s.batch.closing, s.batch.err
			return closeBatch(tx, c.env.Clock, id, &s.batch, to, text)
		}
		if text = s.verdict(); text == "" {
			return nil
		}
		cause, err := c.causeOf(ctx, tx, id, &s)
		if err != nil {
			return err
		}
		to, text, passed = PhaseFailed, cutText(text+cause), s.failures > s.batch.backoffLimit
		return closeBatch(tx, c.env.Clock, id, &s.batch, to, text)
	}
	crowded := func(ctx context.Context) error {
		if to == "" || !passed {
			return nil
		}
		return c.kv.announce(ctx, id, func(context.Context, env.Txn) (Phase, string, error) { return to, text, nil })
	}
	err := c.kv.update(ctx, &txn{body: body, crowded: crowded})
	if err == nil && to == PhaseFailed {
		c.env.Metrics.Add("batches_failed_total", 1)
		c.log(ctx, slog.LevelError, "batch failed: "+text, string(id), nil)
	}
	return err
}

// causeOf is the error of a unit that has failed, if there is one.
func (c *controller) causeOf(ctx context.Context, tx env.Txn, id batchID, s *survey) (string, error) {
	uid := cmp.Or(s.dead, s.failed)
	if uid == "" {
		return "", nil
	}
	u, err := readUnit(ctx, tx, unitKey(id, uid))
	return ": " + u.url + ": " + u.err, err
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
		u, err := readUnit(ctx, tx, key)
		if err != nil {
			return err
		}
		if u.state != UnitFailed || u.epoch != seen.epoch {
			return nil
		}
		was := u
		if err := u.advance(UnitPending); err != nil {
			return err
		}
		enqueue(tx, b.priority, id, uid, &u)
		return moveUnit(ctx, tx, id, uid, &was, &u) // R16: the shard is the guard
	}})
	if err == nil {
		c.log(ctx, slog.LevelInfo, "unit queued again", key, nil)
	}
	return err
}

// putStatus buffers the status row, if it would change. It is derived from one
// snapshot, and an older snapshot's conflicts with a newer one's. A batch whose
// time to live is over gets none:
//  1. A controller lists the living batches, and its process is frozen.
//  2. The batch ends, and the janitor forgets it: it deletes the status row.
//  3. The controller wakes up and looks at the batch. It finds no status row, and
//     the one that it wrote would stay for ever.
func putStatus(ctx context.Context, tx env.Txn, id batchID, s *survey) error {
	if s.batch.gen != id.gen() {
		return nil // superseded: the row belongs to the newest submission
	}
	if s.batch.phase == PhaseExpired {
		return nil
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
