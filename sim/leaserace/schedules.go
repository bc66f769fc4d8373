package leaserace

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// maxActs is how many of an owner's last acts are made late.
const maxActs = 4

// Schedules are the run's plans with one deviation more, in each of which the gap of
// a race would be closed: the first owner freezes just before one of its last acts,
// and wakes up as a zombie.
func (r *Race) Schedules(run *sim.Result) []*plan.Plan {
	var all []*plan.Plan
	with := func(f *fault.Fault, without *fault.Fault) {
		p := run.Plan.Clone()
		p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(g *fault.Fault) bool { return g == without })
		p.Faults = append(p.Faults, f)
		all = append(all, p)
	}
	for _, a := range r.late() {
		for _, pause := range r.pauses() {
			with(&fault.Fault{Kind: pause, At: a.at}, nil)
		}
	}
	for _, f := range run.Fired {
		if f.At.Process == r.process && (fault.Is[*fault.Crash](f) || fault.Is[*fault.Terminate](f)) {
			for _, pause := range r.pauses() {
				with(&fault.Fault{Kind: pause, At: f.At}, f)
			}
		}
	}
	return all
}

// late are the acts that are made late: the first owner's last ones, and the one
// with which it was taken.
func (r *Race) late() []act {
	return slices.Concat(r.acts[:min(len(r.acts), maxActs)], r.taking)
}

// pauses outlast the lease: by half, or until the successor is where the sleeper
// was, or at work.
func (r *Race) pauses() []*fault.Pause {
	half := r.Lease / 2
	long := func(until fault.Until, d time.Duration) *fault.Pause {
		return &fault.Pause{Phase: fault.Before, For: d, Stops: true, Until: until}
	}
	return []*fault.Pause{long(fault.UntilHeir, 6*half), long(fault.UntilRival, 6*half), long(fault.UntilTime, 3*half)}
}
