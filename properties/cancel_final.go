package properties

import (
	"fmt"

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
	final map[*submission]sim.Moment
}

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
	i := &cancelFinal{final: map[*submission]sim.Moment{}}
	i.watch = v.watch(cancelFinalSays, on{record: i.checkReturn, unit: i.checkUnit, merge: i.checkMerge, batch: i.checkBatch})
	return i
}

// checkReturn looks at the batch as a cancel returns. The record's Of is
// "<ns>/<name>"; the newest submission is meant.
func (i *cancelFinal) checkReturn(e *sim.Effect) error {
	r := &e.Record
	if r.What != "cancel" || !r.Returned {
		return nil
	}
	s := i.newest(r.Of)
	if r.Class == env.ClassOther && s != nil && s.now.Phase == "cancelled" {
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
	switch s.now.Phase {
	case "cancelled", "expired":
		i.final[s] = e.Moment()
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
	if !c.published() {
		return nil
	}
	s := c.sub
	return i.afterCancel(&c.rowChange, s, publishedAfterACancel, s.bid, fmt.Sprintf("published g%d", s.now.MergeGen), "%s was published", s.bid)
}
