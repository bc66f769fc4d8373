package shrink

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// near is how many moments before the violation, of each of the two that meet in
// it, orderings are looked for among.
const near = 12

// maxRace is the share of the events, in percent, that looking for orderings to add
// to one plan may take.
const maxRace = 20

// race looks for one ordering, or two, in the place of several deviations. Most
// races are between two. Either what one of them does at last comes after what the
// other one does; or all that the other one does falls between two moments of the
// first: then one ordering lets them meet, and one holds the first in the middle.
func (s *shrinking) race() bool {
	best := s.best.Plan
	if best.Deviations() < 2 && s.best.ByDefault() {
		return false
	}
	moments, failed := s.failing()
	if failed == nil {
		return false
	}
	ones, others := sides(moments, failed.Violation)
	for _, base := range s.bases() {
		made, passed := s.moments(base)
		if passed == nil {
			return false
		}
		place, last := map[fault.Moment]int{}, map[fault.Moment]fault.Moment{}
		for i, m := range made {
			if !m.Healed {
				place[m.Moment], last[siteOfMoment(m.Moment)] = i, m.Moment
			}
		}
		late, lates := atLast(ones, last), atLast(others, last)
		if s.raceOn(base, slices.Concat(pairs(ones, others), pairs(late, others), pairs(ones, lates), pairs(late, lates)), place) {
			return true
		}
		if best.Deviations() > 2 || !s.best.ByDefault() {
			if s.raceOn(base, append(sandwiches(ones, others, place), sandwiches(others, ones, place)...), place) {
				return true
			}
		}
	}
	return false
}

// raceOn adds orderings to a plan, whose run without them has its moments at those
// places. Orderings that it keeps anyway, or that never hold anything, are skipped.
func (s *shrinking) raceOn(base *plan.Plan, tries [][]*fault.Ordering, place map[fault.Moment]int) bool {
	limit := s.events + maxEvents*maxRace/100
	for _, orders := range tries {
		if slices.ContainsFunc(orders[:1], func(o *fault.Ordering) bool {
			h, comes := place[o.Hold]
			a, also := place[o.After]
			return !comes || also && a < h
		}) {
			continue
		}
		if s.events > limit {
			return false
		}
		candidate := base.Clone()
		candidate.Orders = orders
		if s.try(candidate) {
			return true
		}
	}
	return false
}

// sandwiches let all that q does fall between two moments of p. Both lists begin
// with what came last.
func sandwiches(p, q []fault.Moment, place map[fault.Moment]int) (list [][]*fault.Ordering) {
	ends := slices.DeleteFunc(slices.Clone(q), func(m fault.Moment) bool { return !writes(m) })
	for _, end := range ends[:min(len(ends), 2)] {
		for i, late := range p {
			if late.Leg != fault.Request {
				continue
			}
			for _, early := range p[i+1 : min(i+5, len(p))] {
				for _, begin := range starts(q) {
					meet := &fault.Ordering{Hold: begin, After: early}
					if place[early] < place[begin] { // p is too early, not q
						meet = &fault.Ordering{Hold: starts(p)[0], After: begin}
					}
					if meet.Hold != meet.After && late != end {
						list = append(list, []*fault.Ordering{meet, {Hold: late, After: end}})
					}
				}
			}
		}
	}
	return list
}

// atLast puts in the place of each moment the last of its kind in another run: there
// the two that meet may have made other rounds before they came to it.
func atLast(list []fault.Moment, last map[fault.Moment]fault.Moment) (other []fault.Moment) {
	for _, m := range list {
		if l, comes := last[siteOfMoment(m)]; comes && !slices.Contains(other, l) {
			other = append(other, l)
		}
	}
	return other
}

// siteOfMoment is a moment that stands for all of its kind.
func siteOfMoment(m fault.Moment) fault.Moment {
	m.Call = siteOf(m.Call)
	return m
}

// starts are moments at which what a list is about can be held back as a whole.
func starts(list []fault.Moment) []fault.Moment {
	var timers []fault.Moment
	for _, m := range list {
		if m.Leg == fault.Timer {
			timers = append(timers, m)
		}
	}
	return append(timers[:min(len(timers), 2)], list[len(list)-1])
}

// bases are the plans to which one ordering is added: without any deviation, and
// with one fault if that still makes the plan smaller.
func (s *shrinking) bases() []*plan.Plan {
	best, bare := s.best.Plan, s.reaching(s.bare())
	bases := []*plan.Plan{bare}
	if best.Deviations() > 2 || !s.best.ByDefault() && len(best.Faults) == 1 {
		for i := range best.Faults {
			one := bare.Clone()
			one.Faults = best.Faults[i : i+1]
			bases = append(bases, one)
		}
	}
	return bases
}

// sides are the last moments before a violation: of the process at which it came
// about, and of the one that its first event was of. Where that is the same one, or
// nobody, they are what anybody wrote.
func sides(moments []sim.Happening, v *sim.Violation) (ones, others []fault.Moment) {
	at := actor(moments, v.Second.Event)
	if at == "" {
		at = actor(moments, v.Event)
	}
	first := actor(moments, v.First.Event)
	whoever := first == "" || first == at
	for _, m := range slices.Backward(moments) {
		if m.Event > v.Event {
			continue
		}
		answered := m.Leg == fault.Reply && m.Call.Op.HasEffect()
		if m.Call.Process == at {
			ones = addNear(ones, m.Moment, !answered)
		}
		if m.Call.Process == first || whoever {
			others = addNear(others, m.Moment, !whoever || writes(m.Moment))
		}
	}
	return ones, others
}

// addNear adds a moment that matters, while there are few; and two timers more, at
// which all that comes later can be held back.
func addNear(list []fault.Moment, m fault.Moment, matters bool) []fault.Moment {
	timer := m.Leg == fault.Timer
	if len(list) < near && (matters || timer) || timer && len(list) < near+2 {
		return append(list, m)
	}
	return list
}

// actor is the process whose moment an event was.
func actor(moments []sim.Happening, event uint64) string {
	if i := slices.IndexFunc(moments, func(m sim.Happening) bool { return m.Event == event }); i >= 0 {
		return moments[i].Call.Process
	}
	return ""
}

// pairs are the ways in which one of the ones can wait for one of the others, or
// the other way round.
func pairs(ones, others []fault.Moment) (list [][]*fault.Ordering) {
	for _, sides := range [][2][]fault.Moment{{ones, others}, {others, ones}} {
		for _, hold := range sides[0] {
			for _, after := range sides[1] {
				if hold != after {
					list = append(list, []*fault.Ordering{{Hold: hold, After: after}})
				}
			}
		}
	}
	return list
}
