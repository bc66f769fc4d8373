package explain_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
)

// A lost update is explained: both transactions, the read that no lock followed, how
// long the pause must last, and from where on the failure is likely.
func TestExplanation(t *testing.T) {
	x, err := explain.Explain(counter.Target(true), replay(), 400)
	require.NoError(t, err)
	x.Rule = &explain.Rule{Name: "C1", Sentence: "Who writes the counter has locked what it read.", Where: "`System.raise`"}
	require.LessOrEqual(t, strings.Count(x.String(), "\n"), 59)
	golden(t, filepath.Join("testdata", "explanations", "lost-update"), x.String(), 60)

	require.NotNil(t, x.Edge)
	require.Equal(t, "counter", x.Edge.Key)
	require.Contains(t, x.Edge.Missing, "earlier transaction (start 0.098)")
	require.Len(t, x.Neighbours, 1)
	require.True(t, x.Neighbours[0].Without)
	require.Len(t, x.Neighbours[0].Bounds, 1)
	require.Less(t, x.Neighbours[0].Bounds[0].Passes, x.Neighbours[0].Bounds[0].Fails)

	again, err := explain.Explain(counter.Target(true), replay(), 400)
	require.NoError(t, err)
	again.Rule = x.Rule
	require.Equal(t, x.String(), again.String())
}

// The boundary that is printed is one: the plan with the largest duration below it
// passes, and the one with the smallest above it fails.
func TestBoundaryHolds(t *testing.T) {
	x, err := explain.Explain(counter.Target(true), replay(), 400)
	require.NoError(t, err)
	b := x.Neighbours[0].Bounds[0]
	for d, fails := range map[string]bool{b.Passes.String(): false, b.Fails.String(): true} {
		text := x.Reduced.Plan.String()
		text = strings.Replace(text, "for="+b.Is.String(), "for="+d, 1)
		r, err := sim.Replay(counter.Target(true), parse(t, text))
		require.NoError(t, err)
		require.Equal(t, fails, r.Violation != nil, d)
	}
}

// Another future has the same past: up to the branch the histories agree, and the
// same key gives the same future.
func TestBranch(t *testing.T) {
	target := counter.Target(true)
	p := replay().Plan
	own, err := sim.BranchRecorded(target, p, 0, 1)
	require.NoError(t, err)
	const at = 40
	differ := 0
	for key := range uint64(8) {
		other, err := sim.BranchRecorded(target, p, at, key+1)
		require.NoError(t, err)
		again, err := sim.Branch(target, p, at, key+1)
		require.NoError(t, err)
		require.Equal(t, other.Hash, again.Hash)
		past := func(h *sim.History) (requests []sim.Request) {
			for _, r := range h.Requests {
				if r.Handled.Event > 0 && r.Handled.Event <= at {
					r.Replied, r.Returned, r.End = sim.Stamp{}, sim.Stamp{}, sim.NoEnd
					r.By, r.Met, r.Fate = nil, nil, sim.Handled // what comes later may still befall the reply
					requests = append(requests, r)
				}
			}
			return requests
		}
		require.Equal(t, past(own.History), past(other.History))
		if other.Hash != own.Hash {
			differ++
		}
	}
	require.GreaterOrEqual(t, differ, 6)
}
