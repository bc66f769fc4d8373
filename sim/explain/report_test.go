package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// Of the rows that a commit left, those are shown that say most.
func TestWhatSaysMostIsShown(t *testing.T) {
	v := &sim.Violation{Subject: "u1"}
	e := sim.TraceEvent{Wrote: "lease/w0/u1: gone\nqueue/u1: epoch=1\nunit/u1: state=pending epoch=1\nunit/other: state=dead epoch=1 worker=w0\n"}
	require.Equal(t, "  [unit state=pending epoch=1; queue epoch=1]", wrote(e, v))

	s := &story{v: v, changes: map[int][]sim.Change{1: {
		{Key: "lease/w0/u1"}, {Key: "queue/u1", After: "epoch=1"}, {Key: "unit/u1", After: "state=pending epoch=1"}, {Key: "unit/other", After: "state=dead epoch=1 worker=w0"},
	}}}
	require.Equal(t, "unit: state=pending epoch=1; queue: epoch=1", s.wrote(1))
}

// report is of a run with a trace and a history.
func report(v *sim.Violation, trace []sim.TraceEvent, h *sim.History) *Report {
	return &Report{Trace: trace, Reduced: &shrink.Shrunk{Plan: &plan.Plan{}, Result: &sim.Result{Violation: v, History: h}}}
}

func call(event uint64, task string, op ops.Op, key, result string, request int) sim.TraceEvent {
	return sim.TraceEvent{Event: event, At: time.Duration(event) * time.Second, Process: "w0", Task: task, What: op.String(), Op: op, Key: key, Result: result, Request: request}
}

// What follows the violation is left out, and so is the commit of a transaction's other
// keys; of a part its number is told.
func TestStepsThatMatter(t *testing.T) {
	v := &sim.Violation{Subject: "u", Second: sim.EventRef{Event: 4}, Event: 9}
	trace := []sim.TraceEvent{
		call(1, "worker", ops.UploadPart, "out/u", "ok", 1), call(2, "worker", ops.Commit, "unit/u", "ok", 2),
		call(3, "tikv-commit", ops.Commit, "lease/u", "ok", 3), call(4, "worker", ops.Commit, "unit/u", "ok", 4), call(5, "worker", ops.Commit, "unit/u", "ok", 5),
	}
	h := &sim.History{
		Requests: []sim.Request{{Op: ops.UploadPart}, {Op: ops.Commit}, {Op: ops.Commit}, {Op: ops.Commit}, {Op: ops.Commit}},
		Changes:  []sim.Change{{Request: 1, After: "part 2: 50 bytes, abc"}, {Request: 2}, {Request: 4}, {Request: 5}},
	}
	text := strings.Join(report(v, trace, h).steps(20), "\n")
	require.Contains(t, text, "out/u: part 2: 50 bytes\n")
	require.NotContains(t, text, "tikv-commit")
	require.Contains(t, text, "4.000s  w0/worker        kv.commit unit/u   <- violation")
	require.NotContains(t, text, "5.000s")
}

// Where the violation is an answer, whoever got it shows what it asked.
func TestAnswersAreLedUpTo(t *testing.T) {
	v := &sim.Violation{Subject: "b", First: sim.EventRef{Event: 1}, Second: sim.EventRef{Event: 3}, Event: 3}
	trace := []sim.TraceEvent{
		call(2, "client", ops.KVGet, "batch/b", "ok", 0), call(2, "worker", ops.KVGet, "batch/b", "ok", 0),
		{Event: 3, At: 3 * time.Second, Process: "w0", Task: "client", What: "status b", Level: sim.TraceWorld},
	}
	text := strings.Join(report(v, trace, nil).steps(20), "\n")
	require.Contains(t, text, "w0/client        kv.get batch/b")
	require.NotContains(t, text, "w0/worker")
	require.Contains(t, text, "-- status b   <- violation")
}

