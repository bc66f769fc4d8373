package core

import (
	"context"
	"log/slog"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxRestarts bounds how often one attempt starts its conversion afresh.
const maxRestarts = 2

// staged is a conversion's result: one durable object.
type staged struct {
	env.Object
	digest  dataset.Digest
	summary dataset.Summary
}

// run converts the unit's source, stages the episode and completes the unit.
// slot names the tasks that it spawns. When it returns an error the unit is
// still the attempt's, fenced or unknown: see worker.end.
func (a *attempt) run(ctx context.Context, slot string) error {
	work, cancel := a.node.env.Clock.WithTimeout(ctx, a.node.cfg.UnitTimeout)
	defer cancel()
	result, err := a.convert(work, slot)
	if err == nil {
		err = a.complete(work, result)
		if env.ClassOf(err) == env.ClassUndetermined {
			return err
		}
	}
	switch {
	case err == nil:
		a.forgetSource()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case work.Err() != nil:
		return errUnitTimeout
	}
	return err
}

// convert produces the staged object, continuing from the last checkpoint if
// there is one.
func (a *attempt) convert(ctx context.Context, slot string) (staged, error) {
	last, err := a.lastCheckpoint(ctx)
	if err != nil {
		return staged{}, err
	}
	ctx, err = a.node.env.Runtime.Step(ctx, StepConvert)
	if err != nil {
		return staged{}, err
	}
	var restart error
	for range 1 + maxRestarts {
		c, err := a.newConversion(ctx, slot, last)
		if err != nil {
			return staged{}, err
		}
		a.conversion = c
		result, err := c.run(ctx)
		if !restarts(err) {
			return result, err
		}
		a.node.log(ctx, slog.LevelWarn, "conversion starts afresh", a.unitKey, err)
		last, restart = nil, err
	}
	return staged{}, restart
}

// mark is a point at which a conversion can be continued: all output before it
// is in the first parts. A conversion that is stopped may have stored further
// parts since, which do not belong to it.
type mark struct {
	parts  int
	offset int64 // of the source
	frames int64
	state  string         // the codec's
	digest dataset.Digest // of the output
}

// conversion turns a source into an episode, frame by frame. What it writes is
// a function of the source's bytes: also where parts are cut, so that a frozen
// owner and its successor upload the same parts.
type conversion struct {
	attempt *attempt
	src     *source
	out     *sink
	codec   dataset.Converter
	digest  dataset.Digest // of all parts
	frames  int64
	counted int64 // of the frames, in the metrics
	cut     mark  // behind the last part
	durable mark  // behind the last durable part
	saved   mark  // in the last checkpoint
	savedAt time.Duration
}

// newConversion starts a conversion, or continues it from last. A checkpoint
// that this version cannot read is as good as none.
func (a *attempt) newConversion(ctx context.Context, slot string, last *checkpointRow) (*conversion, error) {
	if last != nil {
		c, err := a.continued(slot, last)
		if err == nil {
			a.node.env.Metrics.Add("resumes_total", 1)
			a.node.log(ctx, slog.LevelInfo, "conversion continued", a.unitKey, nil)
			return c, nil
		}
		a.node.log(ctx, slog.LevelWarn, "checkpoint unusable", a.unitKey, err)
	}
	codec, err := a.node.codec.NewConverter(nil)
	if err != nil {
		return nil, err
	}
	c := &conversion{attempt: a, src: &source{attempt: a}, codec: codec}
	c.out = newSink(a, slot)
	c.savedAt = a.node.env.Clock.Monotonic()
	return c, nil
}

// continued adopts the open upload of last, whose key carries the epoch that
// opened it, and goes on behind its parts.
func (a *attempt) continued(slot string, last *checkpointRow) (*conversion, error) {
	codec, err := a.node.codec.NewConverter([]byte(last.state))
	if err != nil {
		return nil, err
	}
	digest, err := dataset.ParseDigest(last.digest)
	if err != nil {
		return nil, err
	}
	at := mark{parts: len(last.parts), offset: last.offset, frames: last.frames, state: last.state, digest: digest}
	c := &conversion{
		attempt: a, codec: codec, digest: digest, frames: last.frames, counted: last.frames,
		src: &source{attempt: a, offset: last.offset},
		cut: at, durable: at, saved: at,
	}
	c.out = newSink(a, slot)
	c.out.adopt(last)
	c.savedAt = a.node.env.Clock.Monotonic()
	return c, nil
}

// run converts from where the conversion stands to the end of the source.
func (c *conversion) run(ctx context.Context) (staged, error) {
	for {
		more, err := c.frame(ctx)
		if err != nil {
			return staged{}, err
		}
		if !more {
			return c.finish(ctx)
		}
		if err := c.attempt.node.env.Runtime.Work(ctx, 1); err != nil {
			return staged{}, err
		}
		if int64(len(c.out.buf)) < c.out.cutAt() {
			continue
		}
		if err := c.endPart(ctx); err != nil {
			return staged{}, err
		}
	}
}

// frame converts one frame and reports whether there was one.
func (c *conversion) frame(ctx context.Context) (bool, error) {
	for {
		eof := c.src.eof()
		out, consumed, frame, err := c.codec.Frame(c.out.buf, c.src.buf, eof)
		if err != nil {
			return false, poison(err)
		}
		c.out.buf = out
		c.src.consume(consumed)
		switch {
		case frame:
			c.frames++
			return true, nil
		case consumed > 0: // what belongs to no frame
			continue
		case eof && len(c.src.buf) > 0:
			return false, poison(invalid("convert", c.attempt.unit.url, "the source ends within a frame"))
		case eof:
			return false, nil
		}
		if err := c.src.fill(ctx); err != nil {
			return false, err
		}
	}
}

// endPart cuts a part at the current frame boundary. Parts are uploaded several
// at once, or as soon as a checkpoint is due.
func (c *conversion) endPart(ctx context.Context) error {
	c.cutPart()
	c.cut = mark{
		parts:  len(c.out.parts) + len(c.out.pending),
		offset: c.src.offset,
		frames: c.frames,
		state:  string(c.codec.State()),
		digest: c.digest,
	}
	due := c.checkpointDue()
	if !due && len(c.out.pending) < c.attempt.node.cfg.PartsInFlight {
		return nil
	}
	if err := c.out.flush(ctx); err != nil {
		return err
	}
	if c.out.gone {
		return nil
	}
	c.durable = c.cut // R6: only now may a row tell of it
	if !due {
		return nil
	}
	err := c.attempt.checkpoint(ctx)
	if env.ClassOf(err) == env.ClassFenced || ctx.Err() != nil {
		return err
	}
	if err != nil {
		// Without a checkpoint a successor has more to do, and that is all.
		c.attempt.node.log(ctx, slog.LevelWarn, "checkpoint failed", c.attempt.unitKey, err)
	}
	return nil
}

func (c *conversion) cutPart() {
	c.count()
	c.digest = c.digest.Append(c.out.buf)
	c.out.cut()
}

// count adds what was converted since the last call to the metrics. An attempt
// that ends without one more part leaves the frames behind its last out.
func (c *conversion) count() {
	m := c.attempt.node.env.Metrics
	m.Add("frames_converted_total", c.frames-c.counted)
	m.Add("converted_bytes_total", int64(len(c.out.buf)))
	c.counted = c.frames
}

// checkpointDue reports whether enough has happened since the last checkpoint.
func (c *conversion) checkpointDue() bool {
	return c.frames-c.saved.frames >= int64(c.attempt.node.cfg.CheckpointFrames) ||
		c.attempt.node.env.Clock.Monotonic()-c.savedAt >= c.attempt.node.cfg.CheckpointEvery
}

// finish writes the trailer and makes the output one durable object.
func (c *conversion) finish(ctx context.Context) (staged, error) {
	out, summary, err := c.codec.Finish(c.out.buf)
	if err != nil {
		return staged{}, poison(err)
	}
	c.out.buf = out
	ctx, err = c.attempt.node.env.Runtime.Step(ctx, StepStage)
	if err != nil {
		return staged{}, err
	}
	if !c.out.multipart() {
		c.count()
		digest := c.digest.Append(c.out.buf)
		obj, err := c.out.putWhole(ctx)
		return staged{Object: obj, digest: digest, summary: summary}, err
	}
	if len(c.out.buf) > 0 {
		c.cutPart()
	}
	obj, err := c.out.complete(ctx, c.digest)
	return staged{Object: obj, digest: c.digest, summary: summary}, err
}
