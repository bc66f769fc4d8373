package suite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Whatever is drawn, a scenario's batches survive the attempts that its story fails, and
// nothing else fails any: one seed in some thousands drew a relapse, whose batches may
// allow for one failed attempt, and the straggler's batch ended with the frozen worker's.
func TestStage(t *testing.T) {
	const draws = 2000
	least := core.DefaultConfig().BackoffLimit
	for _, s := range chaos.Scenarios() {
		tight := 0
		for seed := range uint64(draws) {
			c := Target().Assemble().(*conversion.Config)
			c.Draw(keyed.New(seed, "system"))
			if c.Core.BackoffLimit < least {
				tight++
			}
			stage(s, c)
			if keepsItsUnits[s.Name] {
				require.Greater(t, c.Core.StaleAfter-c.Core.FenceMargin, c.Core.OpTimeout, "%s, seed %d: a claim lands when its lease is over", s.Name, seed)
			}
			require.GreaterOrEqual(t, c.Core.BackoffLimit, least, "%s, seed %d", s.Name, seed)
			for _, b := range c.Workload().Batches {
				require.Zero(t, b.BackoffLimit, "%s, seed %d: the batch names a limit of its own", s.Name, seed)
				require.GreaterOrEqual(t, b.Units(), s.Units, "%s, seed %d", s.Name, seed)
			}
		}
		require.NotZero(t, tight, "no draw is tight")
	}
}
