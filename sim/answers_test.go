package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// A store that gives a wrong answer without doing anything, a few times in
// every run, is survived; each answer is given; and a plan says and replays it.
func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct {
		op   ops.Op
		kind fault.Kind
	}{
		{ops.Prewrite, &fault.Conflict{}},
		{ops.Put, &fault.Conflict{}},
		{ops.KVGet, &fault.RegionError{Says: fault.NotLeader}},
		{ops.Commit, &fault.RegionError{Says: fault.ServerIsBusy}},
		{ops.KVScan, &fault.RegionError{Says: fault.EpochNotMatch}},
		{ops.Commit, &fault.RegionError{Says: fault.RegionNotFound}},
		{ops.KVGet, &fault.RegionError{Says: fault.StaleCommand}},
		{ops.Prewrite, &fault.RegionError{Says: fault.DiskFull}},
		{ops.Prewrite, &fault.RegionError{Says: fault.MaxTimestampNotSynced}},
		{ops.Commit, &fault.RegionError{Says: fault.UndeterminedResult}},
		{ops.CompleteUpload, &fault.ErrorBody{}},
		{ops.Get, &fault.Outage{Service: ops.Objects, For: 20e9}},
		{ops.TSO, &fault.Outage{Service: ops.Every, For: 20e9}},
	} {
		t.Run(c.kind.Info().Name+" "+c.op.String(), func(t *testing.T) {
			target := suite.Target()
			target.Calm = true
			target.Vary = func(_ *sim.Config, a sim.Assembly) {
				k := &a.(*conversion.Config).Core
				k.PartSize, k.MultipartAbove = 100, 100
				if c.op == ops.Put {
					k.MultipartAbove = 1 << 20
				}
			}
			target.Inject = func(sim.Assembly) []fault.Injector {
				var rules []fault.Injector
				for nth := range 3 {
					rules = append(rules, &inject.Rule{Op: c.op, Nth: 3*nth + 1, Kind: c.kind})
				}
				return rules
			}
			count := 60
			if testing.Short() {
				count = 6
			}
			totals, err := sweep.Run(target, sweep.Options{Base: 1, Count: count}, func(r *sim.Result) bool {
				require.Nil(t, r.Violation, "seed 0x%x", r.Seed)
				plan, err := plan.Parse("printed", []byte(r.Plan.String()))
				require.NoError(t, err)
				again, err := sim.Replay(suite.Target(), plan)
				require.NoError(t, err)
				require.Equal(t, r.Hash, again.Hash, "seed 0x%x", r.Seed)
				return true
			})
			require.NoError(t, err)
			require.Greater(t, totals.Fired[c.kind.Info().Name], count/2)
			require.GreaterOrEqual(t, totals.Outcome("published"), count*2/3)
		})
	}
}
