package sweep

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
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
	// States are the distinct abstract states of the system.
	States map[uint64]struct{}
	// Hashes counts the distinct hashes.
	Hashes map[uint64]struct{}
}

func newTotals() *Totals {
	return &Totals{Marks: map[string]int{}, MarkSeeds: map[string]int{}, Fired: map[string]int{}, States: map[uint64]struct{}{}, Hashes: map[uint64]struct{}{}}
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
	if states {
		for _, s := range r.States {
			t.States[s] = struct{}{}
		}
	}
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

// Counts lists names with their counts, in the order of the names.
func Counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, m[name]))
	}
	return strings.Join(parts, " ")
}
