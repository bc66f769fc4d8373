package core

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// breaker is a circuit breaker: it spares a store that is down, and knows that
// it is down.
type breaker struct {
	failures  int           // in a row, to open
	openFor   time.Duration // before the next try
	successes int           // in a row, to close

	mu       sync.Mutex
	state    breakerState
	count    int // failures while closed, successes while half open
	openedAt time.Duration
}

type breakerState uint8

const (
	breakerClosed breakerState = iota
	breakerOpen
	breakerHalfOpen
)

// allow reports whether a call may be made at the given monotonic time.
func (b *breaker) allow(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == breakerOpen && now-b.openedAt >= b.openFor {
		b.state, b.count = breakerHalfOpen, 0
	}
	return b.state != breakerOpen
}

// judge takes the outcome of a call under ctx. A conflict or a refusal is an
// answer, and so is that another write is under way: two workers that probed the
// store at the same moment took it for down, for breaker_open (R17). Of a call that
// ended without an answer because its caller did nothing is known.
//
// A store that is unavailable says so, whoever still waits for it
// (seeds/a-refusal-is-news-at-the-last-moment.plan):
//
//  1. The store is down, and the breaker half open: the next call is a probe.
//  2. The probe is refused at the moment in which its attempt's time is up.
//  3. It was not counted: the breaker stayed half open, and let everybody through.
//
// What a caller's context ended with says nothing of the store, whatever its class: an
// attempt that was fenced while it waited was taken for an answer, and the failures before
// it did not count any more.
func (b *breaker) judge(ctx context.Context, now time.Duration, err error) {
	switch class := env.ClassOf(err); {
	case errors.Is(err, env.ErrContended):
		b.report(now, true)
	case class == env.ClassUnavailable:
		b.report(now, false)
	case class == env.ClassUndetermined, class == env.ClassDeadline:
		if ctx.Err() == nil {
			b.report(now, false)
		}
	case class == env.ClassCancelled, ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
	default:
		b.report(now, true)
	}
}

// report takes whether a call was answered.
func (b *breaker) report(now time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !ok && b.state == breakerClosed:
		if b.count++; b.count >= b.failures {
			b.state, b.openedAt = breakerOpen, now
		}
	case !ok:
		b.state, b.openedAt = breakerOpen, now
	case b.state == breakerClosed:
		b.count = 0
	default:
		// A success while open is that of a vital call, which is made all the
		// same: as good a probe as any.
		if b.state == breakerOpen {
			b.state, b.count = breakerHalfOpen, 0
		}
		if b.count++; b.count >= b.successes {
			b.state, b.count = breakerClosed, 0
		}
	}
}

// down reports whether the store counts as down: no call since has shown
// otherwise often enough.
func (b *breaker) down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state != breakerClosed
}
