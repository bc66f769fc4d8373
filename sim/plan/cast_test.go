package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Roles are what names have in common.
func TestRole(t *testing.T) {
	require.Equal(t, "w", plan.Role("w12"))
	require.Equal(t, "client", plan.Role("client"))
}

// Two processes that change their parts do so in every deviation, change nothing else,
// and have their own parts again if they change once more.
func TestRecast(t *testing.T) {
	names := []string{"w0", "w1", "w2", "client"}
	anchors := rapid.Custom(func(t *rapid.T) fault.Anchor {
		return fault.Anchor{
			Process: rapid.SampledFrom(names).Draw(t, "process"), Task: "main", Step: "raise", Op: ops.Get, Class: "counter",
			Nth: rapid.IntRange(1, 9).Draw(t, "nth"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := &plan.Plan{}
		for range rapid.IntRange(0, 3).Draw(t, "faults") {
			p.Faults = append(p.Faults, &fault.Fault{Kind: &fault.LoseReply{}, At: anchors.Draw(t, "at")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "orders") {
			p.Orders = append(p.Orders, &fault.Ordering{Hold: fault.Moment{Call: anchors.Draw(t, "hold")}, After: fault.Moment{Call: anchors.Draw(t, "after")}})
		}
		before := p.String()
		one, other := rapid.SampledFrom(names).Draw(t, "one"), rapid.SampledFrom(names).Draw(t, "other")
		parts := map[string]string{one: other, other: one}
		part := func(a fault.Anchor) fault.Anchor {
			if now, swapped := parts[a.Process]; swapped {
				a.Process = now
			}
			return a
		}

		swapped := p.Recast(parts)
		for i, f := range p.Faults {
			require.Equal(t, part(f.At), swapped.Faults[i].At)
		}
		for i, o := range p.Orders {
			require.Equal(t, part(o.Hold.Call), swapped.Orders[i].Hold.Call)
			require.Equal(t, part(o.After.Call), swapped.Orders[i].After.Call)
		}
		require.Equal(t, before, p.String(), "the plan itself was changed")
		require.Equal(t, before, swapped.Recast(parts).String())
	})
}
