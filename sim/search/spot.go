package search

import (
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// spot strikes an operation that is drawn first, and then a kind of fault that can
// strike it. A swarm meets operations as often as the system calls them: what is
// called once in a run, such as the deletion of what is left over, would meet next
// to nothing.
type spot struct {
	scale  fault.Scale
	kind   *fault.Info
	op     ops.Op
	chance uint64 // of 2^32 per call
	left   int
	draw   func(*fault.Info, keyed.Draw, *fault.Scale, *fault.Crossing) *fault.Fault
}

// seldom says how much likelier than others the operations are drawn that systems
// call seldom.
var seldom = map[ops.Op]int{
	ops.Work: 2, ops.Rollback: 3, ops.CheckTxn: 6, ops.Resolve: 16, ops.SafePoint: 16,
	ops.CompleteUpload: 3, ops.CreateUpload: 2, ops.AbortUpload: 2, ops.Head: 2, ops.List: 2,
}

// faint says how much likelier than others the kinds are drawn that mostly change
// nothing: who never reads its clock again has not met its step.
var faint = map[string]int{"skew": 2, "drift": 1}

// In how many of a thousand runs there is a spot, and in how many of those whose
// configuration is made for certain operations.
const (
	spotShare  = 60
	focusShare = 700
)

// How seldom a call of the operation is struck, at most: one of so many. What a run is
// for is called seldom, too.
const (
	spotSeldomest  = 16
	focusSeldomest = 6
)

// newSpot draws the spot of a run; nil for a run without one.
func newSpot(d keyed.Draw, scale fault.Scale, o Options) *spot {
	switch {
	case o.Budget > 0:
		return nil
	case len(scale.Focus) > 0:
		return newFocus(d, scale, o)
	case !d.Chance("spot", spotShare):
		return nil
	}
	var lots []ops.Op
	for _, op := range ops.All() {
		for range 1 + seldom[op] {
			lots = append(lots, op)
		}
	}
	return drawSpot(d, scale, o, lots, spotSeldomest)
}

// newFocus draws the spot of a run whose configuration is made for certain operations.
func newFocus(d keyed.Draw, scale fault.Scale, o Options) *spot {
	if !d.Chance("spot", focusShare) {
		return nil
	}
	s := drawSpot(d, scale, o, scale.Focus, focusSeldomest)
	// Of the kinds that strike work only one is of work alone.
	if slow, _ := fault.Named("slow"); s != nil && s.op == ops.Work && o.allows(slow) {
		s.kind, s.left, s.draw = slow, 12, fault.DrawAimed
	}
	return s
}

// drawSpot draws one of the operations, and a kind of fault; nil if none may strike it.
func drawSpot(d keyed.Draw, scale fault.Scale, o Options, lots []ops.Op, seldomest int64) *spot {
	s := &spot{scale: scale, draw: fault.Draw, op: lots[d.Intn("spot op", len(lots))]}
	var able []*fault.Info
	for _, k := range fault.Kinds() {
		if !o.allows(k) || !k.Strikes(s.op) {
			continue
		}
		for range 1 + faint[k.Name] {
			able = append(able, k)
		}
	}
	if len(able) == 0 {
		return nil
	}
	s.kind = able[d.Intn("spot kind", len(able))]
	s.left = 1 + d.Intn("spot times", 2)
	s.chance = uint64(1<<32) / uint64(d.LogBetween("spot chance", 2, seldomest))
	return s
}

// Strike strikes the calls of the operation, whatever their step.
func (s *spot) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if s.left == 0 || c.Op != s.op || !s.kind.CanStrike(c.Op, c.Client) {
		return faults
	}
	h := keyed.Mix(c.ID, keyed.ForSpot)
	if h&(1<<32-1) >= s.chance {
		return faults
	}
	s.left--
	return append(faults, s.draw(s.kind, keyed.Of(h), &s.scale, c))
}
