package shrink

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// careless are universes of the careless counter that fail, three of each arm.
func careless(t *testing.T) []*sim.Result {
	var failed []*sim.Result
	for _, arm := range sim.Arms() {
		target, found := counter.Target(true), 0
		target.Arm = arm
		for seed := uint64(1); found < 3; seed++ {
			require.Less(t, seed, uint64(300), "%s finds nothing", arm)
			r, err := sim.Run(target, seed)
			require.NoError(t, err)
			require.Equal(t, arm, r.Arm)
			if r.Violation != nil {
				failed = append(failed, r)
				found++
			}
		}
	}
	return failed
}

// Two careless workers lose an update if one of them is late at the right moment,
// three without that. Whatever the universe and its arm were like, no more is left. The
// plan can be printed, parsed and replayed, and each deviation in it is necessary.
func TestCarelessCounter(t *testing.T) {
	byDefault := 0
	for _, r := range careless(t) {
		s, err := Failure(counter.Target(true), r, 2000)
		require.NoError(t, err)
		require.True(t, s.Minimal, "seed %#x: %s", r.Seed, s.Certificate())
		if s.ByDefault() {
			byDefault++
		}
		require.Equal(t, r.Violation.Identity(), s.Result.Violation.Identity())
		require.LessOrEqual(t, s.Plan.Deviations()+s.Processes, 4, "seed %#x:\n%s", r.Seed, s.Plan)
		again, err := plan.Parse("shrunk", []byte(s.Plan.String()))
		require.NoError(t, err)
		replayed, err := sim.Replay(counter.Target(true), again)
		require.NoError(t, err)
		require.Equal(t, s.Result.Hash, replayed.Hash)
	}
	require.GreaterOrEqual(t, byDefault, 24) // what comes after the healing no ordering reaches
}

// Without runs nothing is tried, and nothing is claimed.
func TestNotReduced(t *testing.T) {
	r := careless(t)[0]
	s, err := Failure(counter.Target(true), r, 0)
	require.NoError(t, err)
	require.False(t, s.Minimal)
	require.Equal(t, r.Plan.String(), s.Plan.String())
	require.Equal(t, "not reduced", s.Certificate())
}

// A reduction that is cut short says so.
func TestCutShort(t *testing.T) {
	s, err := Failure(counter.Target(true), careless(t)[0], 3)
	require.NoError(t, err)
	require.False(t, s.Minimal)
	require.Contains(t, s.Certificate(), "reduced as far as 3 runs")
}

// What drop leaves fails, and fails no longer without any one of its items.
func TestDrop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "items")
		var list []int
		for i := range n {
			list = append(list, i)
		}
		needed := rapid.SliceOfDistinct(rapid.IntRange(0, n-1), func(i int) int { return i }).Draw(t, "needed")
		has := func(list []int) bool {
			return !slices.ContainsFunc(needed, func(i int) bool { return !slices.Contains(list, i) })
		}
		left := list
		drop(list, func(without []int) bool {
			if has(without) {
				left = without
				return true
			}
			return false
		})
		slices.Sort(needed)
		require.Equal(t, fmt.Sprint(needed), fmt.Sprint(left))
	})
}

// A readable duration is no shorter, and not much longer.
func TestReadable(t *testing.T) {
	for d, want := range map[time.Duration]string{
		102372 * time.Millisecond: "1m43s", 38413 * time.Millisecond: "39s", 6512 * time.Millisecond: "6.6s",
		745 * time.Millisecond: "750ms", 1: "1ns", 2 * time.Hour: "2h0m0s",
	} {
		require.Equal(t, want, readable(d).String())
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(1000*time.Hour)).Draw(t, "d"))
		r := readable(d)
		require.GreaterOrEqual(t, r, d)
		require.LessOrEqual(t, r, d+d/20)
	})
}

// A mode is a line of the plan: replayed, it injects the same again. Written out as
// single faults it is the same run, and no reduced plan has one.
func TestModesAreWrittenOut(t *testing.T) {
	target := counter.Target(true)
	modes, ambient := 0, func(f *fault.Fault) bool { return f.Ambient }
	for seed := uint64(1); modes < 5; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if !slices.ContainsFunc(r.Fired, ambient) || r.Violation == nil {
			continue
		}
		modes++
		require.False(t, slices.ContainsFunc(r.Plan.Faults, ambient), "it would strike twice")
		again, err := sim.Replay(target, r.Plan)
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash, "seed %#x", seed)
		single, err := sim.Replay(target, sim.Unfold(r))
		require.NoError(t, err)
		require.Equal(t, r.Hash, single.Hash, "seed %#x", seed)
		require.Len(t, single.Plan.Faults, len(r.Injected))
		require.False(t, slices.ContainsFunc(single.Injected, ambient))

		s, err := Failure(target, r, 2000)
		require.NoError(t, err)
		for _, name := range []string{"sim.flaky", "sim.lossy", "sim.repeated", "sim.reordered", "sim.rolling"} {
			require.Contains(t, s.Plan.Settings, plan.Field{Name: name, Value: "0"})
		}
		require.LessOrEqual(t, s.Plan.Deviations()+s.Processes, 4, "seed %#x:\n%s", seed, s.Plan)
	}
}