// Hundreds of faults leave room for what the system did, and the rare ones stay.
func TestFaultsDoNotFloodTheSteps(t *testing.T) {
	events := []sim.TraceEvent{{What: "crash at w0/-", Level: sim.TraceFault}}
	for n := range 50 {
		events = append(events, sim.TraceEvent{What: fmt.Sprintf("refuse at w0/- #%d", n), Level: sim.TraceFault}, call(uint64(n+1), "worker", ops.Commit, "unit/u", "ok", 0))
	}
	faults, crashes := 0, 0
	for _, e := range trim(events, &sim.Violation{}, 10) {
		if e.Level == sim.TraceFault {
			faults++
		}
		if faultKind(e.What) == "crash" {
			crashes++
		}
	}
	require.Equal(t, []int{5, 1}, []int{faults, crashes})

	events = append([]sim.TraceEvent{{What: "kill", Process: "w0", Level: sim.TraceWorld}}, events...)
	require.Equal(t, "kill", trim(events, &sim.Violation{}, 10)[0].What)

	var rows []Row
	for n := range uint64(50) {
		rows = append(rows, Row{Event: n + 1, What: "-- refuse"})
	}
	rows = append(rows, Row{What: "-- crash"})
	kept := rareFirst(rows, 10)
	require.Len(t, kept, 10)
	require.Equal(t, "-- crash", kept[0].What)

	require.Equal(t, "refuse 2, crash 1", kindsOf([]string{"    refuse at w0/- #1", "    crash at w0/- #1", "    refuse at w0/- #2"}))
}

