package core

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Client submits batches and asks after them. It may be used by several tasks.
//
// A call that loses against others, or is refused, is tried again, Config.ConflictTries
// times in all, and ends with env.ErrUnavailable then, whatever the last try ended with:
// it is worth asking again. If ctx ends before, and nothing has happened, a call returns
// the cause.
type Client struct {
	env     *env.Env
	cfg     Config
	kv      *store
	counter atomic.Uint64 // of submissions, for their idempotency keys
}

// NewClient returns a client that acts for the process e.Self. cfg must be
// valid.
func NewClient(e *env.Env, cfg Config) *Client {
	c := &Client{env: e, cfg: cfg}
	c.kv = newStore(e, &c.cfg)
	return c
}

// Submit asks for a dataset and returns the submission's generation, which is 1
// for a new name and one more at each submission of a name whose last one has
// ended.
//
// Errors: ErrLive, ErrOutputTaken, env.ErrInvalid and
// env.ErrUnavailable (nothing has happened); env.ErrUndetermined if ctx ended, or the name
// was submitted yet again, before the outcome was known.
func (c *Client) Submit(ctx context.Context, spec BatchSpec) (uint64, error) {
	if err := spec.check(&c.cfg.Store); err != nil {
		return 0, err
	}
	ctx, err := c.env.Runtime.Step(ctx, StepSubmit)
	if err != nil {
		return 0, err
	}
	name := spec.Namespace + "/" + spec.Name
	row := spec.row(&c.cfg)
	row.submittedMS = c.env.Clock.Now().UnixMilli()
	// R5: so that a submission whose answer was lost is known again.
	row.submitter = c.env.Self.Name + "/" + c.env.Self.Incarnation + "/" +
		strconv.FormatUint(c.counter.Add(1), 10)
	if size := len(batchKey(name)) + len(row.encode()) + rowRoom; size > c.cfg.Store.MaxRow {
		return 0, invalid("submit", name, "its row would have "+strconv.Itoa(size)+" bytes; the store allows "+strconv.Itoa(c.cfg.Store.MaxRow))
	}
	body := func(ctx context.Context, tx env.Txn) error {
		last, err := readLastBatch(ctx, tx, name)
		if err != nil {
			return err
		}
		if last.gen > 0 && !last.phase.Terminal() {
			return ErrLive
		}
		if err := takeOutput(ctx, tx, spec.Output, name); err != nil {
			return err
		}
		if err := checkSources(ctx, tx, spec.Sources); err != nil {
			return err
		}
		row.gen = last.gen + 1 // R2
		active := activeRow{gen: row.gen, priority: row.priority}
		tx.Put(batchKey(name), row.encode())
		tx.Put(activeKey(name), active.encode())
		return nil
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		last, err := readLastBatch(ctx, tx, name)
		if err != nil || row.gen == 0 {
			return false, err
		}
		if last.gen > row.gen {
			// Another submission came after generation row.gen, which may have
			// been this one: nobody can tell any more.
			return false, ErrSuperseded
		}
		return last.gen == row.gen && last.submitter == row.submitter, nil
	}
	err = c.kv.update(ctx, &txn{body: body, landed: landed})
	if errors.Is(err, ErrSuperseded) {
		return 0, &env.Error{Class: env.ClassUndetermined, Op: "submit", Key: name, Err: err}
	}
	if err != nil {
		return 0, err
	}
	c.log(ctx, "batch submitted", name)
	return row.gen, nil
}

// Cancel ends the newest submission of a name. Once it has returned nil nothing
// of it starts and nothing is published (R16). Cancelling again is no error.
//
// Errors: ErrNoBatch, ErrEnded, ErrSuperseded and env.ErrUnavailable (not
// cancelled by this call); env.ErrUndetermined if ctx ended before the outcome
// was known.
func (c *Client) Cancel(ctx context.Context, namespace, name string) error {
	ctx, err := c.env.Runtime.Step(ctx, StepCancel)
	if err != nil {
		return err
	}
	full := namespace + "/" + name
	var meant uint64 // the submission that the first look found
	body := func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, full)
		if env.ClassOf(err) == env.ClassNotFound {
			return ErrNoBatch
		}
		if err != nil {
			return err
		}
		if meant == 0 {
			meant = b.gen
		}
		switch {
		case b.gen != meant:
			return ErrSuperseded
		case b.phase == PhaseCancelled:
			return nil
		case b.phase.Terminal():
			return ErrEnded
		}
		return closeBatch(tx, c.env.Clock, newBatchID(full, b.gen), &b, PhaseCancelled, "")
	}
	crowded := func(ctx context.Context) error {
		return c.kv.announce(ctx, newBatchID(full, meant), func(context.Context, env.Txn) (Phase, string, error) {
			return PhaseCancelled, "", nil
		})
	}
	if err := c.kv.update(ctx, &txn{body: body, crowded: crowded}); err != nil {
		return err
	}
	c.log(ctx, "batch cancelled", full)
	return nil
}

// Retry gives the dead units of a living batch as many attempts again as they
// had, and returns how many they were.
//
// Errors: ErrNoBatch, ErrEnded, env.ErrUnavailable; env.ErrUndetermined if ctx
// ended before the outcome was known. On error some units may have been
// retried; to repeat the call retries the others.
func (c *Client) Retry(ctx context.Context, namespace, name string) (int, error) {
	ctx, err := c.env.Runtime.Step(ctx, StepRetry)
	if err != nil {
		return 0, err
	}
	full := namespace + "/" + name
	var id batchID
	var dead []string
	err = c.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		dead = dead[:0]
		b, err := readBatch(ctx, tx, full)
		if env.ClassOf(err) == env.ClassNotFound {
			return ErrNoBatch
		}
		if err != nil {
			return err
		}
		if b.phase.Terminal() {
			return ErrEnded
		}
		id = newBatchID(full, b.gen)
		return scanFailed(ctx, tx, deadsPrefix(id), c.cfg.Page, func(uid string, _ *failedRow) bool {
			dead = append(dead, uid)
			return true
		})
	})
	if err != nil {
		return 0, err
	}
	retried := 0
	for _, uid := range dead {
		if err = c.retryUnit(ctx, id, uid); err != nil {
			break
		}
		retried++
	}
	return retried, err
}

// retryUnit queues one dead unit again. Its epoch and its attempts go on (R2).
func (c *Client) retryUnit(ctx context.Context, id batchID, uid string) error {
	key := unitKey(id, uid)
	var retries int
	body := func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, id.name())
		if err != nil {
			return err
		}
		if !b.startsUnits(id) {
			return ErrEnded
		}
		u, err := readUnit(ctx, tx, key)
		if err != nil {
			return err
		}
		if u.state != UnitDead {
			return nil
		}
		was := u
		if err := u.advance(UnitPending); err != nil {
			return err
		}
		u.retries++
		retries = u.retries
		enqueue(tx, b.priority, id, uid, &u)
		return moveUnit(ctx, tx, id, uid, &was, &u)
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		u, err := readUnit(ctx, tx, key)
		return err == nil && retries > 0 && u.retries >= retries, err
	}
	return c.kv.update(ctx, &txn{body: body, landed: landed})
}

func (c *Client) log(ctx context.Context, msg, key string) {
	if c.env.Log.Enabled(slog.LevelInfo) {
		c.env.Log.Log(ctx, slog.LevelInfo, msg, slog.String("key", key))
	}
}
