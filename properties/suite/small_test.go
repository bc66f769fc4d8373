package suite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/systematic"
)

// The schedules are small, hold, differ in what the client does, and every kind of
// fault has a form at one of their calls.
func TestSmallSchedules(t *testing.T) {
	strikes, outcomes, made := map[string]bool{}, map[string]bool{}, map[ops.Op]int{}
	for seed := uint64(1); seed <= harness.Schedules; seed++ {
		target := Target()
		target.Vary = func(c *sim.Config, a sim.Assembly) {
			small(seed, c, a)
			spec := a.(*conversion.Config).Workload()
			for i := range spec.Batches {
				require.Contains(t, []int{1, 2}, spec.Batches[i].Units(), "seed %d", seed)
			}
		}
		s, err := systematic.Of(target, seed)
		require.NoError(t, err)
		require.Nil(t, s.Result.Violation, "seed %d", seed)
		require.Less(t, len(s.Calls), 2500, "seed %d", seed)
		outcomes[s.Result.Summary.Outcome] = true
		for i := range s.Calls {
			if made[s.Calls[i].Op]++; made[s.Calls[i].Op] > 3 {
				continue
			}
			for _, info := range fault.Kinds() {
				decisive, others := fault.Forms(info, &s.Scale, &s.Calls[i])
				strikes[info.Name] = strikes[info.Name] || len(decisive)+len(others) > 0
			}
		}
	}
	for _, name := range fault.Names() {
		require.True(t, strikes[name], "%s can strike no call", name)
	}
	for _, outcome := range []string{"published", "failed", "cancelled"} {
		require.True(t, outcomes[outcome], "no schedule ends so: %s", outcome)
	}
}
