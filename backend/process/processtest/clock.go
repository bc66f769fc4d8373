package processtest

import (
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
)

// Clock is a mock clock that remembers when functions are due, so that it can
// be advanced from one instant at which something happens to the next. Pass it
// to process.NewClock.
type Clock struct {
	*clock.Mock

	mu  sync.Mutex
	due []time.Time // sorted, without duplicates; some may have been stopped
}

// NewClock returns a clock that shows noon on 1 January 2026 UTC. It must be
// called in a bubble of testing/synctest.
func NewClock() *Clock {
	c := &Clock{Mock: clock.NewMock()}
	c.Set(time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC))
	return c
}

// AfterFunc calls f on a goroutine of its own once d has passed.
func (c *Clock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.mu.Lock()
	at := c.Now().Add(d)
	if i, known := slices.BinarySearchFunc(c.due, at, time.Time.Compare); !known {
		c.due = slices.Insert(c.due, i, at)
	}
	c.mu.Unlock()
	return c.Mock.AfterFunc(d, f)
}

// Drive advances the clock from instant to instant until done returns true or
// the virtual time bound has passed, and returns what done returned last. done
// is called first at once, and then whenever every other goroutine of the
// bubble is blocked after what happened at an instant; it may look at what they
// share without further synchronisation. Drive must be called in a bubble of
// testing/synctest, by the one goroutine that advances the clock.
func (c *Clock) Drive(bound time.Duration, done func() bool) bool {
	end := c.Now().Add(bound)
	for {
		synctest.Wait()
		if done() {
			return true
		}
		now := c.Now()
		if !now.Before(end) {
			return false
		}
		c.Add(c.next(now, end).Sub(now))
	}
}

// Advance is Drive without a condition: it lets d pass.
func (c *Clock) Advance(d time.Duration) { c.Drive(d, func() bool { return false }) }

// next returns the first instant after now at which a function is due, at most
// end.
func (c *Clock) next(now, end time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	past, known := slices.BinarySearchFunc(c.due, now, time.Time.Compare)
	if known {
		past++
	}
	c.due = slices.Delete(c.due, 0, past)
	if len(c.due) > 0 && c.due[0].Before(end) {
		return c.due[0]
	}
	return end
}
