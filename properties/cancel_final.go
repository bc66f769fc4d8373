package properties

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// cancelFinal: once a client's cancel has returned, the batch is cancelled:
// no unit of it comes into being or is claimed any more, no merge of it is
// claimed, and nothing of it is published. A cancel whose outcome is unknown
// says nothing; one that has happened is not denied.
//
// Whoever cancels a run because its data is wrong must be able to rely on it.
type cancelFinal struct {
	watch
	open      []*cancelCall
	cancelled map[*submission]bool // also once they have expired
	final     map[*submission]sim.Moment
}

// cancelCall is one that has not returned.
type cancelCall struct {
	by tasked // who makes one call at a time
	of string // "<ns>/<name>"
	// meant are the submissions that have been the name's newest since, one of which it
	// is about; there may have been none at first.
	meant []*submission
}

// only reports whether the call can be about no other submission, and not about none.
func (c *cancelCall) only() bool { return len(c.meant) == 1 && c.meant[0] != nil }

var (
	cancelFinalSays = say("cancel-final")

	cancelDenied                   = cancelFinalSays.clause("R4", "cancel denied")
	cancelAcknowledgedOfNothing    = cancelFinalSays.clause("R16", "cancel acknowledged of nothing")
	acknowledgedCancelDidNotHappen = cancelFinalSays.clause("R16", "acknowledged cancel did not happen")
	claimedAfterACancel            = cancelFinalSays.clause("R16", "claimed after a cancel")
	unitCreatedAfterACancel        = cancelFinalSays.clause("R16", "unit created after a cancel")
	mergeClaimedAfterACancel       = cancelFinalSays.clause("R16", "merge claimed after a cancel")
	publishedAfterACancel          = cancelFinalSays.clause("R16", "published after a cancel")
)

func newCancelFinal(v *view) sim.Invariant {
	i := &cancelFinal{cancelled: map[*submission]bool{}, final: map[*submission]sim.Moment{}}
	i.watch = v.watch(cancelFinalSays, on{record: i.checkCall, unit: i.checkUnit, merge: i.checkMerge, batch: i.checkBatch})
	return i
}

// checkCall looks at the batch as a cancel returns.
func (i *cancelFinal) checkCall(e *sim.Effect) error {
	r := &e.Record
	if r.What != "cancel" {
		return nil
	}
	by := tasked{incarnation{e.Process, e.Incarnation}, e.Task}
	if !r.Returned {
		i.open = append(i.open, &cancelCall{by: by, of: r.Of, meant: []*submission{i.newest(r.Of)}})
		return nil
	}
	at := slices.IndexFunc(i.open, func(c *cancelCall) bool { return c.by == by && c.of == r.Of })
	if at < 0 {
		return nil // nobody saw it being made
	}
	call := i.open[at]
	i.open = slices.Delete(i.open, at, at+1)
	s := i.newest(r.Of)
	if r.Class == env.ClassOther && call.only() && s.now.Phase == "cancelled" {
		return cancelDenied.breach(e, s.bid, s.ended.Ref("cancelled "+s.bid), "was told that "+s.bid+" cannot be cancelled",
			"the client was told that %s cannot be cancelled, but it is: by this very call, or an earlier one", s.bid)
	}
	if r.Class != env.ClassNone {
		return nil
	}
	if s == nil {
		return cancelAcknowledgedOfNothing.breach(e, r.Of, sim.EventRef{}, "was told that "+r.Of+" is cancelled",
			"the cancel of %s was acknowledged, but there is no such batch", r.Of)
	}
	happened := false
	for _, meant := range call.meant {
		if i.cancelled[meant] {
			i.final[meant], happened = e.Moment(), true
		}
	}
	if happened {
		return nil
	}
	return acknowledgedCancelDidNotHappen.breach(e, s.bid, s.born.Ref("submitted "+s.bid), "was told that "+s.bid+" is cancelled",
		"the cancel of %s was acknowledged, but the batch is %s", s.bid, s.now.Phase)
}

// afterCancel is the violation that a change to a submission is once its cancel
// was acknowledged, and nil before.
func (i *cancelFinal) afterCancel(c *rowChange, s *submission, broken *clause, subject, what, format string, args ...any) error {
	at, ok := i.final[s]
	if !ok || c.deleted {
		return nil
	}
	args = append(args, s.bid)
	violation := broken.breach(c.by, subject, at.Ref("was told that "+s.bid+" is cancelled"), what, format+" after the cancel of %s was acknowledged", args...)
	return telling(violation, func(v *sim.Violation) {
		if subject != s.bid { // else the batch's row is told of as well
			v.Also = append(v.Also, s.key)
		}
	})
}

func (i *cancelFinal) checkUnit(c *unitChange) error {
	u := c.unit
	switch {
	case c.claimed():
		return i.afterCancel(&c.rowChange, u.sub, claimedAfterACancel, u.uid, "claimed the unit", "unit %s was claimed at epoch %d", u.uid, u.now.Epoch)
	case c.created():
		return i.afterCancel(&c.rowChange, u.sub, unitCreatedAfterACancel, u.uid, "created the unit", "unit %s was created", u.uid)
	}
	return nil
}

func (i *cancelFinal) checkMerge(c *mergeChange) error {
	if !c.claimed() {
		return nil
	}
	s, gen := c.sub, c.sub.merge.now.Gen
	return i.afterCancel(&c.rowChange, s, mergeClaimedAfterACancel, s.bid, fmt.Sprintf("claimed g%d", gen), "generation %d of the merge was claimed", gen)
}

func (i *cancelFinal) checkBatch(c *batchChange) error {
	if c.entered() && c.sub.now.Phase == "cancelled" {
		i.cancelled[c.sub] = true
	}
	if !c.deleted && c.prior != c.sub {
		for _, call := range i.open {
			if call.of == c.sub.name {
				call.meant = append(call.meant, c.sub)
			}
		}
	}
	if !c.published() {
		return nil
	}
	s := c.sub
	return i.afterCancel(&c.rowChange, s, publishedAfterACancel, s.bid, fmt.Sprintf("published g%d", s.now.MergeGen), "%s was published", s.bid)
}
