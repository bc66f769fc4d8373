package process_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// onBothClocks runs test on the mock and on the machine's clock, which inside a
// bubble is virtual, too. advance lets time pass and returns when all other
// goroutines are blocked.
func onBothClocks(t *testing.T, test func(t *testing.T, c env.Clock, advance func(time.Duration))) {
	t.Run("mock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mock := processtest.NewClock()
			test(t, process.NewClock(mock), mock.Advance)
		})
	})
	t.Run("real", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, process.NewClock(clock.New()), func(d time.Duration) {
				synctest.Wait()
				time.Sleep(d)
				synctest.Wait()
			})
		})
	})
}

var errLost = errors.New("lease lost")

// ended requires ctx to have ended, with Err and Cause as given.
func ended(t *testing.T, ctx context.Context, err, cause error) {
	t.Helper()
	select {
	case <-ctx.Done():
	default:
		t.Fatal("the context has not ended")
	}
	require.Equal(t, err, ctx.Err())
	require.Equal(t, cause, context.Cause(ctx))
}

func TestClockMonotonic(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		require.Zero(t, c.Monotonic())
		began := c.Now()
		advance(90 * time.Minute)
		require.Equal(t, 90*time.Minute, c.Monotonic())
		require.Equal(t, 90*time.Minute, c.Now().Sub(began))
	})
}

func TestClockSleep(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		ctx := t.Context()
		require.NoError(t, c.Sleep(ctx, 0))
		require.NoError(t, c.Sleep(ctx, -time.Second))

		var woke atomic.Int64
		go func() {
			if c.Sleep(ctx, 3*time.Second) == nil {
				woke.Store(int64(c.Monotonic()))
			}
		}()
		advance(3*time.Second - time.Nanosecond)
		require.Zero(t, woke.Load())
		advance(time.Nanosecond)
		require.EqualValues(t, 3*time.Second, woke.Load())
	})
}

func TestClockSleepEndsWithContext(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		ctx, cancel := c.WithCancel(t.Context())
		var err error
		var woke time.Duration
		go func() {
			err = c.Sleep(ctx, time.Hour)
			woke = c.Monotonic()
		}()
		advance(time.Second)
		cancel(errLost)
		advance(time.Second)
		require.Equal(t, errLost, err)
		require.Equal(t, time.Second, woke)
		require.Equal(t, errLost, c.Sleep(ctx, time.Hour), "must not begin")
		require.Equal(t, errLost, c.Sleep(ctx, 0), "nor pretend that all is well")
		advance(2 * time.Hour) // over the abandoned timer
	})
}

func TestClockWithTimeout(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		ctx, cancel := c.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stepped := env.WithStep(ctx, "claim")
		child, cancelChild := c.WithCancel(stepped)
		defer cancelChild(nil)
		derived, cancelDerived := context.WithCancel(stepped)
		defer cancelDerived()

		advance(time.Minute - time.Nanosecond)
		require.NoError(t, ctx.Err())
		require.NoError(t, child.Err())
		advance(time.Nanosecond)
		for _, ctx := range []context.Context{ctx, stepped, child} {
			ended(t, ctx, context.DeadlineExceeded, context.DeadlineExceeded)
		}
		ended(t, derived, context.Canceled, context.DeadlineExceeded)
	})
}

func TestClockWithTimeoutEndsEarly(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		now, cancel := c.WithTimeout(t.Context(), 0)
		cancel()
		ended(t, now, context.DeadlineExceeded, context.DeadlineExceeded)

		released, cancel := c.WithTimeout(t.Context(), time.Minute)
		cancel()
		ended(t, released, context.Canceled, context.Canceled)

		parent, cancelParent := c.WithCancel(t.Context())
		child, cancel := c.WithTimeout(parent, time.Minute)
		defer cancel()
		cancelParent(errLost)
		ended(t, child, context.Canceled, errLost)

		outer, cancelOuter := c.WithTimeout(t.Context(), time.Second)
		defer cancelOuter()
		inner, cancelInner := c.WithTimeout(outer, time.Minute)
		defer cancelInner()
		advance(time.Second)
		ended(t, inner, context.DeadlineExceeded, context.DeadlineExceeded)

		advance(time.Hour) // over all that was released
		ended(t, released, context.Canceled, context.Canceled)
		ended(t, child, context.Canceled, errLost)
	})
}

// sleeper sleeps under a context with a time-out that somebody cancels; all in
// seconds.
type sleeper struct{ sleep, timeout, cancelAt int }

// TestClockManySleepers: whoever sleeps wakes at his own instant, either
// because it has come or because his context ended before.
func TestClockManySleepers(t *testing.T) {
	moment := rapid.IntRange(1, 20)
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) sleeper {
			return sleeper{moment.Draw(rt, "sleep"), moment.Draw(rt, "timeout"), moment.Draw(rt, "cancel")}
		}), 1, 8).Draw(rt, "plan")
		errs := make([]error, len(plan))
		woke := make([]time.Duration, len(plan))
		synctest.Test(t, func(t *testing.T) {
			mock := processtest.NewClock()
			c := process.NewClock(mock)
			var tasks sync.WaitGroup
			for i, s := range plan {
				tasks.Go(func() { woke[i], errs[i] = s.run(c) })
			}
			mock.Advance(20 * time.Second)
			tasks.Wait()
		})
		for i, s := range plan {
			first := min(s.sleep, s.timeout, s.cancelAt)
			require.Equal(rt, time.Duration(first)*time.Second, woke[i])
			switch errs[i] { // at a tie anyone may win
			case nil:
				require.Equal(rt, first, s.sleep)
			case context.DeadlineExceeded:
				require.Equal(rt, first, s.timeout)
			case errLost:
				require.Equal(rt, first, s.cancelAt)
			default:
				require.NoError(rt, errs[i])
			}
		}
	})
}

func (s sleeper) run(c env.Clock) (woke time.Duration, err error) {
	ctx, cancel := c.WithCancel(context.Background())
	limited, release := c.WithTimeout(ctx, time.Duration(s.timeout)*time.Second)
	defer release()
	go func() {
		if c.Sleep(context.Background(), time.Duration(s.cancelAt)*time.Second) == nil {
			cancel(errLost)
		}
	}()
	err = c.Sleep(limited, time.Duration(s.sleep)*time.Second)
	return c.Monotonic(), err
}

// TestClockReleasesTimers: whoever stops waiting leaves no timer behind.
func TestClockReleasesTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := processtest.NewClock()
		c := process.NewClock(mock)
		ctx, cancel := c.WithCancel(t.Context())
		go func() { _ = c.Sleep(ctx, time.Hour) }()
		_, release := c.WithTimeout(ctx, time.Hour)
		mock.Advance(time.Second)
		cancel(errLost)
		release()
		synctest.Wait()
		require.Equal(t, mock.Now(), mock.WaitForAllTimers())
	})
}

// TestClockKeepsOrder: sleepers that wake at different instants run in their
// order, even inside one large step of the mock.
func TestClockKeepsOrder(t *testing.T) {
	onBothClocks(t, func(t *testing.T, c env.Clock, advance func(time.Duration)) {
		var mu sync.Mutex
		order := ""
		for _, i := range []int{5, 3, 8, 1, 4, 7, 2, 6} {
			go func() {
				if c.Sleep(t.Context(), time.Duration(i)*time.Microsecond) == nil {
					mu.Lock()
					order += fmt.Sprint(i)
					mu.Unlock()
				}
			}()
		}
		advance(time.Second)
		require.Equal(t, "12345678", order)
	})
}
