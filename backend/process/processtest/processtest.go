// Package processtest runs core on real goroutines and a mock clock, so that
// the race detector sees it at work: hours of its time pass in milliseconds,
// and nothing sleeps.
//
// Tests run in a bubble of testing/synctest, which knows when all goroutines
// are blocked. The mock clock alone does not: it gives them a real millisecond
// after every timer and hopes. In a bubble that millisecond is virtual and
// ends when every goroutine has blocked again, so that whatever a timer sets
// in motion comes to rest before the next one fires, and the mock's own races
// (a timer fired from two goroutines) cannot happen.
package processtest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
)

const (
	// defaultLatency is one way. It is not 0 since a loop of requests that take
	// no time would never let the clock go on.
	defaultLatency = time.Millisecond
	// stopWithin bounds the virtual time from the end of a test to that of its
	// processes.
	stopWithin = 10 * time.Minute
)

// errTestOver is the cause with which the processes of a finished test end.
var errTestOver = errors.New("processtest: the test is over")

// World is a cluster on a mock clock.
type World struct {
	*local.Cluster
	Clock *Clock
}

// Run runs test in a bubble with a new World. config.Clock is replaced; without
// a latency, requests and answers take 1 ms each. Afterwards Run stops the
// processes that still run, and the test fails if one does not end within 10
// virtual minutes.
func Run(t *testing.T, config local.Config, test func(t *testing.T, w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		clock := NewClock()
		config.Clock = clock
		if config.MaxLatency == 0 && config.MinLatency == 0 {
			config.MinLatency, config.MaxLatency = defaultLatency, defaultLatency
		}
		w := &World{Cluster: local.New(config), Clock: clock}
		defer func() {
			w.Stop(errTestOver)
			if !w.Drive(stopWithin, func() bool { return len(w.Running()) == 0 }) {
				t.Errorf("processes that do not stop: %v", w.Running())
			}
		}()
		test(t, w)
	})
}

// Drive is [Clock.Drive] on w's clock.
func (w *World) Drive(bound time.Duration, done func() bool) bool {
	return w.Clock.Drive(bound, done)
}
