package shrink

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// single looks for one fault in the place of several deviations: one of those that
// were drawn, or one that ends a process, or loses an answer, at one of the last
// moments before the violation.
func (s *shrinking) single(drawn []*fault.Fault) bool {
	best := s.best.Plan
	if best.Deviations() < 2 && s.best.ByDefault() {
		return false
	}
	for _, f := range drawn {
		if s.tryAlone(f) {
			return true
		}
	}
	if drawn != nil {
		return false
	}
	moments, failed := s.moments(best)
	if failed == nil || failed.Violation == nil {
		return false
	}
	ones, others := sides(moments, failed.Violation)
	for _, m := range slices.Concat(ones, others) {
		for _, k := range []fault.Kind{&fault.Crash{Restart: time.Second}, &fault.Crash{Phase: fault.Applied, Restart: time.Second}, &fault.LoseReply{}} {
			requests := k.Info().Requests || k.Info() == (&fault.Crash{}).Info() && m.Leg != fault.Timer
			if m.Leg == fault.Reply || !requests || s.events > maxEvents*maxRace/100 {
				continue
			}
			if s.tryAlone(&fault.Fault{Kind: k, At: m.Call}) {
				return true
			}
		}
	}
	return false
}

// tryAlone tries the default run with one fault and nothing else.
func (s *shrinking) tryAlone(f *fault.Fault) bool {
	alone := byDefault(s.best.Plan)
	alone.Faults, alone.Orders = []*fault.Fault{f.Again()}, nil
	return s.try(alone)
}

// maxPlaces is at how many other calls a fault is tried.
const maxPlaces = 16

// fewer makes numbers smaller where the one fault that is left then strikes too
// early, or nobody: it moves to another call of its kind.
func (s *shrinking) fewer() bool {
	best := s.best.Plan
	if len(best.Faults) != 1 || len(best.Orders) > 0 {
		return false
	}
	before, err := sim.Cast(s.target, best)
	if err != nil {
		return false
	}
	for _, item := range s.simplifiable() {
		for _, value := range append([]string{item.value}, item.towards...) {
			candidate := best.With(item.name, value)
			cast, err := sim.Cast(s.target, candidate)
			if err == nil && len(cast) < len(before) && s.tryElsewhere(candidate) {
				return true
			}
		}
	}
	return false
}

// tryElsewhere tries a plan's fault, and a crash in its place, at other calls of the
// same kind: what one process lives to see after a crash takes two else.
func (s *shrinking) tryElsewhere(p *plan.Plan) bool {
	bare, f := p.Clone(), p.Faults[0]
	bare.Faults = nil
	moments, result := s.moments(bare)
	if result == nil {
		return false
	}
	places := 0
	for _, m := range moments {
		at := m.Call
		if m.Leg == fault.Reply || at.Op != f.At.Op || at.Step != f.At.Step || at.Class != f.At.Class || places == maxPlaces {
			continue
		}
		places++
		for _, k := range []fault.Kind{f.Kind, &fault.Crash{Restart: time.Second}} {
			there := f.With(k)
			there.At = at
			candidate := p.Clone()
			candidate.Faults = []*fault.Fault{there}
			if s.try(candidate) {
				return true
			}
		}
	}
	return false
}
