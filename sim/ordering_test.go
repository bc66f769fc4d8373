package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// ordered is the default run of two careful counters, with orderings.
func ordered(t *testing.T, orders ...string) *plan.Plan {
	p, err := sim.Draft(counter.Target(false), 42)
	require.NoError(t, err)
	p = p.With("sim.arm", sim.DefaultArm).With("counter.workers", "2").With("counter.target", "4")
	for _, text := range orders {
		o, err := fault.ParseOrdering(text)
		require.NoError(t, err)
		require.Equal(t, text, o.String())
		p.Orders = append(p.Orders, o)
	}
	return p
}

// place is where a moment came in a run; -1 if it never did.
func place(moments []sim.Happening, text string) int {
	for i, m := range moments {
		if m.String() == text {
			return i
		}
	}
	return -1
}

// Each leg of a call's way can wait for each of another call's, and does: what
// came first comes second. The system stays correct.
func TestOrderings(t *testing.T) {
	plain, result, err := sim.Moments(counter.Target(false), ordered(t))
	require.NoError(t, err)
	require.Nil(t, result.Violation)
	for _, pair := range [][2]string{
		{"w0/main raise kv.get counter #1 request", "w1/main raise kv.get counter #1 reply"},
		{"w0/main raise kv.get counter #1 reply", "w1/main raise kv.prewrite counter #1 request"},
		{"w0/main - sleep - #1 timer", "w1/main raise kv.prewrite counter #2 request"},
		{"w0/main raise kv.commit counter #1 request", "w1/main raise sleep - #1 timer"},
	} {
		order := "hold " + pair[0] + " until after " + pair[1]
		before := place(plain, pair[0])
		require.GreaterOrEqual(t, before, 0, order)
		require.Less(t, before, place(plain, pair[1]), "in this order anyway: %s", order)
		moments, r, err := sim.Moments(counter.Target(false), ordered(t, order))
		require.NoError(t, err)
		require.Nil(t, r.Violation, order)
		require.Len(t, r.Ordered, 1, order)
		require.Greater(t, place(moments, pair[0]), place(moments, pair[1]), order)
		again, err := sim.Replay(counter.Target(false), ordered(t, order))
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash, order)
		require.NotEqual(t, result.Hash, r.Hash, order)
	}
}

// What waits for a moment that never comes waits until the world is healed, and
// then the work gets done.
func TestOrderingThatNeverEnds(t *testing.T) {
	r, err := sim.Replay(counter.Target(false), ordered(t,
		"hold w0/main raise kv.get counter #1 request until after w1/main raise kv.commit counter #999 request",
		"hold w1/main raise kv.get counter #1 request until after w0/main raise kv.commit counter #999 request"))
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.Len(t, r.Ordered, 2)
	require.Equal(t, "raised", r.Summary.Outcome)
}

// Under the default arm the seed keys the system's own draws and nothing else: two
// seeds of a system that draws nothing before its first sleep begin alike.
func TestDefaultArmDrawsNothing(t *testing.T) {
	begin := func(seed uint64) []string {
		p := ordered(t)
		p.Seed = seed
		moments, _, err := sim.Moments(counter.Target(false), p)
		require.NoError(t, err)
		var names []string
		for _, m := range moments {
			if m.Call.Op == ops.Sleep {
				break
			}
			names = append(names, m.String())
		}
		require.Greater(t, len(names), 8)
		return names
	}
	require.Equal(t, begin(1), begin(2))
}
