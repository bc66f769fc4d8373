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
	*view
	final map[*submission]moment
}

func newCancelFinal(v *view) *cancelFinal {
	return &cancelFinal{view: v, final: map[*submission]moment{}}
}

func (i *cancelFinal) Name() string { return "cancel-final" }

func (i *cancelFinal) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectRecord {
		return i.checkReturn(e)
	}
	if len(i.final) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.deleted || c.sub == nil {
			continue
		}
		at, ok := i.final[c.sub]
		if !ok {
			continue
		}
		if err := i.checkAfter(e, c, &at); err != nil {
			return err
		}
	}
	return nil
}

// checkReturn looks at the batch as a cancel returns. The record's Of is
// "<ns>/<name>"; the newest submission is meant.
func (i *cancelFinal) checkReturn(e *sim.Effect) error {
	r := &e.Record
	if r.What != "cancel" || !r.Returned {
		return nil
	}
	s := i.batches["batch/"+r.Of]
	if r.Class == env.ClassOther && s != nil && s.row.phase == "cancelled" {
		return breach("R4", "cancel denied", s.bid, s.ended.orNone("cancelled "+s.bid), e, "was told that "+s.bid+" cannot be cancelled",
			fmt.Sprintf("the client was told that %s cannot be cancelled, but it is: by this very call, or an earlier one", s.bid))
	}
	if r.Class != env.ClassNone {
		return nil
	}
	if s == nil {
		return breach("R16", "cancel acknowledged of nothing", r.Of, sim.EventRef{}, e, "was told that "+r.Of+" is cancelled",
			fmt.Sprintf("the cancel of %s was acknowledged, but there is no such batch", r.Of))
	}
	switch s.row.phase {
	case "cancelled", "expired":
		i.final[s] = momentOf(e)
		return nil
	}
	return breach("R16", "acknowledged cancel did not happen", s.bid, s.born.ref("submitted "+s.bid), e, "was told that "+s.bid+" is cancelled",
		fmt.Sprintf("the cancel of %s was acknowledged, but the batch is %s", s.bid, s.row.phase))
}

func (i *cancelFinal) checkAfter(e *sim.Effect, c *change, at *moment) error {
	wrong := func(clause, subject, what, text string) error {
		return breach("R16", clause, subject, at.ref("was told that "+c.sub.bid+" is cancelled"), e, what, text+" after the cancel of "+c.sub.bid+" was acknowledged")
	}
	switch c.kind {
	case kindUnit:
		u := c.unit
		switch {
		case u.claimed():
			return wrong("claimed after a cancel", u.uid, "claimed the unit", fmt.Sprintf("unit %s was claimed at epoch %d", u.uid, u.now.epoch))
		case u.before == stateNone:
			return wrong("unit created after a cancel", u.uid, "created the unit", fmt.Sprintf("unit %s was created", u.uid))
		}
	case kindMerge:
		m := &c.sub.merge
		if !m.existed || m.now.gen != m.was.gen {
			return wrong("merge claimed after a cancel", c.sub.bid, fmt.Sprintf("claimed g%d", m.now.gen), fmt.Sprintf("generation %d of the merge was claimed", m.now.gen))
		}
	case kindBatch:
		if c.sub.row.manifest != "" && c.sub.was.manifest == "" {
			return wrong("published after a cancel", c.sub.bid, fmt.Sprintf("published g%d", c.sub.row.mergeGen), c.sub.bid+" was published")
		}
	}
	return nil
}
