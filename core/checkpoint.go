package core

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// checkpoint records how far the conversion is durable, if it is further than
// the last checkpoint tells. The row is written only while the attempt owns
// its unit (R1), and only forward in (epoch, seq).
func (a *attempt) checkpoint(ctx context.Context) error {
	c := a.conversion
	if c == nil || c.durable.frames <= c.saved.frames || c.out.gone {
		return nil
	}
	ctx, err := a.node.env.Runtime.Step(ctx, StepCheckpoint)
	if err != nil {
		return err
	}
	key := checkpointKey(a.id, a.uid)
	row := c.row(a.seq + 1)
	value := row.encode()
	if size := len(key) + len(value); size > a.node.cfg.Store.MaxRow {
		return invalid("checkpoint", key, "a row of "+strconv.Itoa(size)+" bytes; the store allows "+strconv.Itoa(a.node.cfg.Store.MaxRow))
	}
	err = a.node.kv.update(ctx, &txn{whole: a.node.drainBy.Load() == 0, body: func(ctx context.Context, tx env.Txn) error {
		if _, err := a.guard(ctx, tx); err != nil {
			return err
		}
		old, ok, err := get(ctx, tx, key)
		if err != nil {
			return err
		}
		if ok {
			last, err := decodeCheckpoint(key, old)
			if err != nil {
				return err
			}
			if last.newer(row) {
				return fenced("checkpoint", key)
			}
		}
		tx.Put(key, value)
		return nil
	}})
	if err != nil {
		return err
	}
	a.seq = row.seq
	a.forgetChunks(c.saved.offset, c.durable.offset)
	c.saved = c.durable
	c.savedAt = a.node.env.Clock.Monotonic()
	a.node.env.Metrics.Add("checkpoints_total", 1)
	a.node.log(ctx, slog.LevelDebug, "checkpoint", a.unitKey, nil)
	return nil
}

// row is the checkpoint of what is durable.
func (c *conversion) row(seq uint64) *checkpointRow {
	return &checkpointRow{
		epoch:  c.attempt.epoch,
		seq:    seq,
		offset: c.durable.offset,
		frames: c.durable.frames,
		key:    c.out.key,
		upload: c.out.upload,
		parts:  c.out.parts[:c.durable.parts],
		digest: c.durable.digest.String(),
		state:  c.durable.state,
	}
}

// lastCheckpoint returns the checkpoint that an earlier epoch left, or nil.
func (a *attempt) lastCheckpoint(ctx context.Context) (*checkpointRow, error) {
	ctx, err := a.node.env.Runtime.Step(ctx, StepResume)
	if err != nil {
		return nil, err
	}
	var last *checkpointRow
	key := checkpointKey(a.id, a.uid)
	body := func(ctx context.Context, tx env.Txn) error {
		last = nil
		if _, err := a.own(ctx, tx); err != nil {
			return err
		}
		row, ok, err := get(ctx, tx, key)
		if err != nil || !ok {
			return err
		}
		c, err := decodeCheckpoint(key, row)
		last = &c
		return err
	}
	err = a.node.kv.update(ctx, &txn{patient: true, body: body})
	if env.ClassOf(err) == env.ClassInvalid {
		a.node.log(ctx, slog.LevelWarn, "checkpoint unreadable", a.unitKey, err)
		return nil, nil
	}
	if err != nil || last == nil {
		return nil, err
	}
	if !strings.HasPrefix(last.key, stagingPrefix(a.output, a.id.gen())+a.uid+"/") || last.offset > a.unit.size {
		a.node.log(ctx, slog.LevelWarn, "checkpoint of another unit", a.unitKey, nil)
		return nil, nil
	}
	return last, nil
}
