package shrink

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// near is how many moments before the violation, of each of the two that meet in
// it, orderings are looked for among.
const near = 12

// race looks for one ordering, or two, in the place of several deviations. Most
// races are between two. Either what one of them does at last comes after what the
// other one does; or all that the other one does falls between two moments of the
// first: then one ordering lets them meet, and one holds the first in the middle. Or
// what one of them would have done next came too late: that is tried first, as there are
// few such orderings.
func (s *shrinking) race() bool {
	bases := s.bases()
	if len(bases) == 0 {
		return false
	}
	moments, atOne, atOther := s.meeting()
	if moments == nil {
		return false
	}
	for _, base := range bases {
		place, _ := s.places(base.Plan)
		if place != nil && s.raceOn(base, overtakings(base.moments(atOne), base.moments(atOther)), place) {
			return true
		}
	}
	for _, base := range bases {
		place, last := s.places(base.Plan)
		if place == nil {
			return false
		}
		ones, others := base.moments(atOne), base.moments(atOther)
		late, lates := atLast(ones, last), atLast(others, last)
		if s.raceOn(base, slices.Concat(pairs(ones, others), pairs(late, others), pairs(ones, lates), pairs(late, lates)), place) {
			return true
		}
		if s.raceOn(base, append(sandwiches(ones, others, place), sandwiches(others, ones, place)...), place) {
			return true
		}
	}
	return false
}

const (
	// maxTimes is for how many seeds of the workload an ordering is looked for.
	maxTimes = 8
	// mostNear is how many orderings are tried on each.
	mostNear = 24
)

// nearest lets moments of two tasks change places that come near each other without that,
// the nearest first: they are likelier to meet than what comes long before or after.
func nearest(ones, others []fault.Moment, place map[fault.Moment]int) [][]*fault.Ordering {
	apart := func(orders []*fault.Ordering) int { return place[orders[0].After] - place[orders[0].Hold] }
	list := slices.DeleteFunc(pairs(ones, others), func(orders []*fault.Ordering) bool {
		return apart(orders) < 0 || taskOf(orders[0].Hold) == taskOf(orders[0].After)
	})
	slices.SortStableFunc(list, func(a, b []*fault.Ordering) int { return cmp.Compare(apart(a), apart(b)) })
	return list[:min(len(list), mostNear)]
}

// raceBeside looks for one ordering beside work that goes wrong by itself: what cancels a
// batch seldom, and late, cancels each there. When clients call is the workload seed's:
// held back for long, a call times out, so the two must come near each other anyway.
func (s *shrinking) raceBeside() bool {
	stages := s.provoked(true)
	if len(stages) == 0 {
		return false
	}
	moments, atOne, atOther := s.meeting()
	if moments == nil {
		return false
	}
	for time := range maxTimes {
		for _, st := range stages {
			timed := *st
			if timed.Plan = s.atTime(st.Plan, time); timed.Plan == nil {
				return false
			}
			place, last := s.places(timed.Plan)
			if place == nil {
				return false
			}
			ones, others := atLast(timed.moments(atOne), last), atLast(timed.moments(atOther), last)
			if s.raceOn(&timed, nearest(ones, others, place), place) {
				return true
			}
		}
	}
	return false
}

// atTime is a plan with another seed of the workload, if it is not the first.
func (s *shrinking) atTime(p *plan.Plan, time int) *plan.Plan {
	if time == 0 {
		return p
	}
	return s.set(p, func(setting *plan.Setting) string {
		if setting.Seed == nil {
			return ""
		}
		return strconv.Itoa(time)
	})
}

// places are where the moments of a plan's run come before the healing, and the last of
// each kind; nil if there is no such run.
func (s *shrinking) places(p *plan.Plan) (place map[fault.Moment]int, last map[fault.Moment]fault.Moment) {
	made, passed := s.moments(p)
	if passed == nil {
		return nil, nil
	}
	place, last = map[fault.Moment]int{}, map[fault.Moment]fault.Moment{}
	for i, m := range made {
		if !m.Healed {
			place[m.Moment], last[siteOfMoment(m.Moment)] = i, m.Moment
		}
	}
	return place, last
}

