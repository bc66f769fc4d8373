package properties

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// submitCall is a submission that a client asks for.
type submitCall struct {
	by      tasked // who makes one call at a time
	of      string // "<ns>/<name>"
	version int    // of its batch
	asked   sim.Moment
	live    bool // the name lived when it was asked for
	several bool // of one process at once: whose of them a row is nobody can tell
}

// takeSubmit notes the submissions that are asked for, and answered.
func takeSubmit(v *view, e *sim.Effect) {
	r := &e.Record
	v.answered = nil
	if r.What != "submit" {
		return
	}
	by := tasked{incarnation{e.Process, e.Incarnation}, e.Task}
	if r.Returned {
		at := slices.IndexFunc(v.submits, func(c *submitCall) bool { return c.by == by && c.of == r.Of })
		if at >= 0 {
			v.answered = v.submits[at]
			v.submits = slices.Delete(v.submits, at, at+1)
		}
		return
	}
	v.asked[r.Of] = max(v.asked[r.Of], int(r.Value))
	s := v.newest(r.Of)
	call := &submitCall{by: by, of: r.Of, version: int(r.Value), asked: e.Moment(), live: s != nil && !s.terminal()}
	for _, other := range v.submits {
		if other.of == call.of && other.by.incarnation == by.incarnation {
			call.several, other.several = true, true
		}
	}
	v.submits = append(v.submits, call)
}