// A report says what was done of what was expected.
func TestSince(t *testing.T) {
	request := func(event uint64, process, step, key string) sim.Request {
		return sim.Request{Who: sim.Who{Process: process, Task: "beat", Step: step}, Op: ops.KVGet, Keys: []string{key}, Primary: key, Sent: sim.Stamp{Event: event, At: time.Second}, Handled: sim.Stamp{Event: event}, Status: "ok", End: sim.EndReply}
	}
	h := &sim.History{Requests: []sim.Request{
		request(1, "w0", "heartbeat", "lease/u"), request(3, "w0", "heartbeat", "batch/b"), request(4, "w1", "reap", "lease/u"), request(9, "w0", "heartbeat", "lease/u"),
	}}
	since := func(e *sim.Expected) string {
		v := &sim.Violation{First: sim.EventRef{Event: 2}, Second: sim.EventRef{Event: 8}, Event: 10, Expected: e}
		return strings.Join(report(v, nil, h).sinceLines(), "\n")
	}
	require.Empty(t, since(nil))
	require.Equal(t, "  since:  w0 in heartbeat has sent no request about lease/u; the last about anything: 1.000s: w0/beat heartbeat kv.get batch/b: not there",
		since(&sim.Expected{Process: "w0", Step: "heartbeat", About: "lease/u"}))
	require.Equal(t, "  since:  requests of anybody about lease/u: 1; the last: 1.000s: w1/beat reap kv.get lease/u: not there", since(&sim.Expected{About: "lease/u"}))
	h.Changes = []sim.Change{{Key: "lease/u", Stamp: sim.Stamp{Event: 1}, After: "epoch=1 beat=3"}}
	require.Contains(t, since(&sim.Expected{About: "lease/u"}), "w1/beat reap kv.get lease/u: epoch=1 beat=3", "a read says what it saw")
	h.Changes = nil
	require.Equal(t, "  since:  nobody has sent a request about merge/b", since(&sim.Expected{About: "merge/b"}))
	require.Equal(t, "  since:  w2 has sent no request", since(&sim.Expected{Process: "w2", About: "lease/u"}))
	require.Equal(t, "  since:  nobody in collect has sent a request", since(&sim.Expected{Step: "collect", About: "merge/b"}))

	// And whether it came in what was listed.
	page := func(event uint64, op ops.Op, listing sim.Listing) sim.Request {
		q := request(event, "w2", "collect", listing.From)
		q.Op, q.Listing = op, &listing
		return q
	}
	h.Requests = []sim.Request{
		page(3, ops.List, sim.Listing{From: "out/", Keys: []string{"out/a"}}), page(4, ops.KVScan, sim.Listing{From: "sweep/", To: "sweep0"}),
		page(5, ops.ListUploads, sim.Listing{From: "out/"}), page(6, ops.List, sim.Listing{From: "out/", After: "out/x\x00", Keys: []string{"out/y"}}),
	}
	require.Equal(t, "  since:  nobody in collect has sent a request about out/b; the last about anything: 1.000s: w2/beat collect objects.list out/: ok\n"+
		"  instead: objects.list out/ (2)\n"+
		"  listed: pages since that had it: 0 of 3; the last: 1.000s: w2/beat collect objects.list out/: ok, keys: 1, behind out/x\\x00; 1.000s: w2/beat collect objects.list_uploads out/: ok, keys: 0",
		since(&sim.Expected{Step: "collect", About: "out/b"}))
	require.Contains(t, since(&sim.Expected{About: "out/a"}), "\n  listed: pages since that had it: 1 of 3; the last: 1.000s: w2/beat collect objects.list out/: ok, keys: 1")
	require.Contains(t, since(&sim.Expected{About: "sweep/b"}), "\n  listed: pages since that had it: 0 of 1; ")
	require.NotContains(t, since(&sim.Expected{About: "unit/u"}), "listed")

	// And, where none of them could have had it, which came nearest to it.
	h.Requests = []sim.Request{
		page(3, ops.List, sim.Listing{From: "out/data.2/staging/"}), page(4, ops.List, sim.Listing{From: "out/d.2/"}),
		page(5, ops.ListUploads, sim.Listing{From: "out/data.2/g1/"}), request(6, "w2", "collect", "out/data/row"),
	}
	require.Contains(t, since(&sim.Expected{Step: "collect", About: "out/data/staging/e1"}),
		"\n  nearest: 1.000s: w2/beat collect objects.list_uploads out/data.2/g1/: ok")
	require.NotContains(t, since(&sim.Expected{Step: "collect", About: "out/other"}), "nearest")
	require.NotContains(t, since(&sim.Expected{Step: "collect", About: "unit"}), "nearest")
	require.NotContains(t, since(&sim.Expected{About: "out/data/staging/e1"}), "nearest", "of anybody it says nothing")

	// And what was asked about again and again in its place.
	h.Requests = nil
	for _, key := range []string{"", "batch/b", "queue/c/1", "queue/c/2", "batch/b", "lease/u", "queue/c/3", "batch/b", "active/b"} {
		h.Requests = append(h.Requests, request(3, "w0", "claim", key))
	}
	require.Contains(t, since(&sim.Expected{Process: "w0", Step: "claim", About: "unit/u"}), "\n  instead: kv.get batch/b (3), kv.get queue/c/... (3)")
	require.NotContains(t, since(&sim.Expected{About: "unit/u"}), "instead", "of anybody it says nothing")
}

// Two faults of one kind and process are told apart, and so are two durations that
// differ by less than a millisecond.
func TestNeighboursAreToldApart(t *testing.T) {
	all := []Neighbour{
		{Fault: "terminate at w0/scanner discover kv.commit batch #1 phase=after", Without: true},
		{Fault: "terminate at w0/worker claim kv.scan active #19 phase=applied", Without: true},
		{Fault: "crash at w0/worker claim kv.scan active #19", Without: true, Bounds: []Boundary{{Name: "grace", Passes: 8100 * time.Microsecond, Fails: 8400 * time.Microsecond}}},
	}
	nameApart(all)
	require.Equal(t, "  without w0's terminate at w0/scanner discover kv.commit batch #1: passes", all[0].lines()[0])
	require.Equal(t, "  without w0's terminate at w0/worker claim kv.scan active #19: passes", all[1].lines()[0])
	require.Equal(t, []string{"  without w0's crash: passes", "  the same, grace=8.1ms: passes; 8.4ms: fails"}, all[2].lines())
}

