package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/suite"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// A store that gives a wrong answer without doing anything, a few times in
// every run, is survived; each answer is given; and a plan says and replays it.
func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct {
		op    string
		fault sim.Fault
	}{
		{"kv.prewrite", sim.Fault{Kind: sim.Conflict}},
		{"objects.put", sim.Fault{Kind: sim.Conflict}},
		{"kv.get", sim.Fault{Kind: sim.RegionError, Region: tikv.RegionNotLeader}},
		{"kv.commit", sim.Fault{Kind: sim.RegionError, Region: tikv.RegionServerIsBusy}},
		{"kv.scan", sim.Fault{Kind: sim.RegionError, Region: tikv.RegionEpochNotMatch}},
		{"objects.complete_upload", sim.Fault{Kind: sim.ErrorBody}},
		{"objects.get", sim.Fault{Kind: sim.Outage, Service: sim.ServiceObjects, For: 20e9}},
		{"pd.tso", sim.Fault{Kind: sim.Outage, Service: sim.AllServices, For: 20e9}},
	} {
		t.Run(c.fault.Kind.String()+" "+c.op, func(t *testing.T) {
			op, ok := sim.OpNamed(c.op)
			require.True(t, ok)
			target := suite.Target()
			target.Calm = true
			target.Vary = func(_ *sim.Config, a sim.Assembly) {
				k := &a.(*conversion.Config).Core
				k.PartSize, k.MultipartAbove = 100, 100
				if c.op == "objects.put" {
					k.MultipartAbove = 1 << 20
				}
			}
			target.Rules = func(sim.Assembly) []*sim.Rule {
				var rules []*sim.Rule
				for nth := range 3 {
					rules = append(rules, &sim.Rule{Op: op, Nth: 3*nth + 1, Fault: c.fault})
				}
				return rules
			}
			totals, err := sweep.Run(target, sweep.Options{Base: 1, Count: 60}, func(r *sim.Result) bool {
				require.Nil(t, r.Violation, "seed 0x%x", r.Seed)
				plan, err := sim.ParsePlan("printed", []byte(r.Plan.String()))
				require.NoError(t, err)
				again, err := sim.Replay(suite.Target(), plan)
				require.NoError(t, err)
				require.Equal(t, r.Hash, again.Hash, "seed 0x%x", r.Seed)
				return true
			})
			require.NoError(t, err)
			require.Greater(t, totals.Fired[c.fault.Kind.String()], 30)
			require.GreaterOrEqual(t, totals.Outcome("published"), 40)
		})
	}
}
