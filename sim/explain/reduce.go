// Package explain makes a failure understood: it reduces the plan, and tells the
// story of what is left.
package explain

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Reduced is a failing plan with what was not needed taken away.
type Reduced struct {
	Plan   *plan.Plan
	Result *sim.Result
	// Runs is how many universes the reduction took.
	Runs int
	// Minimal tells that every fault left is necessary: the plan without any
	// one of them doesn't fail this way.
	Minimal bool
}

// Reduce takes faults away from a failing plan and weakens those that are left,
// one at a time, as long as the failure keeps its identity: the same invariant
// and the same shape, whatever the names and times. limit bounds the runs.
func Reduce(target sim.Target, failing *sim.Result, limit int) (*Reduced, error) {
	r := &reduction{target: target, limit: limit, want: failing.Violation,
		best: &Reduced{Plan: failing.Plan.Clone(), Result: failing}}
	r.best.Plan.Faults = slices.Clone(failing.Plan.Faults)
	if err := r.confirm(); err != nil {
		return nil, err
	}
	for r.improve() {
	}
	r.best.Runs = r.runs
	return r.best, nil
}

type reduction struct {
	target sim.Target
	want   *sim.Violation
	best   *Reduced
	runs   int
	limit  int
}

// confirm replays the plan as it is: a plan that doesn't fail when replayed
// cannot be reduced, and is returned unreduced.
func (r *reduction) confirm() error {
	_, err := r.try(r.best.Plan)
	return err
}

// try runs a candidate and keeps it if it fails in the same way.
func (r *reduction) try(candidate *plan.Plan) (bool, error) {
	if r.runs >= r.limit {
		return false, nil
	}
	r.runs++
	result, err := sim.Replay(r.target, candidate)
	if err != nil {
		return false, err
	}
	if result.Violation == nil || result.Violation.Identity() != r.want.Identity() {
		return false, nil
	}
	kept := candidate.Clone()
	kept.Expect = result.Violation.Invariant
	r.best.Plan, r.best.Result = kept, result
	return true, nil
}

// improve makes one pass over the faults; it reports whether anything got
// smaller.
func (r *reduction) improve() bool {
	smaller := false
	r.best.Minimal = true
	// Large pieces first (ddmin, Zeller and Hildebrandt, 2002): a run with a mode
	// has dozens of faults.
	for size := len(r.best.Plan.Faults) / 2; size > 1; size /= 2 {
		for from := 0; from < len(r.best.Plan.Faults); {
			to := min(from+size, len(r.best.Plan.Faults))
			without := slices.Delete(slices.Clone(r.best.Plan.Faults), from, to)
			if r.keeps(without) {
				smaller = true
				continue // what follows has moved up
			}
			from = to
		}
	}
	for i := len(r.best.Plan.Faults) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(r.best.Plan.Faults), i, i+1)
		if r.keeps(without) {
			smaller = true
		}
	}
	for i := range r.best.Plan.Faults {
		for _, weaker := range fault.Weaker(r.best.Plan.Faults[i]) {
			candidate := slices.Clone(r.best.Plan.Faults)
			candidate[i] = weaker
			if r.keeps(candidate) {
				smaller = true
				break
			}
		}
	}
	if r.runs >= r.limit {
		r.best.Minimal = false
		return false
	}
	return smaller
}

// keeps tries the plan with other faults.
func (r *reduction) keeps(faults []*fault.Fault) bool {
	candidate := r.best.Plan.Clone()
	candidate.Faults = faults
	kept, err := r.try(candidate)
	return kept && err == nil
}
