// Package relocate replays a plan that was kept from older code. A plan names the
// calls that its faults strike, and those that it orders, by their meaning. Code changes: a task gets another
// name, a step is split, a read moves. So a call that is no longer made is searched
// for nearby; and if nothing is near, the replay says so, rather than pass without
// what it is about. Where all calls are made, but by another order of events or at
// other times, the failure itself is searched for nearby.
package relocate

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Move is what a replay changed of a plan: a call that is made under another name
// now, a process whose part another one plays, and what a search nearby varied.
type Move struct {
	What     string // "pause at", "hold", "until after", "process", "seed"
	From, To string
}

func (m Move) String() string { return fmt.Sprintf("%s %s is now %s %s", m.What, m.From, m.What, m.To) }

// Replayed is what became of a plan.
type Replayed struct {
	Result *sim.Result
	// Moves are what was changed for that, in turn.
	Moves []Move
	// Nearby is how many runs it took to find the failure nearby, if the plan holds as it
	// stands, with its calls where they are now; 0 if nothing was found, or searched for.
	Nearby int
}

// Advice says in a line what a failure that was found nearby means for the plan.
func (r *Replayed) Advice() string {
	return fmt.Sprintf("sim: nearby: as it stands the plan holds now; moved like this it fails as it did (run %d of the search): keep the failure anew", r.Nearby)
}

// Replay replays a plan. If it doesn't fail as it says it would, and one of its
// calls is not made any more, that call moves to the one that is nearest: the same
// process's, of the same operation, and alike in two of step, key class and task; or
// else another process's of the same role, with which it changes its part in the whole
// plan. If the plan holds, the error names a call that nothing like it is left for,
// with its line. A plan that says by which invariant it fails, and holds with all its
// calls, is searched for a failure nearby; of one that is to hold, nothing more is run.
func Replay(target sim.Target, p *plan.Plan) (*Replayed, error) {
	r, err := sim.Replay(target, p)
	if err != nil {
		return nil, err
	}
	as := &Replayed{Result: r}
	if asExpected(r, p) {
		return as, nil
	}
	now := p
	if !allCame(r) {
		moved, moves, lost, err := search(target, p)
		switch {
		case err != nil:
			return nil, err
		case lost != nil && r.Violation == nil:
			return nil, lost
		case lost == nil && len(moves) > 0:
			now, as.Moves = moved, moves
			if as.Result, err = sim.Replay(target, moved); err != nil {
				return nil, err
			}
		}
	}
	if as.Result.Violation != nil || p.Expect == "" || p.Expect == "none" {
		return as, nil
	}
	return nearby(target, now, as)
}

func asExpected(r *sim.Result, p *plan.Plan) bool {
	return r.Violation != nil && (r.Violation.Invariant == p.Expect || p.Expect == "" || p.Expect == "none")
}

// fails reports whether a run fails as the plan did: an older plan does not say in which
// shape.
func fails(r *sim.Result, p *plan.Plan) bool {
	if r.Violation == nil {
		return false
	}
	now := plan.Plan{}
	now.Expects(r.Violation.Identity())
	return now.Expect == p.Expect && (now.Shape == p.Shape || p.Shape == "")
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
	cast, err := sim.Cast(target, p)
	if err != nil {
		return nil, nil, nil, err
	}
	moved = p.Clone()
	places := placesOf(moved)
	recast := map[string]bool{} // each plays another's part at most once
	for range 2 * len(places) {
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
		if to, ok := nearest(from, calls, []string{from.Process}); ok {
			*places[i].call = to
			moves = append(moves, Move{What: places[i].what, From: from.String(), To: to.String()})
			continue
		}
		to, ok := nearest(from, calls, slices.DeleteFunc(slices.Clone(cast), func(name string) bool {
			return recast[name] || plan.Role(name) != plan.Role(from.Process)
		}))
		if !ok || recast[from.Process] {
			return nil, nil, places[i].wrong(fmt.Errorf("%s never makes the call %s any more, nor one like it: keep the failure anew, or delete the plan", from.Process, from)), nil
		}
		recast[from.Process], recast[to.Process] = true, true
		moved, moves = swapped(moved, moves, from.Process, to.Process)
		places = placesOf(moved)
	}
	return moved, moves, nil, nil
}

// swapped is the plan in which two processes have changed their parts.
func swapped(p *plan.Plan, moves []Move, one, other string) (*plan.Plan, []Move) {
	return p.Recast(map[string]string{one: other, other: one}),
		append(slices.Clone(moves), Move{"process", one, other}, Move{"process", other, one})
}

// nearest is the call that is most like the one that is no longer made, the first
// of equals, of those that some processes make.
func nearest(lost fault.Anchor, calls []fault.Anchor, by []string) (fault.Anchor, bool) {
	best, least := fault.Anchor{}, farAway
	for _, at := range calls {
		if d := distance(lost, at); d < least && slices.Contains(by, at.Process) {
			best, least = at, d
		}
	}
	return best, least < farAway
}

const farAway = 1 << 30

// distance is how unlike two calls are. Another name counts more than any
// number: the n-th call of a renamed task is nearer than the first of the task
// beside it. Names of steps say most, then key classes. Whose calls they are is left out.
func distance(a, b fault.Anchor) int {
	if a.Op != b.Op {
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
