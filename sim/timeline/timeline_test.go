package timeline_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

// failing is a recorded run of the careless counter in which faults fired.
func failing(t *testing.T) *sim.Result {
	target := counter.Target(true)
	for seed := uint64(1); seed < 200; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if r.Violation == nil || len(r.Fired) == 0 {
			continue
		}
		recorded, err := sim.ReplayRecorded(target, r.Plan)
		require.NoError(t, err)
		require.Equal(t, r.Hash, recorded.Hash)
		return recorded
	}
	t.Fatal("no universe of the careless counter failed")
	return nil
}

func TestLines(t *testing.T) {
	r := failing(t)
	var text bytes.Buffer
	require.NoError(t, timeline.Lines(&text, r))
	require.True(t, strings.HasPrefix(text.String(), `{"type":"run","schema":1,"seed":"0x`))
	counts, before := map[string]int{}, 0.0
	for line := range strings.Lines(text.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		counts[l["type"].(string)]++
		at, _ := l["at"].(map[string]any)
		for _, name := range []string{"sent", "from"} {
			if begun, ok := l[name].(map[string]any); ok {
				at = begun
			}
		}
		if at != nil {
			require.GreaterOrEqual(t, at["event"], before, "lines are out of order")
			before = at["event"].(float64)
		}
	}
	h := r.History
	want := map[string]int{
		"run": 1, "request": len(h.Requests), "change": len(h.Changes), "life": len(h.Lives), "fault": len(h.Strikes),
		"task": len(h.Threads), "step": len(h.Steps), "work": len(h.Work),
	}
	require.Equal(t, want, counts)
	for _, n := range counts {
		require.NotZero(t, n)
	}
}

// TestLevels: the story of a violation holds its two events, and little more of
// the run than it needs.
func TestLevels(t *testing.T) {
	r := failing(t)
	levels := timeline.Levels(r)
	story, found := 0, false
	for i, level := range levels {
		q := &r.History.Requests[i]
		if q.Handled.Event == r.Violation.Second.Event {
			require.Equal(t, timeline.Story, level)
			found = true
		}
		if level == timeline.Story {
			story++
		}
		if level == timeline.Plain {
			require.False(t, q.Op.HasEffect())
		}
	}
	require.True(t, found, "the violation's event is no request's")
	require.Less(t, story, len(levels)/2)
}

// TestDiverge: a run is equal to itself; without a fault that fired it parts from
// itself no earlier than that fault strikes, and what only one has is a few.
func TestDiverge(t *testing.T) {
	r := failing(t)
	same := timeline.Diverge(r, r)
	require.Zero(t, same.First)
	require.Empty(t, same.OnlyA)
	require.Empty(t, same.OnlyB)
	without := r.Plan.Clone()
	without.Faults = slices.DeleteFunc(without.Faults, func(f *fault.Fault) bool { return f.String() == r.Fired[0].String() })
	other, err := sim.ReplayRecorded(counter.Target(true), without)
	require.NoError(t, err)
	d := timeline.Diverge(r, other)
	require.NotZero(t, d.First)
	strike := r.History.Strikes[slices.IndexFunc(r.History.Strikes, func(s sim.Strike) bool { return s.Fault.String() == r.Fired[0].String() })]
	require.GreaterOrEqual(t, d.First, strike.From.Event)
	require.NotEmpty(t, append(d.OnlyA, d.OnlyB...))
	require.Less(t, len(d.OnlyA), len(r.History.Requests))
}
