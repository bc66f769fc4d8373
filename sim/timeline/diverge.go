package timeline

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Difference is where two recorded runs part, and what each has that the other
// has not.
type Difference struct {
	// First is the first event, in both, that is not the same in both; 0 if one run
	// is the beginning of the other.
	First uint64
	// OnlyA and OnlyB are the numbers of the requests, from 1 on, that only one of
	// the runs made, or whose fate was another.
	OnlyA, OnlyB []int
}

// Diverge compares two recorded runs. Until their first difference they are the
// same event for event; from there on requests are matched by who made them, in
// which step, to do what to which keys, how often, and with what result.
func Diverge(a, b *sim.Result) Difference {
	d := Difference{First: firstDifference(a.History.Requests, b.History.Requests)}
	left, right := tally(b.History.Requests), tally(a.History.Requests)
	d.OnlyA = unmatched(a.History.Requests, left)
	d.OnlyB = unmatched(b.History.Requests, right)
	return d
}

// firstDifference is the earliest event of two requests of the same number that
// differ.
func firstDifference(a, b []sim.Request) uint64 {
	first := uint64(0)
	see := func(event uint64) {
		if event != 0 && (first == 0 || event < first) {
			first = event
		}
	}
	for i := range min(len(a), len(b)) {
		x, y := &a[i], &b[i]
		if first != 0 && x.Sent.Event > first && y.Sent.Event > first {
			return first
		}
		if x.Who != y.Who || x.Op != y.Op || x.Sent != y.Sent {
			see(min(x.Sent.Event, y.Sent.Event))
			continue
		}
		if x.Handled != y.Handled {
			see(x.Handled.Event)
			see(y.Handled.Event)
		}
		if x.Replied != y.Replied {
			see(x.Replied.Event)
			see(y.Replied.Event)
		}
	}
	return first
}

// said is a request without times and timestamps.
func said(q *sim.Request) string {
	return strings.Join([]string{q.Process, q.Incarnation, q.Task, q.Step, q.Op.String(), q.Fate.String(), q.Status, strings.Join(q.Keys, "\x00")}, "\x01")
}

func tally(requests []sim.Request) map[string]int {
	counts := map[string]int{}
	for i := range requests {
		counts[said(&requests[i])]++
	}
	return counts
}

// unmatched are the numbers of the requests beyond as many as the other run has.
func unmatched(requests []sim.Request, other map[string]int) []int {
	var only []int
	for i := range requests {
		text := said(&requests[i])
		if other[text] == 0 {
			only = append(only, i+1)
			continue
		}
		other[text]--
	}
	return only
}
