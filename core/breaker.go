package core

import (
	"sync"
	"time"
)

// breaker is a circuit breaker: it spares a store that is down, and knows that
// it is down. Conflicts are answers, not failures; callers report them as
// successes.
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

// report takes the outcome of a call.
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
