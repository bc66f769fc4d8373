package chaos

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// place is where a call is made: in a step, or with step "" in none. With call
// "" it is the entry of the step.
type place struct{ step, call string }

// The four points of an operation at which a rule can act.
const (
	pointFailBefore = iota
	pointFailAfter
	pointDelayBefore
	pointDelayAfter
	numPoints
)

var pointKeys = [numPoints]string{keyFailBefore, keyFailAfter, keyDelayBefore, keyDelayAfter}

// trigger returns the rule's trigger for a point, or nil.
func (r *Rule) trigger(point int) *Trigger {
	switch {
	case point == pointFailBefore && r.FailBefore != nil:
		return &r.FailBefore.Trigger
	case point == pointFailAfter && r.FailAfter != nil:
		return &r.FailAfter.Trigger
	case point == pointDelayBefore && r.DelayBefore != nil:
		return &r.DelayBefore.Trigger
	case point == pointDelayAfter && r.DelayAfter != nil:
		return &r.DelayAfter.Trigger
	}
	return nil
}

// checkReached finds a point that cannot be reached, since another one takes
// every call at each of its places: a call that always fails before its effect
// has no effect, and of several rules for one point the most specific wins.
func (c Config) checkReached(catalogue *Catalogue) *problem {
	for i := range c.Rules {
		for point := range numPoints {
			if c.Rules[i].trigger(point) == nil {
				continue
			}
			if by := c.taken(catalogue, &c.Rules[i], point); by != "" {
				return problemf("%s is never reached, since %s takes every call, allowed: there a rate below 1, nth or once",
					pointKeys[point], by).under(pointKeys[point]).under(c.Rules[i].Operation).under(keyOperations)
			}
		}
	}
	return nil
}

// taken names a rule's point that stands in the way of this one everywhere, or
// "".
func (c Config) taken(catalogue *Catalogue, r *Rule, point int) (by string) {
	op, _ := catalogue.Lookup(r.Operation)
	for _, at := range catalogue.places(&op, point) {
		if by = c.takes(catalogue, at, &op, point); by == "" {
			return ""
		}
	}
	return by
}

// places lists where a point of an operation can act.
func (c *Catalogue) places(op *Operation, point int) (list []place) {
	switch {
	case op.Call != "" && op.Step != "":
		return []place{{op.Step, op.Call}}
	case op.Call != "":
		for i := range c.Steps {
			if c.Steps[i].makes(op.Call) {
				list = append(list, place{c.Steps[i].Name, op.Call})
			}
		}
		return append(list, place{"", op.Call})
	case point == pointFailBefore || point == pointDelayBefore:
		return []place{{op.Step, ""}}
	}
	for _, call := range op.FailAfter.Calls {
		list = append(list, place{op.Step, call})
	}
	return list
}

// takes names the first point that takes every call at a place before the
// given point of op can act there, or "".
func (c Config) takes(catalogue *Catalogue, at place, op *Operation, point int) string {
	for i := range c.Rules {
		r := &c.Rules[i]
		other, _ := catalogue.Lookup(r.Operation)
		if other.Step != "" && other.Step != at.step || other.Name == op.Name && point == pointFailBefore {
			continue
		}
		if other.Call == "" && at.call != "" && r.fails(&other) {
			return r.Operation + " " + keyFailBefore // nothing of the step happens
		}
		effect := point == pointFailAfter || point == pointDelayAfter
		sameCall := other.Call == at.call || other.Call == KVPrewrite && at.call == KVCommit
		if effect && other.Call != "" && sameCall && r.fails(&other) {
			return r.Operation + " " + keyFailBefore
		}
		t := r.trigger(point)
		if t == nil || !t.always() || other.unspecific() >= op.unspecific() || other.Call != at.call {
			continue
		}
		if (point != pointFailBefore || r.fails(&other)) && (point != pointFailAfter || r.FailAfter.Error != env.ClassConflict) {
			return r.Operation + " " + pointKeys[point]
		}
	}
	return ""
}

// fails reports whether every call of the rule's operation fails before its
// effect. A conflict spares unconditional writes.
func (r *Rule) fails(op *Operation) bool {
	if r.FailBefore == nil || !r.FailBefore.always() {
		return false
	}
	conflict := r.FailBefore.Error == env.ClassConflict
	return !conflict || slices.Contains([]string{"", KVPrewrite, KVCommit}, op.Call)
}

// always reports whether every call is picked.
func (t *Trigger) always() bool { return t.Rate >= 1 && !t.Once }

// unspecific orders the rules for one call: 0 for the call in its step, 1 for
// the call, 2 for the step.
func (op *Operation) unspecific() int {
	switch {
	case op.Call == "":
		return 2
	case op.Step == "":
		return 1
	}
	return 0
}
