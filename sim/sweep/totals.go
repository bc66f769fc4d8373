package sweep

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/risk"
)

// Totals is what a sweep came to.
type Totals struct {
	Seeds int
	// Outcomes count pieces of work, not seeds, in the order of the system's
	// summaries.
	Outcomes                 []sim.Count
	Violations, Inconclusive int
	Events                   uint64
	VirtualSeconds           float64
	// Marks and Fired count over all seeds; MarkSeeds counts the seeds in
	// which a mark was reached at all.
	Marks, MarkSeeds, Fired map[string]int
	// Drawn counts the faults that were injected, whether they changed anything or
	// not.
	Drawn map[string]int
	// Curve is how much had been found after how many universes: at most maxCurve
	// points, evenly apart, and the last.
	Curve []Point
	every int // universes from point to point
	// States are the abstract states of the system, and Shapes what happened in them
	// (see sim.Result), with what they say of the next universe.
	States, Shapes risk.Species
	// Hashes counts the distinct hashes.
	Hashes map[uint64]struct{}
}

// Point is a point of a discovery curve: how many marks, abstract states and hashes
// had been seen after that many universes.
type Point struct{ Seeds, Marks, States, Hashes int }

// maxCurve bounds the points of a curve.
const maxCurve = 512

func newTotals() *Totals {
	return &Totals{every: 1, Drawn: map[string]int{}, Marks: map[string]int{}, MarkSeeds: map[string]int{}, Fired: map[string]int{}, Hashes: map[uint64]struct{}{}}
}

func (t *Totals) add(r *sim.Result, states bool) {
	t.Seeds++
	for _, o := range r.Summary.Outcomes {
		t.addOutcome(o)
	}
	t.Events += r.Events
	t.VirtualSeconds += r.Virtual.Seconds()
	t.Hashes[r.Hash] = struct{}{}
	if r.Violation != nil {
		t.Violations++
	}
	if r.Inconclusive {
		t.Inconclusive++
	}
	for name, n := range r.Marks {
		t.Marks[name] += n
		t.MarkSeeds[name]++
	}
	for _, f := range r.Fired {
		t.Fired[f.Name()]++
	}
	for _, f := range r.Injected {
		t.Drawn[f.Name()]++
	}
	if states {
		t.States.Add(r.States)
		t.Shapes.Add(r.Shapes)
	}
	t.mark()
}

// mark adds a point to the curve. When there are too many, every other one goes.
func (t *Totals) mark() {
	now := Point{t.Seeds, len(t.Marks), t.States.Len(), len(t.Hashes)}
	if last := len(t.Curve) - 1; last > 0 && t.Curve[last].Seeds%t.every != 0 {
		t.Curve = t.Curve[:last] // it was only the last one so far
	}
	t.Curve = append(t.Curve, now)
	if len(t.Curve) < maxCurve {
		return
	}
	t.every *= 2
	kept := t.Curve[:0]
	for _, p := range t.Curve {
		if p.Seeds%t.every == 0 {
			kept = append(kept, p)
		}
	}
	t.Curve = kept
}

func (t *Totals) addOutcome(o sim.Count) {
	for i := range t.Outcomes {
		if t.Outcomes[i].Name == o.Name {
			t.Outcomes[i].N += o.N
			return
		}
	}
	t.Outcomes = append(t.Outcomes, o)
}

// Outcome is how many pieces of work ended so.
func (t *Totals) Outcome(name string) int {
	for _, o := range t.Outcomes {
		if o.Name == name {
			return o.N
		}
	}
	return 0
}

// pieces is how many pieces of work ended, one way or another.
func (t *Totals) pieces() (n int) {
	for _, o := range t.Outcomes {
		n += o.N
	}
	return n
}

// Line is the sweep's summary, one line: the outcomes by their names, and the
// share of the first, which is the one to hope for; cpu is in seconds.
func (t *Totals) Line(cpu float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sim: total seeds=%d", t.Seeds)
	for _, o := range t.Outcomes {
		fmt.Fprintf(&b, " %s=%d", o.Name, o.N)
	}
	if len(t.Outcomes) > 0 {
		first := t.Outcomes[0]
		fmt.Fprintf(&b, " %s_pct=%.1f", first.Name, 100*float64(first.N)/float64(max(t.pieces(), 1)))
	}
	fmt.Fprintf(&b, " violations=%d inconclusive=%d events=%d virtual_s=%.0f cpu_s=%.1f", t.Violations, t.Inconclusive, t.Events, t.VirtualSeconds, cpu)
	return b.String()
}

// Residual says how likely the next universe shows what these have not shown: an
// abstract state, a step from state to state or a fault in a state, a failure. See
// package risk; the bounds hold with a confidence of 95 %.
func (t *Totals) Residual() string {
	if t.States.Len() == 0 {
		return fmt.Sprintf("sim: residual: the next universe fails with probability <= %s at 95 %%; no invariant names abstract states", share(t.Failing()))
	}
	return fmt.Sprintf("sim: residual: the next universe shows a new state with probability <= %s at 95 %% (estimate %s), a new shape <= %s (%s), a failure <= %s",
		share(t.States.AtMost()), share(t.States.Next()), share(t.Shapes.AtMost()), share(t.Shapes.Next()), share(t.Failing()))
}

// Failing bounds the probability (0 to 1) that the next universe fails, with a
// confidence of 95 %: of a search that found nothing in n universes, 3/n.
func (t *Totals) Failing() float64 { return risk.Bound(t.Violations, t.Seeds) }

// share is a probability in two digits.
func share(p float64) string { return strconv.FormatFloat(p, 'g', 2, 64) }

// Names are what was counted, in order.
func Names(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// Counts lists names with their counts, in the order of the names.
func Counts(m map[string]int) string {
	var parts []string
	for _, name := range Names(m) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, m[name]))
	}
	return strings.Join(parts, " ")
}
