package leaserace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/leaserace"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// In universes in which nothing goes wrong, workers without a fence do no harm: each
// is done when it lets the lease go. From those universes it is predicted that the
// next owner would have found a zombie, and shown by schedules. Workers with a fence
// hold in all of them.
func TestZombiesArePredicted(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		tried, failed := 0, 0
		for seed := uint64(1); seed <= 8; seed++ {
			r, races, err := leaserace.Watch(target(fenced), func(w sim.Target) (*sim.Result, error) { return sim.Run(w, seed) })
			require.NoError(t, err)
			require.Nil(t, r.Violation)
			require.NotEmpty(t, races)
			for i := range races {
				for _, schedule := range races[i].Schedules(r) {
					v, err := leaserace.Try(target(fenced), r, schedule)
					require.NoError(t, err)
					tried++
					if v.Violation == nil {
						continue
					}
					failed++
					again, err := sim.Replay(target(fenced), v.Plan)
					require.NoError(t, err)
					require.Equal(t, v.Hash, again.Hash, "the plan is another run")
				}
			}
		}
		require.Greater(t, tried, 60)
		require.Equal(t, fenced, failed == 0, "fenced: %v, %d of %d fail", fenced, failed, tried)
	}
}

// Two owners of one resource, one soon after the other, are a race that came close.
func TestRacesAreTold(t *testing.T) {
	_, races, err := leaserace.Watch(target(true), func(w sim.Target) (*sim.Result, error) { return sim.Run(w, 1) })
	require.NoError(t, err)
	told := 0
	for i := range races {
		if r := &races[i]; r.Second != "" {
			told++
			require.NotEqual(t, r.First, r.Second)
			require.LessOrEqual(t, r.Gap(), 3*leaseFor)
			require.Regexp(t, `^lease of lease: w./1 until \d+\.\d{3}s, then w./1 from \d+\.\d{3}s$`, r.String())
		}
	}
	require.Positive(t, told)
}

// What a sweep finds by a prediction is what its seed comes to: twice the same, and a
// plan that replays it.
func TestSweep(t *testing.T) {
	unfenced := target(false)
	unfenced.Calm = false
	unfenced.Search.Kinds = []string{"slow"} // harmless: all that can break it is predicted
	predicted := 0
	totals, err := sweep.Run(unfenced, sweep.Options{Base: 1, Count: 600, LeaseRaces: true, Again: 16}, func(r *sim.Result) bool {
		if r.Violation != nil && r.Marks[leaserace.MarkFailed] > 0 {
			predicted++
			again, err := sim.Replay(unfenced, r.Plan)
			require.NoError(t, err)
			require.Equal(t, r.Hash, again.Hash)
		}
		return true
	})
	require.NoError(t, err)
	require.Positive(t, predicted)
	require.Equal(t, predicted, totals.Marks[leaserace.MarkFailed])
	require.Greater(t, totals.Marks[leaserace.MarkTried], predicted)
	require.Positive(t, totals.Marks[leaserace.MarkClose])
}
