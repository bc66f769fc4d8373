package timeline_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

// chromeEvent is what a reader of a Chrome trace looks at.
type chromeEvent struct {
	Name, Cat, Ph, BP string
	TS, Dur           float64
	PID, TID, ID      int
}

type lane struct{ pid, tid int }

// perfetto reads a trace by the rules of Perfetto's importer of JSON: events in the
// order of their times, and of the file where these are equal; a slice that overlaps
// the one around it is dropped; the end of an arrow is bound to the innermost slice
// of its thread.
type perfetto struct {
	t       *testing.T
	open    map[lane][]chromeEvent
	names   map[lane]string
	starts  map[int]chromeEvent // of arrows, by id: the slice they start in
	slices  int
	dropped []chromeEvent
	arrows  [][2]chromeEvent
}

func importTrace(t *testing.T, events []chromeEvent) *perfetto {
	p := &perfetto{t: t, open: map[lane][]chromeEvent{}, names: map[lane]string{}, starts: map[int]chromeEvent{}}
	slices.SortStableFunc(events, func(a, b chromeEvent) int { return cmp.Compare(a.TS, b.TS) })
	for _, e := range events {
		p.take(e)
	}
	return p
}

func (p *perfetto) take(e chromeEvent) {
	at := lane{e.PID, e.TID}
	switch e.Ph {
	case "M":
		p.names[at] = e.Name
	case "X":
		stack := p.open[at]
		for len(stack) > 0 && end(stack[len(stack)-1]) <= e.TS {
			stack = stack[:len(stack)-1]
		}
		if p.open[at] = stack; len(stack) > 0 && end(e) > end(stack[len(stack)-1]) {
			p.dropped = append(p.dropped, e)
			return
		}
		p.open[at] = append(stack, e)
		p.slices++
	case "s":
		require.NotContains(p.t, p.starts, e.ID, "an arrow starts twice")
		p.starts[e.ID] = p.innermost(e)
	case "f":
		require.Contains(p.t, p.starts, e.ID, "an arrow ends that has not started")
		require.Equal(p.t, "e", e.BP)
		p.arrows = append(p.arrows, [2]chromeEvent{p.starts[e.ID], p.innermost(e)})
	}
}

func (p *perfetto) innermost(e chromeEvent) chromeEvent {
	stack := p.open[lane{e.PID, e.TID}]
	require.NotEmpty(p.t, stack, "arrow %d ends in no slice", e.ID)
	return stack[len(stack)-1]
}

// end is when a slice ends, in nanoseconds: readers round to them.
func end(e chromeEvent) float64 { return float64(int64((e.TS+e.Dur)*1e3+0.5)) / 1e3 }

// TestChrome: by the rules of readers every slice is there, and every message is two
// arrows between the slices of its call and of its handling.
func TestChrome(t *testing.T) {
	r := failing(t)
	var text bytes.Buffer
	require.NoError(t, timeline.Chrome(&text, r))
	var trace struct{ TraceEvents []chromeEvent }
	require.NoError(t, json.Unmarshal(text.Bytes(), &trace))
	categories := map[string]int{}
	for _, e := range trace.TraceEvents {
		categories[e.Cat+" "+e.Ph]++
	}
	p := importTrace(t, trace.TraceEvents)
	require.Empty(t, p.dropped)
	calls, handled, requests, replies := sent(r)
	require.Equal(t, calls+handled+len(r.History.Work)+len(r.History.Holdings), p.slices)
	require.Len(t, p.arrows, requests+replies)
	require.Equal(t, len(r.History.Lives), categories["life i"])
	require.Equal(t, len(r.History.Strikes), categories["fault i"])
	require.Equal(t, 1, categories["violation i"])
	require.NotZero(t, categories["work X"])
	for at := range p.open {
		require.Equal(t, "thread_name", p.names[at])
	}
	for _, a := range p.arrows {
		call, store := a[0], a[1]
		if call.PID > store.PID { // a reply: the process of the stores is the last
			call, store = store, call
		}
		op, _, _ := strings.Cut(store.Name, " ")
		require.True(t, call.PID < store.PID && strings.HasSuffix(call.Name, op), "%v", a)
		require.Equal(t, []string{"message", "message"}, []string{call.Cat, store.Cat})
	}
}

// TestHandledCloseTogether: what a store handles within a microsecond is drawn shorter
// than that, since overlapping slices are dropped.
func TestHandledCloseTogether(t *testing.T) {
	handled := func(at time.Duration) sim.Request {
		return sim.Request{Who: sim.Who{Process: "w", Task: "t"}, Op: ops.Get, Handled: sim.Stamp{Event: 1, At: at}, Returned: sim.Stamp{Event: 1, At: time.Second}}
	}
	r := &sim.Result{Virtual: time.Second, History: &sim.History{
		Programs: []string{"w"}, Requests: []sim.Request{handled(1000), handled(1300), handled(1300), handled(5000)},
	}}
	for i := range r.History.Requests {
		r.History.Requests[i].Copy = true // of its callers no slices are drawn
	}
	var text bytes.Buffer
	require.NoError(t, timeline.Chrome(&text, r))
	var trace struct{ TraceEvents []chromeEvent }
	require.NoError(t, json.Unmarshal(text.Bytes(), &trace))
	p := importTrace(t, trace.TraceEvents)
	require.Empty(t, p.dropped)
	require.Equal(t, 4, p.slices)
}

// sent counts what a run's messages must become.
func sent(r *sim.Result) (calls, handled, requests, replies int) {
	for i := range r.History.Requests {
		q := &r.History.Requests[i]
		reached := q.Handled.Event != 0 && q.Fate != sim.Refused
		calls += one(!q.Copy)
		handled += one(reached)
		requests += one(reached && !q.Copy)
		replies += one(reached && q.End == sim.EndReply)
	}
	return calls, handled, requests, replies
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
