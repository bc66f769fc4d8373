package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// A run ends when it has had all the events that it may, whether the world is healed by
// then or not, and is inconclusive.
func TestFewEvents(t *testing.T) {
	target := counter.Target(false)
	for seed := uint64(1); seed <= 10; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		for _, p := range []string{"0s", "1h"} {
			few := target
			whole, err := sim.Replay(few, r.Plan.With("sim.chaos_for", p))
			require.NoError(t, err)
			require.Nil(t, whole.Violation)
			few.Events = whole.Events / 2
			half, err := sim.Replay(few, r.Plan.With("sim.chaos_for", p))
			require.NoError(t, err)
			require.Equal(t, few.Events, half.Events)
			require.True(t, half.Inconclusive)
		}
	}
}
