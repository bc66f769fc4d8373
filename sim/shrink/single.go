package shrink

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// maxAnyOf is the share of the events, in percent, that looking through the drawn faults
// may take: modes inject hundreds.
const maxAnyOf = 4

// anyOf looks for one of the drawn faults in the place of several deviations: those that
// are left come first.
func (s *shrinking) anyOf(drawn []*fault.Fault) bool {
	drawn = slices.Concat(s.best.Plan.Faults, drawn)
	return s.within(maxAnyOf, func() bool {
		return slices.ContainsFunc(s.stages(), func(st *stage) bool {
			return s.smaller(st, 1) && slices.ContainsFunc(drawn, func(f *fault.Fault) bool { return s.tryAlone(st, st.fault(f)) })
		})
	})
}

// single looks for one fault in the place of several deviations: it places the
// decisive forms of every kind at calls of the default run. Calls like those that
// deviations strike in the failing run, or that were late there, come first, then those
// like its last ones before the violation, then those by which a protocol takes effect.
func (s *shrinking) single() bool { return s.place(s.stages(), false) }

// halts looks for one fault in the place of many that a standstill has: one that leaves
// a process gone or asleep before any other.
func (s *shrinking) halts() bool { return s.place(s.stages(), true) }

// beside looks for one fault beside work that goes wrong by itself.
func (s *shrinking) beside() bool { return s.place(s.provoked(false), true) }

// place places single faults on stages; stopsFirst is for those where what others bring
// about is there already, or matters less.
func (s *shrinking) place(stages []*stage, stopsFirst bool) bool {
	stages = slices.DeleteFunc(stages, func(st *stage) bool { return !s.smaller(st, 1) })
	if len(stages) == 0 {
		return false
	}
	moments, ones, others := s.meeting()
	if moments == nil {
		return false
	}
	last, late, end := slices.Concat(ones, others), s.late(moments), s.share
	for i, st := range stages {
		if s.share = end; s.spent() {
			return false
		}
		survey := s.survey(st.Plan)
		if survey == nil {
			return false
		}
		if s.events < end { // the stages share what there is
			s.share = s.events + (end-s.events)/uint64(len(stages)-i)
		}
		for _, f := range s.suspects(survey, st, late, last, stopsFirst) {
			if s.spent() {
				break
			}
			if s.tryAlone(st, f) {
				return true
			}
		}
	}
	return false
}

// survey runs a plan and returns the run with its calls.
func (s *shrinking) survey(p *plan.Plan) *sim.Survey {
	text := p.String()
	if survey := s.surveys[text]; survey != nil {
		return survey
	}
	target := s.target
	target.Events = s.room()
	survey, err := sim.Explore(target, p)
	if err != nil {
		return nil
	}
	s.runs++
	s.events += survey.Result.Events
	s.surveys[text] = survey
	return survey
}

// suspects are the faults that are looked for, the likeliest first: at each call
// one form of each kind, before the others. What a process does for the first time
// comes before its repetitions, and before what others do alike. Where faults that leave a
// process gone or asleep come before all others, what is done for the last time comes as
// early, too.
func (s *shrinking) suspects(survey *sim.Survey, st *stage, late, last []fault.Moment, stopsFirst bool) (list []*fault.Fault) {
	rank := s.ranking(st, late, last)
	place, kin, kins := map[*fault.Fault]int{}, map[fault.Anchor]uint{}, map[fault.Anchor]uint{}
	for i := range survey.Calls {
		kins[kinOf(survey.Calls[i].Anchor())]++
	}
	for i := range survey.Calls {
		call := &survey.Calls[i]
		alike := kinOf(call.Anchor())
		kin[alike]++
		nth := kin[alike]
		if stopsFirst {
			nth = min(nth, kins[alike]-nth+1)
		}
		for _, info := range fault.Kinds() {
			decisive, _ := fault.Forms(info, &survey.Scale, call)
			for form, kind := range decisive {
				f := &fault.Fault{Kind: kind, At: call.Anchor()}
				place[f], list = rank(call)+bits.Len(nth)+form, append(list, f)
				if stopsFirst && !stops(kind) {
					place[f] += 2
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *fault.Fault) int { return cmp.Compare(place[a], place[b]) })
	return list
}

// mostStruck is how many faults point to where one of them may do: hundreds strike
// everywhere.
const mostStruck = 40

// ranking says how early calls are tried, by what the failing run was like.
func (s *shrinking) ranking(st *stage, late, last []fault.Moment) func(*fault.Crossing) int {
	struck, near := map[fault.Anchor]bool{}, map[fault.Anchor]bool{}
	for _, f := range s.best.Plan.Faults[:min(len(s.best.Plan.Faults), mostStruck)] {
		struck[siteOf(st.fault(f).At)] = true
	}
	for _, o := range s.best.Plan.Orders {
		for _, m := range st.moments([]fault.Moment{o.Hold}) {
			struck[siteOf(m.Call)] = true
		}
	}
	for _, m := range st.moments(late) {
		struck[siteOf(m.Call)] = true
	}
	for _, m := range st.moments(last) {
		near[siteOf(m.Call)] = true
	}
	return func(call *fault.Crossing) int {
		site := siteOf(call.Anchor())
		switch {
		case struck[site]:
			return 0
		case near[site] && takesEffect(call.Op):
			return 1
		case takesEffect(call.Op):
			return 2
		case near[site] && call.Op.IsRequest():
			return 3
		}
		return 5
	}
}

// stops reports whether a kind leaves a process gone or asleep.
func stops(k fault.Kind) bool {
	switch k.(type) {
	case *fault.Crash, *fault.Pause:
		return true
	}
	return false
}

// takesEffect reports whether a protocol takes effect by an operation.
func takesEffect(op ops.Op) bool {
	return op == ops.Commit || op == ops.Put || op == ops.CompleteUpload || op == ops.Delete
}

// siteOf is an anchor that stands for all calls of its site.
func siteOf(a fault.Anchor) fault.Anchor {
	a.Nth = 0
	return a
}

// kinOf is an anchor that stands for all calls of its site, whoever makes them.
func kinOf(a fault.Anchor) fault.Anchor {
	a.Process, a.Task, a.Nth = "", "", 0
	return a
}

// tryAlone tries a stage with one fault and nothing else.
func (s *shrinking) tryAlone(st *stage, f *fault.Fault) bool {
	alone := st.Clone()
	alone.Faults = []*fault.Fault{f.Again()}
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
		if m.Healed || m.Leg == fault.Reply || at.Op != f.At.Op || at.Step != f.At.Step || at.Class != f.At.Class || places == maxPlaces {
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
