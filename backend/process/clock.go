package process

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// NewClock returns an env.Clock over source: clock.New() in production,
// clock.NewMock() in tests. Its monotonic time begins at 0 now; with the mock
// it follows the mock's time, which must not be set back.
func NewClock(source clock.Clock) env.Clock {
	return &processClock{source: source, origin: source.Now()}
}

type processClock struct {
	source clock.Clock
	origin time.Time
}

func (c *processClock) Now() time.Time { return c.source.Now() }

func (c *processClock) Monotonic() time.Duration { return c.source.Since(c.origin) }

// Sleep waits for a timer with a function of its own rather than for a timer's
// channel, for the mock's sake: its Timer fires other due timers on the
// caller's goroutine, at worst twice, and sends on channels under its lock, so
// that a timer which fired and was not drained blocks the clock for ever.
func (c *processClock) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	fired := make(chan struct{}, 1)
	timer := c.source.AfterFunc(d, func() {
		select {
		case fired <- struct{}{}:
		default: // the mock fired it twice
		}
	})
	defer timer.Stop()
	select {
	case <-fired:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *processClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	child, cancel := context.WithCancelCause(ctx)
	if d <= 0 {
		cancel(context.DeadlineExceeded)
		return scope{child}, func() {}
	}
	timer := c.source.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return scope{child}, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

func (c *processClock) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	child, cancel := context.WithCancelCause(ctx)
	return scope{child}, cancel
}

// Scope returns ctx, which has a cause, with an Err that tells a deadline from a
// cancellation, too, as that of a standard context with a deadline does. Contexts
// that the standard library derives from it know the cause, but their Err does not.
func Scope(ctx context.Context) context.Context { return scope{ctx} }

type scope struct{ context.Context }

func (s scope) Err() error {
	err := s.Context.Err()
	if err != nil && context.Cause(s.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}
