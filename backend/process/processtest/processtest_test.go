package processtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// TestDriveStopsAtTheInstant at which the condition comes true.
func TestDriveStopsAtTheInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := processtest.NewClock()
		c := process.NewClock(clock)
		beats := 0
		ctx, cancel := c.WithCancel(t.Context())
		defer cancel(nil)
		go func() {
			for c.Sleep(ctx, 30*time.Second) == nil {
				beats++
			}
		}()
		looks := 0
		require.True(t, clock.Drive(time.Hour, func() bool { looks++; return beats == 3 }))
		require.Equal(t, 90*time.Second, c.Monotonic())
		require.Equal(t, 4, looks, "once at first, then at each instant")

		require.True(t, clock.Drive(time.Hour, func() bool { return true }))
		require.Equal(t, 90*time.Second, c.Monotonic(), "already true")

		require.False(t, clock.Drive(45*time.Second, func() bool { return beats == 100 }))
		require.Equal(t, 135*time.Second, c.Monotonic(), "the bound")
		require.Equal(t, 4, beats)
		require.False(t, clock.Drive(0, func() bool { return false }))

		clock.Advance(24 * time.Hour)
		require.Equal(t, 4+24*60*2, beats)
	})
}

// TestDriveWaitsForConsequences: what one timer sets in motion, over several
// goroutines, has come to rest before the next one fires.
func TestDriveWaitsForConsequences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := processtest.NewClock()
		c := process.NewClock(clock)
		var trace []string
		relay := make(chan string)
		go func() {
			for s := range relay {
				trace = append(trace, s)
			}
		}()
		for i, name := range []string{"a", "b"} {
			go func() {
				if c.Sleep(t.Context(), time.Duration(1+i)*time.Nanosecond) != nil {
					return
				}
				done := make(chan bool)
				go func() { relay <- name + "1"; close(done) }()
				<-done
				relay <- name + "2"
			}()
		}
		clock.Advance(time.Minute)
		close(relay)
		require.Equal(t, []string{"a1", "a2", "b1", "b2"}, trace)
	})
}

// TestRunStopsProcesses that the test left running, although they need time to
// end.
func TestRunStopsProcesses(t *testing.T) {
	var stopped time.Duration
	processtest.Run(t, local.Config{}, func(t *testing.T, w *processtest.World) {
		w.Start("w0", func(ctx context.Context, e *env.Env) error {
			err := e.Clock.Sleep(ctx, time.Hour)
			drain := e.Clock.Sleep(context.WithoutCancel(ctx), 30*time.Second)
			stopped = e.Clock.Monotonic()
			return errors.Join(err, drain)
		})
		w.Clock.Advance(time.Minute)
	})
	require.Equal(t, 90*time.Second, stopped)
}
