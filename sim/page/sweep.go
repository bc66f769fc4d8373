package page

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Sweep is what a sweep found.
type Sweep struct {
	Line   string // its summary
	Totals *sweep.Totals
	// Failures are the kinds of failures, the most frequent first.
	Failures []Failure
	// Marks are what the search must reach.
	Marks []string
}

// Failure is one kind of failure of a sweep.
type Failure struct {
	Invariant, Shape, Text string
	Count                  int
	Seeds                  []uint64 // the first few
	// Faults are left after reduction, Needed tells that each of them is.
	Faults []string
	Needed bool
	Report string // "" if it was not explained
	Plan   string // the file of the reduced plan, or ""
}

type sweepData struct {
	Line     string        `json:"line"`
	Seeds    int           `json:"seeds"`
	Failed   int           `json:"failed"`
	Outcomes []sim.Count   `json:"outcomes"`
	Failures []failureData `json:"failures"`
	Curve    [][3]int      `json:"curve"` // universes, marks, states
	Kinds    []kindData    `json:"kinds"`
	Marks    []markData    `json:"marks"`
}

type failureData struct {
	Invariant string   `json:"invariant"`
	Shape     string   `json:"shape"`
	Text      string   `json:"text"`
	Count     int      `json:"count"`
	Seeds     []string `json:"seeds"`
	Faults    []string `json:"faults"`
	Needed    bool     `json:"needed"`
	Report    string   `json:"report"`
	Plan      string   `json:"plan"`
}

type kindData struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Drawn int    `json:"drawn"`
	Fired int    `json:"fired"`
}

type markData struct {
	Name   string `json:"name"`
	Times  int    `json:"times"`
	Seeds  int    `json:"seeds"`
	Wanted bool   `json:"wanted"`
}

// Write writes the page. The error is the writer's.
func (s Sweep) Write(w io.Writer) error {
	t := s.Totals
	d := sweepData{
		Line: s.Line, Seeds: t.Seeds, Failed: t.Violations, Outcomes: t.Outcomes,
		Failures: []failureData{}, Curve: [][3]int{}, Kinds: []kindData{}, Marks: s.marks(),
	}
	for _, f := range s.Failures {
		seeds := []string{}
		for _, seed := range f.Seeds {
			seeds = append(seeds, fmt.Sprintf("0x%016x", seed))
		}
		d.Failures = append(d.Failures, failureData{f.Invariant, f.Shape, f.Text, f.Count, seeds, append([]string{}, f.Faults...), f.Needed, f.Report, f.Plan})
	}
	for _, p := range t.Curve {
		d.Curve = append(d.Curve, [3]int{p.Seeds, p.Marks, p.States})
	}
	for _, k := range fault.Kinds() {
		d.Kinds = append(d.Kinds, kindData{k.Name, k.About, t.Drawn[k.Name], t.Fired[k.Name]})
	}
	title := fmt.Sprintf("%d of %d universes failed", t.Violations, t.Seeds)
	return write(w, "sweep", title, d)
}

// marks are those that were reached, and those that should have been, the rarest
// first.
func (s Sweep) marks() []markData {
	all := []markData{}
	add := func(name string) {
		all = append(all, markData{name, s.Totals.Marks[name], s.Totals.MarkSeeds[name], slices.Contains(s.Marks, name)})
	}
	for _, name := range sweep.Names(s.Totals.Marks) {
		add(name)
	}
	for _, name := range s.Marks {
		if s.Totals.Marks[name] == 0 {
			add(name)
		}
	}
	slices.SortStableFunc(all, func(a, b markData) int { return cmp.Compare(a.Seeds, b.Seeds) })
	return all
}