// What another world shows by itself is no race that its latency happens to lose, and
// takes no more processes than there were; a race of another world is less than what there was.
func TestOtherWorlds(t *testing.T) {
	target := counter.Target(true)
	elsewhere, astray := 0, 0
	for _, r := range careless(t)[:6] {
		s := newShrinking(target, r, 2000)
		weight := s.weight()
		if s.elsewhere() {
			elsewhere++
			p := s.best.Plan
			require.Zero(t, p.Deviations())
			require.Less(t, s.weight(), weight)
			slow, err := sim.Replay(target, p.With("sim.latency_min", otherLatency).With("sim.latency_max", otherLatency))
			require.NoError(t, err)
			require.Equal(t, r.Violation.Identity(), slow.Violation.Identity())
		}
		s = newShrinking(target, r, 2000)
		if s.astray() {
			astray++
			require.Less(t, s.weight(), weight)
		}
	}
	require.Positive(t, elsewhere)
	require.Positive(t, astray)
}

// One of each role plays the parts of all where there is but one.
func TestNarrow(t *testing.T) {
	target := counter.Target(true)
	r := careless(t)[0]
	s := newShrinking(target, r, 2000)
	p := r.Plan.With("counter.workers", "3")
	st := s.narrow(p)
	require.NotNil(t, st)
	cast, err := sim.Cast(target, st.Plan)
	require.NoError(t, err)
	require.Len(t, cast, st.cast)
	f := st.fault(&fault.Fault{Kind: &fault.Crash{}, At: fault.Anchor{Process: "w2"}})
	require.Equal(t, "w0", f.At.Process)
	m := fault.Moment{Call: fault.Anchor{Process: "w1"}}
	other := fault.Moment{Call: fault.Anchor{Process: "w2"}}
	require.Equal(t, []fault.Moment{{Call: fault.Anchor{Process: "w0"}}}, st.moments([]fault.Moment{m, other}))
	require.Nil(t, s.narrow(st.Plan))
}

// Two of a kind play the parts of three, and a deviation's process its own; where there are
// two already there is no such stage.
func TestCouples(t *testing.T) {
	target := counter.Target(true)
	r := careless(t)[0]
	s := newShrinking(target, r, 2000)
	s.best.Plan.Faults = []*fault.Fault{{Kind: &fault.Crash{}, At: fault.Anchor{Process: "w0"}}, {Kind: &fault.Crash{}, At: fault.Anchor{Process: "w2"}}}
	list := s.couples(r.Plan.With("counter.workers", "3"))
	require.Len(t, list, 1)
	require.Equal(t, 2, list[0].cast)
	require.Equal(t, map[string]string{"w2": "w1"}, list[0].parts)
	require.Empty(t, s.couples(r.Plan.With("counter.workers", "2")))
}

// Parts go to processes of the same role first, and then to those that have none yet.
func TestCasting(t *testing.T) {
	s := newShrinking(counter.Target(true), careless(t)[0], 2000)
	s.best.Plan.Faults = nil
	require.Equal(t, map[string]string{"c0": "w0", "c1": "w1", "c2": "w0"}, s.casting([]string{"c0", "c1", "c2"}, []string{"w0", "w1"}))
	require.Equal(t, map[string]string{"c1": "c0", "w0": "w1"}, s.casting([]string{"c0", "c1", "w0"}, []string{"c0", "w1"}))
}

// A failure can be reduced to one without the setting that lets two incarnations of one
// name be. Some keep it: then the second one plays another worker's part.
func TestReplacementsAreDropped(t *testing.T) {
	target := counter.Target(true)
	target.Vary = func(c *sim.Config, _ sim.Assembly) { c.ReplaceAfter = time.Second }
	reduced, dropped := 0, 0
	for seed := uint64(1); reduced < 8; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if r.Violation == nil || r.Marks["two_incarnations"] == 0 {
			continue
		}
		reduced++
		s, err := Failure(target, r, 2000)
		require.NoError(t, err)
		if slices.Contains(s.Plan.Settings, plan.Field{Name: "sim.replace_after", Value: "0s"}) {
			dropped++
		}
	}
	require.Positive(t, dropped)
}

// What would have come next of another task's comes after what has come of this one's, if
// they are alike and take effect; the last of each task alone.
func TestOvertakings(t *testing.T) {
	at := func(task string, op ops.Op, nth int) fault.Moment {
		return fault.Moment{Call: fault.Anchor{Process: "w0", Task: task, Op: op, Nth: nth}, Leg: fault.Request}
	}
	ones := []fault.Moment{at("b", ops.Put, 2), at("b", ops.Get, 1)}
	others := []fault.Moment{at("b", ops.Put, 2), at("a", ops.Put, 1), at("a", ops.Put, 0), at("a", ops.Get, 4), at("c", ops.Delete, 1)}
	require.Equal(t, [][]*fault.Ordering{{{Hold: at("a", ops.Put, 2), After: at("b", ops.Put, 2)}}}, overtakings(ones, others))
}

// Another time is another seed of the workload, and nothing else.
func TestAtTime(t *testing.T) {
	target := counter.Target(true)
	r := careless(t)[0]
	s := newShrinking(target, r, 2000)
	require.Equal(t, r.Plan, s.atTime(r.Plan, 0))
	other := s.atTime(r.Plan, 3)
	require.Equal(t, r.Plan.Seed, other.Seed)
	settings, err := sim.Settings(target, r.Plan)
	require.NoError(t, err)
	for i, setting := range settings {
		require.Equal(t, setting.Seed != nil, r.Plan.Settings[i] != other.Settings[i], setting.Name)
	}
}
