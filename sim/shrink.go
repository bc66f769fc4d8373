package sim

import (
	"slices"
	"time"
)

// Reduced is a failing plan with what was not needed taken away.
type Reduced struct {
	Plan   *Plan
	Result *Result
	// Runs is how many universes the reduction took.
	Runs int
	// Minimal tells that every fault left is necessary: the plan without any
	// one of them doesn't fail this way.
	Minimal bool
}

// Reduce takes faults away from a failing plan and weakens those that are left,
// one at a time, as long as the failure keeps its identity: the same invariant
// and the same shape, whatever the names and times. limit bounds the runs.
func Reduce(target Target, failing *Result, limit int) (*Reduced, error) {
	r := &reduction{target: target, limit: limit, want: failing.Violation,
		best: &Reduced{Plan: failing.Plan.clone(), Result: failing}}
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
	target Target
	want   *Violation
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
func (r *reduction) try(candidate *Plan) (bool, error) {
	if r.runs >= r.limit {
		return false, nil
	}
	r.runs++
	result, err := Replay(r.target, candidate)
	if err != nil {
		return false, err
	}
	if result.Violation == nil || result.Violation.identity() != r.want.identity() {
		return false, nil
	}
	kept := candidate.clone()
	kept.Expect = result.Violation.Invariant
	r.best.Plan, r.best.Result = kept, result
	return true, nil
}

// identity is what makes two failures the same failure.
func (v *Violation) identity() [2]string { return [2]string{v.Invariant, v.Shape} }

// improve makes one pass over the faults; it reports whether anything got
// smaller.
func (r *reduction) improve() bool {
	smaller := false
	r.best.Minimal = true
	if n := len(r.best.Plan.Faults); n > 3 && (r.keeps(r.best.Plan.Faults[:n/2]) || r.keeps(r.best.Plan.Faults[n/2:])) {
		return true
	}
	for i := len(r.best.Plan.Faults) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(r.best.Plan.Faults), i, i+1)
		if r.keeps(without) {
			smaller = true
		}
	}
	for i := range r.best.Plan.Faults {
		for _, weaker := range weakenings(r.best.Plan.Faults[i], r.best.Result) {
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
func (r *reduction) keeps(faults []*Fault) bool {
	candidate := r.best.Plan.clone()
	candidate.Faults = faults
	kept, err := r.try(candidate)
	return kept && err == nil
}

// weakenings lists milder forms of a fault, the mildest first: a crash becomes
// a crash with restart, a pause or nothing lost; a duration becomes shorter.
func weakenings(f *Fault, _ *Result) []*Fault {
	var out []*Fault
	add := func(change func(*Fault)) {
		weaker := *f
		change(&weaker)
		weaker.fired = 0
		out = append(out, &weaker)
	}
	switch f.Kind {
	case Crash:
		if f.Never {
			add(func(w *Fault) { w.Never, w.For = false, time.Second })
		}
		if f.TempLost {
			add(func(w *Fault) { w.TempLost = false })
		}
	case Pause:
		if f.Stops {
			add(func(w *Fault) { w.Stops = false })
		}
		if f.Until != UntilTime {
			add(func(w *Fault) { w.Until = UntilTime })
		}
	case Partition:
		if f.Service == AllServices && f.At.Op.isRPC() {
			add(func(w *Fault) { w.Service = f.At.Op.service() })
		}
		if f.Direction == Both {
			add(func(w *Fault) { w.Direction = Replies })
			add(func(w *Fault) { w.Direction = Requests })
		}
	case Slow:
		if f.Factor > 2 {
			add(func(w *Fault) { w.Factor = f.Factor / 2 })
		}
	}
	if f.For > time.Second && !f.Never {
		add(func(w *Fault) { w.For = roundDown(f.For / 2) })
		if rounded := roundDown(f.For); rounded != f.For {
			add(func(w *Fault) { w.For = rounded })
		}
	}
	return out
}

// roundDown keeps a duration's two leading digits in seconds or milliseconds.
func roundDown(d time.Duration) time.Duration {
	for step := 10 * time.Minute; step >= time.Millisecond; step /= 10 {
		if d >= 10*step {
			return d.Truncate(step)
		}
	}
	return d
}
