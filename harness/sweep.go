package harness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Request says which universes to sweep.
type Request struct {
	Base  uint64
	Count int
	// Stop ends the sweep at the first violation of this invariant; see AnyStop, NoStop
	// and CheckStop.
	Stop string
	// Patience is how long a universe may let nothing happen (real time).
	Patience time.Duration
	// Progress is told of every universe; nil for nobody.
	Progress *Progress
}

// Failure is all the universes of a sweep that failed in the same way.
type Failure struct {
	Invariant, Shape string
	Count            int
	Seeds            []uint64 // the first few
	First            *sim.Result
}

// firstSeeds is how many of a failure's seeds are kept.
const firstSeeds = 5

// Outcome is what a sweep came to.
type Outcome struct {
	*sweep.Totals
	// Failures are grouped by what makes two failures the same: the invariant
	// and the shape. The most frequent come first.
	Failures []*Failure
	// CPU is the processor time in seconds.
	CPU float64
	// Unmet are the expectations that the sample refutes.
	Unmet []error
	// Stopped tells that the sweep ended at the violation asked for.
	Stopped bool
}

// Sweep runs the universes and shows each to visit, in the order of the seeds.
// A sweep that stops at a violation judges no expectations. The error is a
// configuration's, a *sweep.Stuck or a *sim.Nondeterminism.
func (s *Suite) Sweep(target sim.Target, q Request, visit func(*sim.Result)) (*Outcome, error) {
	before := CPUSeconds()
	out := &Outcome{}
	options := sweep.Options{Base: q.Base, Count: q.Count, CollectStates: true, LeaseRaces: true, Patience: q.Patience, Again: again}
	totals, err := sweep.Run(target, options, func(r *sim.Result) bool {
		q.Progress.add(r)
		if r.Violation != nil {
			out.Failures = group(out.Failures, r)
			out.Stopped = q.Stops(r.Violation.Invariant)
		}
		visit(r)
		return !out.Stopped
	})
	q.Progress.end()
	out.Totals, out.CPU = totals, CPUSeconds()-before
	if !out.Stopped && (q.Stop == "" || q.Stop == AnyStop) {
		for _, e := range s.Expect {
			if err := e.Judge(totals); err != nil {
				out.Unmet = append(out.Unmet, err)
			}
		}
	}
	slices.SortStableFunc(out.Failures, func(a, b *Failure) int { return cmp.Compare(b.Count, a.Count) })
	return out, err
}

// group adds a result to the failures of its kind.
func group(failures []*Failure, r *sim.Result) []*Failure {
	v := r.Violation
	i := slices.IndexFunc(failures, func(f *Failure) bool { return f.Invariant == v.Invariant && f.Shape == v.Shape })
	if i < 0 {
		i = len(failures)
		failures = append(failures, &Failure{Invariant: v.Invariant, Shape: v.Shape, First: r})
	}
	f := failures[i]
	f.Count++
	if len(f.Seeds) < firstSeeds {
		f.Seeds = append(f.Seeds, r.Seed)
	}
	return failures
}

// Line is the sweep's summary.
func (o *Outcome) Line() string { return o.Totals.Line(o.CPU) }

// Details are the lines that a person who watches wants beside the summary.
func (o *Outcome) Details() []string {
	return []string{
		fmt.Sprintf("sim: states=%d shapes=%d hashes=%d", o.States.Len(), o.Shapes.Len(), len(o.Hashes)),
		"sim: faults " + sweep.Counts(o.Fired),
		"sim: marks " + sweep.Counts(o.Marks),
	}
}

// Residual is one line: how likely the next universe shows something new. A sweep
// that was to end at a violation has none, for its length is no accident.
func (o *Outcome) Residual() []string {
	if o.Stopped || o.Seeds == 0 {
		return nil
	}
	return []string{o.Totals.Residual()}
}

// Violations is one line that counts the failures by invariant, "" if there are
// none.
func (o *Outcome) Violations() string {
	named := map[string]int{}
	for _, f := range o.Failures {
		named[f.Invariant] += f.Count
	}
	if len(named) == 0 {
		return ""
	}
	return "sim: violations " + sweep.Counts(named)
}
