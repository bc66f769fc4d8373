package core

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// settleAll settles the batches that have ended.
func (c *controller) settleAll(ctx context.Context) error {
	ended, err := c.sweeps(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, s := range ended {
		if s.row.state != sweepSettle {
			continue
		}
		if err := c.settle(ctx, s.id); err != nil && ctx.Err() == nil {
			c.log(ctx, slog.LevelWarn, "settling failed", string(s.id), err)
			first = firstError(first, err)
		}
	}
	return first
}

// settle brings the units of an ended batch to rest, page by page: what could
// still run is cancelled, with its place in the queue, its lease and its
// checkpoint; and no row points to a staged object any more, so that they can
// be collected (R7). Attempts that are under way find themselves fenced.
func (c *controller) settle(ctx context.Context, id batchID) error {
	from := unitsPrefix(id)
	for from != "" {
		next := ""
		err := c.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) (err error) {
			next, err = c.settlePage(ctx, tx, id, from)
			return err
		}})
		if err != nil {
			return err
		}
		from = next
	}
	err := c.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		return c.settled(ctx, tx, id)
	}})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err == nil {
		c.log(ctx, slog.LevelInfo, "batch settled", string(id), nil)
	}
	return err
}

// settlePage settles the units of one page and returns where the next begins,
// "" after the last.
func (c *controller) settlePage(ctx context.Context, tx env.Txn, id batchID, from string) (string, error) {
	sweep, err := readSweep(ctx, tx, id)
	if err != nil {
		return "", err
	}
	prefix := unitsPrefix(id)
	pairs, err := tx.Scan(ctx, from, prefixEnd(prefix), c.cfg.Page)
	if err != nil {
		return "", err
	}
	t := newTally(id)
	bytes := 0
	for i, p := range pairs {
		if bytes += len(p.Key) + len(p.Value); i > 0 && bytes > c.cfg.TxnBytes {
			t.put(tx)
			return p.Key, nil
		}
		u, err := decodeUnit(p.Key, p.Value)
		if err != nil {
			return "", err
		}
		if err := settleUnit(ctx, tx, t, splitUnitKey(id, p.Key), &u, sweep.priority); err != nil {
			return "", err
		}
	}
	t.put(tx)
	if len(pairs) < c.cfg.Page {
		return "", nil
	}
	return pairs[len(pairs)-1].Key + "\x00", nil
}

// settleUnit buffers the rest of one unit of an ended batch.
func settleUnit(ctx context.Context, tx env.Txn, t *tally, uid string, u *unitRow, priority int) error {
	id, was := t.id, *u
	switch u.state {
	case UnitPending:
		tx.Delete(queueKey(priority, id, uid))
	case UnitProcessing:
		tx.Delete(leaseKey(u.worker, u.incarnation, id, uid))
	}
	if !u.state.Terminal() {
		if err := u.advance(UnitCancelled); err != nil {
			return err
		}
		u.slot = 0
		if err := t.move(ctx, tx, uid, &was, u); err != nil {
			return err
		}
	}
	tx.Delete(checkpointKey(id, uid))
	u.staged, u.stagedSize, u.stagedETag = "", 0, ""
	// The row is written also where nothing changes: whatever a frozen process
	// still has in flight for the unit loses, and a lock that a dead committer
	// left is resolved, which reads pass by if it changes nothing. To lock the
	// row would not do: this process may die, too, and leave such a lock behind.
	tx.Put(unitKey(id, uid), u.encode())
	return nil
}

// settled writes the last status and passes the batch on to the janitor.
func (c *controller) settled(ctx context.Context, tx env.Txn, id batchID) error {
	sweep, err := readSweep(ctx, tx, id)
	if env.ClassOf(err) == env.ClassNotFound {
		return errUnchanged
	}
	if err != nil {
		return err
	}
	if sweep.state != sweepSettle {
		return errUnchanged
	}
	s, err := c.count(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := putStatus(ctx, tx, id, &s); err != nil {
		return err
	}
	sweep.state = sweepCollect
	tx.Put(sweepKey(id), sweep.encode())
	return nil
}
