package properties_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// TestHeldWorkIsLate: an ordering that holds a worker's own work until what only comes of
// it stops the worker until all is healed. What times out by that is no bug.
func TestHeldWorkIsLate(t *testing.T) {
	target, held := suite.Target(), 0
	for seed := uint64(1); held < 12; seed++ {
		require.Less(t, seed, uint64(200))
		plan, err := sim.Draft(target, seed)
		require.NoError(t, err)
		moments, _, err := sim.Moments(target, plan)
		require.NoError(t, err)
		var hold, after *fault.Moment
		for i := range moments {
			m := &moments[i].Moment
			switch {
			case hold == nil && m.Leg == fault.Timer && m.Call.Op == ops.Work && m.Call.Step == "convert":
				hold = m
			case hold != nil && m.Call.Process == hold.Call.Process && m.Call.Task == hold.Call.Task:
				after = m
			}
		}
		if after == nil {
			continue
		}
		plan.Orders = append(plan.Orders, &fault.Ordering{Hold: *hold, After: *after})
		r, err := sim.Replay(target, plan)
		require.NoError(t, err)
		require.Nil(t, r.Violation, "seed %d", seed)
		held += len(r.Ordered)
	}
}
