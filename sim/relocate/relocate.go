// Package relocate replays a plan that was kept from older code. A plan names the
// calls that its faults strike, and those that it orders, by their meaning. Code changes: a task gets another
// name, a step is split, a read moves. So a call that is no longer made is searched
// for nearby; and if nothing is near, the replay says so, rather than pass without
// what it is about.
package relocate

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Move is a call of a plan's that is made under another name now.
type Move struct {
	What     string // "pause at", "hold", "until after"
	From, To fault.Anchor
}

func (m Move) String() string { return fmt.Sprintf("%s %s is now %s %s", m.What, m.From, m.What, m.To) }

// Replay replays a plan. If it doesn't fail as it says it would, and one of its
// calls is not made any more, that call moves to the one that is nearest: the same
// process's, of the same operation, and alike in two of step, key class and task.
// If the plan holds, the error names a call that nothing like it is left for, with
// its line.
func Replay(target sim.Target, p *plan.Plan) (*sim.Result, []Move, error) {
	r, err := sim.Replay(target, p)
	if err != nil || asExpected(r, p) || allCame(r) {
		return r, nil, err
	}
	moved, moves, lost, err := search(target, p)
	switch {
	case err != nil:
		return nil, nil, err
	case lost != nil && r.Violation == nil:
		return nil, nil, lost
	case lost != nil || len(moves) == 0:
		return r, nil, nil
	}
	r, err = sim.Replay(target, moved)
	return r, moves, err
}

func asExpected(r *sim.Result, p *plan.Plan) bool {
	return r.Violation != nil && (r.Violation.Invariant == p.Expect || p.Expect == "" || p.Expect == "none")
}

// allCame reports whether every deviation has certainly met its call: an ordering
// that held something may have waited for what never came.
func allCame(r *sim.Result) bool {
	return len(r.Plan.Orders) == 0 &&
		!slices.ContainsFunc(r.Plan.Faults, func(f *fault.Fault) bool { return f.Fired == 0 })
}

// place is where a plan names a call.
type place struct {
	call *fault.Anchor
	what string
	// wrong says what is wrong with the line.
	wrong func(err error) error
}

// placesOf makes copies of the plan's deviations and returns where they name calls.
func placesOf(p *plan.Plan) []place {
	var places []place
	p.Faults, p.Orders = slices.Clone(p.Faults), slices.Clone(p.Orders)
	for i, f := range p.Faults {
		f = f.Again()
		p.Faults[i] = f
		places = append(places, place{&f.At, f.Name() + " at", func(err error) error { return p.WrongFault(f, err) }})
	}
	for i, o := range p.Orders {
		o = o.Again()
		p.Orders[i] = o
		wrong := func(err error) error { return p.WrongOrder(o, err) }
		places = append(places, place{&o.Hold.Call, "hold", wrong}, place{&o.After.Call, "until after", wrong})
	}
	return places
}

// search moves one call after the other, since what the first deviation does
// decides which calls are made after it. lost says which one has no likeness.
func search(target sim.Target, p *plan.Plan) (moved *plan.Plan, moves []Move, lost, err error) {
	moved = p.Clone()
	places := placesOf(moved)
	for range places {
		calls, err := sim.Anchors(target, moved)
		if err != nil {
			return nil, nil, nil, err
		}
		made := make(map[fault.Anchor]bool, len(calls))
		for _, at := range calls {
			made[at] = true
		}
		i := slices.IndexFunc(places, func(at place) bool { return !made[*at.call] })
		if i < 0 {
			break
		}
		from := *places[i].call
		to, ok := nearest(from, calls)
		if !ok {
			return nil, nil, places[i].wrong(fmt.Errorf("%s never makes the call %s any more, nor one like it: keep the failure anew, or delete the plan", from.Process, from)), nil
		}
		*places[i].call = to
		moves = append(moves, Move{What: places[i].what, From: from, To: to})
	}
	return moved, moves, nil, nil
}

// nearest is the call that is most like the one that is no longer made, the first
// of equals.
func nearest(lost fault.Anchor, calls []fault.Anchor) (fault.Anchor, bool) {
	best, least := fault.Anchor{}, farAway
	for _, at := range calls {
		if d := distance(lost, at); d < least {
			best, least = at, d
		}
	}
	return best, least < farAway
}

const farAway = 1 << 30

// distance is how unlike two calls are. Another name counts more than any
// number: the n-th call of a renamed task is nearer than the first of the task
// beside it. Names of steps say most, then key classes.
func distance(a, b fault.Anchor) int {
	if a.Process != b.Process || a.Op != b.Op {
		return farAway
	}
	d, names := 0, 0
	for _, part := range []struct {
		same   bool
		weight int
	}{{a.Step == b.Step, 4}, {a.Class == b.Class, 3}, {a.Task == b.Task, 2}} {
		if !part.same {
			d += part.weight << 20
			names++
		}
	}
	if names > 1 {
		return farAway
	}
	return d + max(a.Nth-b.Nth, b.Nth-a.Nth)
}
