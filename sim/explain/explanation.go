package explain

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// Explanation is a failure with all that can be found out about it by running its
// plan again with something changed. Its text depends on the run only.
type Explanation struct {
	*Report
	// History is the reduced run in full.
	History *sim.History
	// Columns are the processes involved, Rows what happened in them that leads to
	// the violation, and Omitted how many events of that are left out.
	Columns []string
	Rows    []Row
	Omitted int
	// Neighbours are the nearest runs that differ in one fault.
	Neighbours []Neighbour
	// Futures say how likely the failure is from each point of the run on.
	Futures []Future
	// Runs is how many universes the explanation took, without the reduction's.
	Runs int
}

// Bounds of what an explanation may cost. What is left out when one of them is
// reached depends on the runs only.
const (
	// maxRuns is how many universes it may run, beside the reduction's.
	maxRuns = 400
	// maxEvents bounds the events of all of them: standstills take a hundred times
	// as many as other runs.
	maxEvents = 6_000_000
)

// Explain explains a failure. runs bounds the reduction.
func Explain(target sim.Target, failing *sim.Result, runs int) (*Explanation, error) {
	report, err := Failure(target, failing, runs)
	if err != nil {
		return nil, err
	}
	x := &Explanation{Report: report, History: report.Reduced.Result.History}
	story := newStory(report.Reduced.Result)
	x.Columns, x.Rows, x.Omitted = story.table()
	lab := &laboratory{target: target, reduced: report.Reduced}
	if x.Neighbours, err = lab.neighbours(story); err != nil {
		return nil, err
	}
	if x.Futures, err = lab.futures(x.Rows); err != nil {
		return nil, err
	}
	x.Runs = lab.runs
	return x, nil
}

// laboratory runs the plan with something changed, within the bounds.
type laboratory struct {
	target  sim.Target
	reduced *shrink.Shrunk
	runs    int
	events  uint64
	// otherwise is the invariant that the last run broke in another way than this
	// failure does, "" if it passed or failed like it.
	otherwise string
}

// left reports whether another run is within the bounds.
func (l *laboratory) left() bool { return l.runs < maxRuns && l.events < maxEvents }

// fails reports whether a run fails in the same way.
func (l *laboratory) fails(r *sim.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	l.runs++
	l.events += r.Events
	l.otherwise = ""
	if r.Violation == nil {
		return false, nil
	}
	if r.Violation.Identity() == l.reduced.Result.Violation.Identity() {
		return true, nil
	}
	l.otherwise = r.Violation.Invariant
	return false, nil
}

// seconds prints a virtual time without its unit, as tables do.
func seconds(at interface{ Seconds() float64 }) string { return fmt.Sprintf("%.3f", at.Seconds()) }
