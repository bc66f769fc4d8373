//go:build chaos_testing

package chaos_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// sleeper is a clock that really waits, which in a bubble takes no time.
type sleeper struct{ env.Clock }

func (sleeper) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestSetReleases: a call that a rule makes wait is told of while it waits, and
// goes on once the rule is gone; what comes after it meets the new rules only.
func TestSetReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := chaos.Latency{Trigger: chaos.Trigger{Nth: []int{2}}, Min: 24 * time.Hour, Max: 24 * time.Hour}
		i, err := chaos.NewInjector(chaos.Config{Rules: []chaos.Rule{{Operation: "flip", DelayBefore: &hold}}}, protocol.Catalogue(), sleeper{}, nil)
		require.NoError(t, err)
		began := time.Now()
		done := make(chan error)
		require.NoError(t, i.MaybeDelay(t.Context(), "flip"))
		go func() { done <- i.MaybeDelay(t.Context(), "flip") }()
		synctest.Wait()
		require.Equal(t, []chaos.Count{{Operation: "flip", Point: "delay_before", Calls: 2, Fired: 1, Held: 1}}, i.Counts())

		bad := chaos.Config{Rules: []chaos.Rule{{Operation: "no such"}}}
		require.Error(t, i.Set(bad))
		synctest.Wait()
		require.Equal(t, 1, i.Counts()[0].Held, "a refused configuration changes nothing")

		always := chaos.Failure{Trigger: chaos.Trigger{Rate: 1}}
		next := chaos.Config{Rules: []chaos.Rule{{Operation: "flip", FailBefore: &always}}}
		require.NoError(t, i.Set(next))
		require.NoError(t, <-done)
		require.Equal(t, began, time.Now())
		require.Equal(t, next, i.Config())
		require.NoError(t, i.MaybeDelay(t.Context(), "flip"))
		require.ErrorIs(t, i.MaybeFail(t.Context(), "flip"), env.ErrUnavailable)
		require.Equal(t, []chaos.Count{{Operation: "flip", Point: "fail_before", Calls: 1, Fired: 1}}, i.Counts())
	})
}

// TestHeldEnds: a delay that its caller gives up, or that passes, is held no more.
func TestHeldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := chaos.Latency{Trigger: chaos.Trigger{Rate: 1}, Min: time.Minute, Max: time.Minute}
		i, err := chaos.NewInjector(chaos.Config{Rules: []chaos.Rule{{Operation: "flip", DelayBefore: &hold}}}, protocol.Catalogue(), sleeper{}, nil)
		require.NoError(t, err)
		require.NoError(t, i.MaybeDelay(t.Context(), "flip"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, i.MaybeDelay(ctx, "flip"), context.DeadlineExceeded)
		require.Equal(t, []chaos.Count{{Operation: "flip", Point: "delay_before", Calls: 2, Fired: 2}}, i.Counts())
	})
}
