package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// asking is a system whose processes run a test's function.
type asking struct {
	counter.System
	ask func(ctx context.Context, e *env.Env)
}

func (a *asking) New() (sim.System, error) { return a, nil }

func (a *asking) Programs() []sim.Program {
	return []sim.Program{{Name: "w0", Main: func(ctx context.Context, e *env.Env) error {
		a.ask(ctx, e)
		return a.Work(ctx, e)
	}}}
}

// The standard library finds the cause of a simulated context's end, as it does
// in production: a draining process is told from a crashed one by it.
func TestContextCause(t *testing.T) {
	boom := errors.New("boom")
	type value struct{}
	seen := map[string]error{}
	_, err := sim.Run(sim.Target{
		Assemble: func() sim.Assembly {
			return &asking{ask: func(ctx context.Context, e *env.Env) {
				ended, cancel := e.Clock.WithCancel(context.WithValue(ctx, value{}, 1))
				seen["living"] = context.Cause(ended)
				cancel(boom)
				below, stop := e.Clock.WithTimeout(ended, time.Second)
				defer stop()
				late, stopLate := e.Clock.WithTimeout(ctx, time.Nanosecond)
				defer stopLate()
				_ = e.Clock.Sleep(ctx, time.Second)
				seen["cancelled"], seen["below"] = context.Cause(ended), context.Cause(below)
				seen["value"] = context.Cause(context.WithValue(ended, value{}, 2))
				seen["freed"] = context.Cause(context.WithoutCancel(ended))
				seen["late"] = context.Cause(late)
			}}
		},
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
		Calm:       true,
	}, 1)
	require.NoError(t, err)
	require.Equal(t, map[string]error{
		"living": nil, "cancelled": boom, "below": boom, "value": boom, "freed": nil, "late": context.DeadlineExceeded,
	}, seen)
}
