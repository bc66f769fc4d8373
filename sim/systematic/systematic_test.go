package systematic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/systematic"
)

// tiny is a counter that so many workers raise to a goal.
func tiny(careless bool, workers, goal int) sim.Target {
	target := counter.Target(careless)
	target.Vary = func(c *sim.Config, a sim.Assembly) {
		system := a.(*counter.System)
		system.Workers, system.Goal = workers, goal
		c.Arm = "narrow"
	}
	return target
}

func schedule(t *testing.T, target sim.Target, seed uint64) *systematic.Schedule {
	s, err := systematic.Of(target, seed)
	require.NoError(t, err)
	return s
}

// formsOf is how many faults there are for a call of the counter, counted by hand.
// Its reply time-out is 1 s; its only lease, TiKV's of locks, is 3 s, and so is the
// time after which a caller gives up. Just past a second and just past three are the
// only lengths, then.
var formsOf = map[ops.Op]int{
	// 2 crashes, 2 terminations, 5 pauses, 2 skews, 2 drifts.
	ops.Step:  13,
	ops.Sleep: 13,
	// 9 of a process, 2 of slow work; clocks are struck where the step begins.
	ops.Work: 11,
	// 18 of a process, before and after; 4 partitions, 1 refusal, 2 lost requests, 2
	// lost replies, 2 delays of each, 2 outages.
	ops.TSO: 33,
	// 3 errors of the region, too, and an outage of such keys.
	ops.KVGet: 37,
	// 27 of a process, at three moments; 19 as above, and 3 copies.
	ops.Commit: 49,
	// A conflict, too.
	ops.Prewrite: 50,
}

// The number of placements is the sum over all calls of how many forms there are
// for each, and all are tried; the correct counter holds throughout.
func TestCountsAreExact(t *testing.T) {
	target := tiny(false, 1, 1)
	s := schedule(t, target, 1)
	want := 0
	var made []ops.Op
	for _, c := range s.Calls {
		n, known := formsOf[c.Op]
		require.True(t, known, "%s", c.Anchor())
		want += n
		made = append(made, c.Op)
	}
	require.Equal(t, []ops.Op{ops.Step, ops.TSO, ops.KVGet, ops.Work, ops.Prewrite, ops.TSO, ops.Commit}, made[:7], "one raise")
	shown := 0
	totals, err := systematic.Run(target, []*systematic.Schedule{s}, systematic.Options{Singles: systematic.All}, func(*sim.Result) bool {
		shown++
		return true
	})
	require.NoError(t, err)
	require.Equal(t, want, totals.Singles.Of)
	require.Equal(t, want, totals.Singles.Tried)
	require.Equal(t, want+1, shown, "and the schedule itself")
	require.Zero(t, totals.Singles.Violations)
	require.Positive(t, totals.Singles.Unchanged, "what strikes clocks that nobody reads changes nothing")
	for _, kind := range []string{"crash", "terminate", "pause", "slow", "partition", "refuse", "lose-request", "lose-reply", "delay", "delay-reply", "drift", "conflict", "region-error", "outage", "duplicate-request"} {
		require.Positive(t, totals.Fired[kind], "%s did nothing anywhere", kind)
	}
}

// What a limit leaves out is said; what is tried does not depend on the limit.
func TestLimit(t *testing.T) {
	target := tiny(false, 2, 2)
	var first [2][]uint64
	for i, limit := range []int{20, 50} {
		totals, err := systematic.Run(target, []*systematic.Schedule{schedule(t, target, 1), schedule(t, target, 2)}, systematic.Options{Singles: limit, Pairs: limit}, func(r *sim.Result) bool {
			first[i] = append(first[i], r.Hash)
			return true
		})
		require.NoError(t, err)
		require.Equal(t, limit, totals.Singles.Tried)
		require.LessOrEqual(t, totals.Pairs.Tried, limit, "each first fault has its share")
		require.Positive(t, totals.Pairs.Tried)
		require.Regexp(t, `^\d+ of \d+ placements of one fault on 2 schedules: 0 violations; \d+ of \d+ pairs at semantic points behind \d+ of \d+ first faults: 0$`, totals.String())
	}
	require.Equal(t, first[0][:22], first[1][:22])
}

// However many universes run at once, the same are tried, in the same order, and
// the same fail.
func TestAnyNumberOfWorkers(t *testing.T) {
	target := tiny(true, 2, 3)
	target.Vary = func(c *sim.Config, a sim.Assembly) {
		system := a.(*counter.System)
		system.Workers, system.Goal, system.Careless = 2, 3, true
		c.Arm = "narrow"
	}
	var sound []*systematic.Schedule // careless workers often fail without any fault
	for seed := uint64(1); len(sound) < 2; seed++ {
		require.Less(t, seed, uint64(200), "every schedule fails by itself")
		if s := schedule(t, target, seed); s.Result.Violation == nil {
			sound = append(sound, s)
		}
	}
	type seen struct {
		hash uint64
		said string
	}
	var runs [2][]seen
	var sums [2]*systematic.Totals
	for i, parallel := range []int{1, 3} {
		totals, err := systematic.Run(target, sound, systematic.Options{Singles: 300, Pairs: 200, Parallel: parallel, Again: 16}, func(r *sim.Result) bool {
			s := seen{hash: r.Hash}
			if r.Violation != nil {
				s.said = r.Violation.Error()
			}
			runs[i] = append(runs[i], s)
			return true
		})
		require.NoError(t, err)
		sums[i] = totals
	}
	require.Equal(t, sums[0], sums[1])
	require.Equal(t, runs[0], runs[1])
	require.Positive(t, sums[0].Singles.Violations, "no fault makes careless workers lose an update")
}

// A schedule that fails by itself is told, and nothing is placed in it.
func TestFailingSchedule(t *testing.T) {
	target := tiny(false, 1, 1)
	target.Invariants = func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{never{}} }
	failed := 0
	totals, err := systematic.Run(target, []*systematic.Schedule{schedule(t, target, 1)}, systematic.Options{Singles: systematic.All, Pairs: systematic.All}, func(r *sim.Result) bool {
		failed++
		return true
	})
	require.NoError(t, err)
	require.Equal(t, 1, failed)
	require.Zero(t, totals.Singles.Of)
	require.Equal(t, "all 0 placements of one fault on 1 schedule: 0 violations; 1 schedule fails without any fault", totals.String())
}

// never objects to every effect.
type never struct{}

func (never) Name() string { return "never" }
func (never) Observe(*sim.World, *sim.Effect) error {
	return &sim.Violation{Shape: "never", Text: "something happened"}
}