// The edge is on a row of the subject, if there is one, before those whose story belongs
// to it.
func TestEdgeIsTheSubjects(t *testing.T) {
	s := &story{v: &sim.Violation{Subject: "b/1", Also: []string{"batch/b"}}}
	require.Equal(t, "merge/b/1", s.own([]string{"active/b", "batch/b", "merge/b/1"}))
	require.Equal(t, "batch/b", s.own([]string{"active/b", "batch/b"}))
	require.Equal(t, "active/b", s.own([]string{"active/b"}))
	require.Empty(t, s.own(nil))
}

// Where an invariant names one event only, the writer of what the second transaction
// read in itself is no rival that it should have met.
func TestNoEdgeToWhatItKnew(t *testing.T) {
	commit := func(process string, start uint64, event uint64) sim.Request {
		return sim.Request{Who: sim.Who{Process: process}, Op: ops.Commit, StartTS: start, Handled: sim.Stamp{Event: event}}
	}
	read := sim.Request{Who: sim.Who{Process: "w1"}, Op: ops.KVGet, Primary: "unit/u", StartTS: 30, Handled: sim.Stamp{Event: 2}}
	h := &sim.History{
		Requests: []sim.Request{commit("w0", 10, 1), read, commit("w1", 30, 3)},
		Changes: []sim.Change{
			{Request: 1, Stamp: sim.Stamp{Event: 1}, Key: "unit/u", Start: 10, Commit: 20}, {Request: 3, Stamp: sim.Stamp{Event: 3}, Key: "unit/u", Start: 30, Commit: 40},
		},
	}
	v := &sim.Violation{Subject: "u", Second: sim.EventRef{Event: 3}, Event: 3}
	require.Nil(t, newStory(&sim.Result{Violation: v, History: h}).edge())
	v.First = sim.EventRef{Event: 1}
	require.NotNil(t, newStory(&sim.Result{Violation: v, History: h}).edge())
}

// What was logged last of an error is told: of whoever was expected to go on, or of three
// tasks that stand still, a record about the subject before others.
func TestLogged(t *testing.T) {
	log := func(event uint64, process, task, what string) sim.TraceEvent {
		return sim.TraceEvent{Event: event, At: time.Duration(event) * time.Second, Process: process, Task: task, What: what, Level: sim.TraceLog}
	}
	trace := []sim.TraceEvent{
		log(1, "w0", "scanner", "discovery failed key=b error=too early"),
		log(3, "w0", "scanner", "discovery failed key=b error=refused"), log(4, "w0", "scanner", "round failed error=refused"),
		log(5, "w1", "worker1", "attempt fenced key=u error="+strings.Repeat("x", 300)), log(6, "w1", "worker0", "unit claimed key=b"),
		log(7, "w1", "merger", "merge failed error=refused"), log(8, "w2", "janitor", "collection failed error=refused"),
		log(9, "w1", "worker0", "too late error=refused"),
	}
	v := &sim.Violation{Subject: "b", First: sim.EventRef{Event: 2}, Event: 8}
	r := report(v, trace, nil)
	require.Empty(t, r.loggedLines())
	lines := r.logged("", 3)
	require.Equal(t, []string{"8.000s: w2/janitor: collection failed error=refused", "7.000s: w1/merger: merge failed error=refused"}, lines[:2])
	require.Regexp(t, `^5\.000s: w1/worker1: attempt fenced key=u error=x{213}\.\.\.$`, lines[2])
	require.Equal(t, "3.000s: w0/scanner: discovery failed key=b error=refused (2 errors since)", r.logged("w0", 1)[0])

	v.Expected = &sim.Expected{Process: "w2"}
	require.Equal(t, []string{"  logged: 8.000s: w2/janitor: collection failed error=refused"}, r.loggedLines())
	v.Expected = &sim.Expected{Process: "w3"}
	require.Empty(t, r.loggedLines())
}