// raceOn adds orderings to a plan, whose run without them has its moments at those
// places. Orderings that it keeps anyway, or that never hold anything, are skipped,
// and those with which it is no smaller than what there is.
func (s *shrinking) raceOn(base *stage, tries [][]*fault.Ordering, place map[fault.Moment]int) bool {
	for _, orders := range tries {
		if !s.smaller(base, len(orders)) {
			return false
		}
		if slices.ContainsFunc(orders[:1], func(o *fault.Ordering) bool {
			h, comes := place[o.Hold]
			a, also := place[o.After]
			return !comes || also && a < h
		}) {
			continue
		}
		if s.spent() {
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

// siteOfMoment is a moment that stands for all of its kind, whichever of several tasks
// alike it is of: there may be one of them elsewhere.
func siteOfMoment(m fault.Moment) fault.Moment {
	m.Call = siteOf(m.Call)
	m.Call.Task = strings.TrimRight(m.Call.Task, "0123456789")
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

// bases are the plans to which orderings are added: without any deviation, on the
// narrow stage first, and with one fault; those alone that are smaller then.
func (s *shrinking) bases() (bases []*stage) {
	best := s.best.Plan
	for _, st := range s.stages() {
		bases = append(bases, st)
		if best.Deviations() < 3 && (s.best.ByDefault() || len(best.Faults) != 1) {
			continue
		}
		for _, f := range best.Faults {
			one := *st
			one.Plan = st.Clone()
			one.Faults = []*fault.Fault{st.fault(f)}
			bases = append(bases, &one)
		}
	}
	return slices.DeleteFunc(bases, func(st *stage) bool { return !s.smaller(st, 1) })
}

// meeting are the moments of the failing run, and the sides of its violation; nil if it
// does not fail.
func (s *shrinking) meeting() (moments []sim.Happening, ones, others []fault.Moment) {
	moments, failed := s.failing()
	if failed == nil {
		return nil, nil, nil
	}
	ones, others = sides(moments, failed.Violation)
	return moments, ones, others
}

// sides are the last moments before a violation: of who brought it about, and of who
// made its first event. Where that is the same one, or nobody, they are what anybody
// wrote.
func sides(moments []sim.Happening, v *sim.Violation) (ones, others []fault.Moment) {
	at, known := actor(moments, v.Second.Event)
	if !known {
		at, _ = actor(moments, v.Event)
	}
	first, known := actor(moments, v.First.Event)
	if known && first != at {
		return lastOf(moments, v.Event, at), lastOf(moments, v.Event, first)
	}
	for _, m := range slices.Backward(moments) {
		if m.Event <= v.Event {
			others = addNear(others, m.Moment, writes(m.Moment))
		}
	}
	return lastOf(moments, v.Event, at), others
}

// lastOf are the last moments of a task until an event, before those of its process's
// other tasks.
func lastOf(moments []sim.Happening, event uint64, who who) (list []fault.Moment) {
	var beside []fault.Moment
	for _, m := range slices.Backward(moments) {
		if m.Event > event || m.Call.Process != who.process {
			continue
		}
		answered := m.Leg == fault.Reply && m.Call.Op.HasEffect()
		if m.Call.Task == who.task {
			list = addNear(list, m.Moment, !answered)
		} else {
			beside = addNear(beside, m.Moment, !answered)
		}
	}
	return append(list, beside[:min(len(beside), max(near-len(list), near/3))]...)
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

// who is a task of a process.
type who struct{ process, task string }

// overtakings let what has taken effect come before what would have come next of another
// task's that is alike: that it was too early may be the violation.
func overtakings(ones, others []fault.Moment) (list [][]*fault.Ordering) {
	seen := map[who]bool{}
	for _, one := range ones {
		for _, m := range others {
			if alike := kinOf(m.Call) == kinOf(one.Call); !alike || !writes(m) || taskOf(m) == taskOf(one) || seen[taskOf(m)] {
				continue
			}
			seen[taskOf(m)] = true
			m.Call.Nth++
			list = append(list, []*fault.Ordering{{Hold: m, After: one}})
		}
	}
	return list
}

func taskOf(m fault.Moment) who { return who{m.Call.Process, m.Call.Task} }

// actor is who made the moment that an event was.
func actor(moments []sim.Happening, event uint64) (who, bool) {
	if i := slices.IndexFunc(moments, func(m sim.Happening) bool { return m.Event == event }); i >= 0 {
		return taskOf(moments[i].Moment), true
	}
	return who{}, false
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
