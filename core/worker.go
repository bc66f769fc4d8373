package core

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// worker claims units and converts them, in as many slots as configured.
type worker struct {
	*Node

	mu sync.Mutex
	// reserved are the units that a slot of this process is claiming or
	// executing. Slots share an incarnation, so after an undetermined claim the
	// identity in the row could not tell them apart.
	reserved map[string]bool
	// cursor is the batch that was claimed from last: among those of the same
	// priority the next look begins behind it.
	cursor batchID
}

func newWorker(n *Node) *worker {
	return &worker{Node: n, reserved: make(map[string]bool)}
}

// run is one slot: it claims and executes one unit after another.
func (w *worker) run(ctx context.Context, slot string) error {
	for {
		a, err := w.claim(ctx)
		if err != nil && ctx.Err() == nil {
			w.env.Metrics.Add("claim_errors_total", 1)
			w.log(ctx, slog.LevelWarn, "claim failed", "", err)
		}
		if a != nil {
			w.execute(ctx, slot, a)
			w.unreserve(a.unitKey)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if a != nil {
			continue
		}
		if err := w.pause(ctx, w.cfg.WorkerPoll); err != nil {
			return err
		}
	}
}

// execute runs one attempt to its end, whatever that is. Nothing of it outlives
// the call (R14): the heartbeat ends with the conversion and the conversion
// with the heartbeat.
func (w *worker) execute(ctx context.Context, slot string, a *attempt) {
	work, cancel := w.env.Clock.WithCancel(ctx)
	defer cancel(errOver)
	g := w.env.Runtime.Group(work)
	g.Spawn(slot+"-heartbeat", func(ctx context.Context) error {
		err := a.keep(ctx)
		if env.ClassOf(err) == env.ClassFenced {
			cancel(err)
		}
		return nil
	})
	err := a.run(work, slot)
	if err != nil {
		w.end(ctx, work, a, err)
	}
	g.Cancel(errOver)
	if waitErr := g.Wait(); waitErr != nil {
		w.log(ctx, slog.LevelError, "heartbeat ended", a.unitKey, waitErr)
	}
}

// end settles an attempt that did not complete. ctx is the worker's, work the
// attempt's, err what the attempt ended with.
func (w *worker) end(ctx, work context.Context, a *attempt, err error) {
	cause := context.Cause(work)
	switch {
	case drained(ctx):
		late, cancel := w.afterwards(ctx)
		defer cancel()
		if err := a.checkpoint(late); err != nil {
			w.log(late, slog.LevelWarn, "last checkpoint failed", a.unitKey, err)
		}
		err = a.release(late)
	case ctx.Err() != nil:
		return
	case env.ClassOf(err) == env.ClassFenced || env.ClassOf(cause) == env.ClassFenced:
		w.env.Metrics.Add("attempts_fenced_total", 1)
		w.log(ctx, slog.LevelWarn, "attempt fenced", a.unitKey, firstError(cause, err))
		return
	case errors.Is(err, errNotClaimable):
		// The batch has ended; its sweep takes the unit and the lease away.
		w.log(ctx, slog.LevelInfo, "attempt dropped: its batch has ended", a.unitKey, nil)
		return
	case env.ClassOf(err) == env.ClassUndetermined:
		// The completion may be applied: only its own identity may say so, and
		// the lease is left to run out (R4).
		w.log(ctx, slog.LevelWarn, "attempt's outcome unknown", a.unitKey, err)
		return
	case !isPoison(err) && w.objects.breaker.down():
		// The store is known to be down: no attempt is consumed for that.
		err = w.settle(ctx, a.release)
	default:
		failure := err
		err = w.settle(ctx, func(ctx context.Context) error { return a.fail(ctx, failure) })
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		w.log(ctx, slog.LevelWarn, "attempt not settled: its lease will run out", a.unitKey, err)
	}
}

// settle runs the last transaction of an attempt. If the process is asked to stop
// meanwhile it is run again in the time that is left: else the unit would wait
// for a lease that nobody holds any more, and lose an attempt.
func (w *worker) settle(ctx context.Context, last func(ctx context.Context) error) error {
	err := last(ctx)
	if err == nil || !drained(ctx) {
		return err
	}
	late, cancel := w.afterwards(ctx)
	defer cancel()
	return last(late)
}

func (w *worker) reserve(unit string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reserved[unit] {
		return false
	}
	w.reserved[unit] = true
	return true
}

func (w *worker) unreserve(unit string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.reserved, unit)
}
