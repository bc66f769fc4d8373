package sim_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// history replays a plan with and without a history, which must be the same run.
func history(t *testing.T, target sim.Target, p *plan.Plan) *sim.Result {
	plain, err := sim.Replay(target, p)
	require.NoError(t, err)
	require.Nil(t, plain.History)
	r, err := sim.ReplayRecorded(target, p)
	require.NoError(t, err)
	require.Equal(t, plain.Hash, r.Hash, "to record a run changes it")
	return r
}

// TestHistory: the kept zombie merger, request by request. A merger is frozen in
// its flip; another claims the merge, and the first one's claim ends there.
func TestHistory(t *testing.T) {
	text, err := os.ReadFile("../seeds/zombie-merger-flips.plan")
	require.NoError(t, err)
	p, err := plan.Parse("zombie", text)
	require.NoError(t, err)
	r := history(t, suite.Target(), p)
	h := r.History

	handled, answered, changes := 0, 0, map[int]int{}
	for _, c := range h.Changes {
		changes[c.Request]++
	}
	for i, q := range h.Requests {
		require.True(t, q.Op.IsRequest())
		require.NotZero(t, q.Sent.Event)
		if q.Handled.Event != 0 {
			handled++
			require.GreaterOrEqual(t, q.Handled.At, q.Sent.At)
		}
		if q.End == sim.EndReply {
			answered++
			require.GreaterOrEqual(t, q.Returned.Event, q.Handled.Event)
		}
		if changes[i+1] > 0 {
			require.NotZero(t, q.Handled.Event, "what was never handled changed something")
			require.True(t, q.Op.HasEffect() || q.Op == ops.CheckTxn, "%s changed something", q.Op)
		}
	}
	require.Greater(t, handled, 100)
	require.Greater(t, answered, 100)
	for _, e := range r.Trace {
		if e.Level == sim.TraceCall && e.Request != 0 {
			require.Equal(t, e.Op, h.Requests[e.Request-1].Op)
		}
	}

	claims, frozen, gone := []string{}, 0, 0
	for _, held := range h.Holdings {
		require.NotZero(t, held.For)
		if held.Kind == "claim" {
			claims = append(claims, held.Process+" "+held.Of)
		}
		if held.Kind == "lease" && held.Until.Event != 0 {
			gone++
		}
	}
	require.NotZero(t, gone, "every lease was held to the end")
	require.Greater(t, len(claims), 1, "nobody took the merge over: %v", claims)
	for _, s := range h.Strikes {
		if s.Fault.Name() == "pause" && s.Until > s.From.At {
			frozen++
		}
	}
	require.NotZero(t, frozen)
	require.NotEmpty(t, h.Steps)
	require.NotEmpty(t, h.Work)
	require.Equal(t, sim.Booted, h.Lives[0].Happened)
	before, after := "", ""
	for _, c := range h.Changes {
		if c.Key == "batch/lab/data" || c.Key == "batch/lab/a" {
			before, after = c.Before, c.After
		}
	}
	require.Contains(t, before, "phase=")
	require.Contains(t, after, "phase=complete")
}

// TestHistoryOfAnother: a system that shows no rows and knows no leases has a
// history, too.
func TestHistoryOfAnother(t *testing.T) {
	target := counter.Target(false)
	p, err := sim.Draft(target, 3)
	require.NoError(t, err)
	h := history(t, target, p).History
	require.Empty(t, h.Holdings)
	last := ""
	for _, c := range h.Changes {
		if c.Key == "counter" {
			require.Equal(t, last, c.Before)
			last = c.After
		}
	}
	require.NotEmpty(t, last)
}
