// Package relocate replays a plan that was kept from older code. A plan names the
// calls that its faults strike by their meaning. Code changes: a task gets another
// name, a step is split, a read moves. So a call that is no longer made is searched
// for nearby; and if nothing is near, the replay says so, rather than pass without
// the fault.
package relocate

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Move is a fault whose call is made under another name now.
type Move struct {
	Fault    *fault.Fault // as the plan has it
	From, To fault.Anchor
}

func (m Move) String() string {
	return fmt.Sprintf("%s at %s is now at %s", m.Fault.Name(), m.From, m.To)
}

// Replay replays a plan. If it doesn't fail as it says it would, and a fault met
// no call, the fault moves to the call that is nearest to its own: the same
// process's, of the same operation, and alike in two of step, key class and task.
// The error names a fault that no such call is left for, with its line.
func Replay(target sim.Target, p *plan.Plan) (*sim.Result, []Move, error) {
	r, err := sim.Replay(target, p)
	if err != nil || asExpected(r, p) || allFired(r) {
		return r, nil, err
	}
	moved, moves, err := search(target, p)
	if err != nil || len(moves) == 0 {
		return r, nil, err
	}
	r, err = sim.Replay(target, moved)
	return r, moves, err
}

func asExpected(r *sim.Result, p *plan.Plan) bool {
	return r.Violation != nil && (r.Violation.Invariant == p.Expect || p.Expect == "" || p.Expect == "none")
}

func allFired(r *sim.Result) bool {
	return !slices.ContainsFunc(r.Plan.Faults, func(f *fault.Fault) bool { return f.Fired == 0 })
}

// search moves one fault after the other, since what the first one does decides
// which calls are made after it.
func search(target sim.Target, p *plan.Plan) (*plan.Plan, []Move, error) {
	moved := p.Clone()
	moved.Faults = slices.Clone(p.Faults)
	var moves []Move
	for range p.Faults {
		calls, err := sim.Anchors(target, moved)
		if err != nil {
			return nil, nil, err
		}
		made := make(map[fault.Anchor]bool, len(calls))
		for _, at := range calls {
			made[at] = true
		}
		i := slices.IndexFunc(moved.Faults, func(f *fault.Fault) bool { return !made[f.At] })
		if i < 0 {
			break
		}
		f := moved.Faults[i]
		to, ok := nearest(f.At, calls)
		if !ok {
			return nil, nil, p.WrongFault(p.Faults[i], fmt.Errorf("%s never makes the call %s any more, nor one like it: keep the failure anew, or delete the plan", f.At.Process, f.At))
		}
		there := f.Again()
		there.At, there.Line = to, f.Line
		moved.Faults[i] = there
		moves = append(moves, Move{Fault: p.Faults[i], From: p.Faults[i].At, To: to})
	}
	return moved, moves, nil
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
