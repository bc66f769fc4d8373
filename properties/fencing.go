package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// fencing: nothing that an attempt or a merge does takes effect after a later
// epoch or generation has begun, and nobody acts for an attempt or a merge that
// is not theirs; objects are written under the key of the writer's own epoch or
// generation only, or to an upload that the writer's claim inherited.
//
// Without it a process that wakes up after its lease ran out destroys what its
// successor did: work is lost, or two half results become one.
type fencing struct{ *view }

func (i *fencing) Name() string { return "fencing" }

func (i *fencing) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectObject {
		return i.checkObject(e)
	}
	for n := range i.changes {
		if err := i.checkRow(e, &i.changes[n]); err != nil {
			return err
		}
	}
	return nil
}

func (i *fencing) checkRow(e *sim.Effect, c *change) error {
	switch c.kind {
	case kindUnit:
		return i.checkUnit(e, c)
	case kindCheckpoint:
		return i.checkCheckpoint(e, c)
	case kindLease:
		return i.checkLease(e, c)
	case kindMerge:
		return i.checkMerge(e, c)
	case kindBatch:
		return i.checkFlip(e, c)
	}
	return nil
}

// lastClaim names the newest claim, as the first event of a violation.
func lastClaim(claims []claim) sim.EventRef {
	if len(claims) == 0 {
		return sim.EventRef{}
	}
	c := &claims[len(claims)-1]
	return c.ref(fmt.Sprintf("claimed epoch %d", c.epoch))
}

func (i *fencing) checkUnit(e *sim.Effect, c *change) error {
	u := c.unit
	if c.deleted {
		return nil
	}
	if u.claimed() {
		if u.now.worker == e.Process && u.now.incarnation == e.Incarnation {
			return nil
		}
		return breach("R1", "claimed for somebody else", u.uid, sim.EventRef{}, e, "claimed the unit",
			fmt.Sprintf("%s/%s claimed unit %s in the name of %s/%s", e.Process, e.Incarnation, u.uid, u.now.worker, u.now.incarnation))
	}
	if u.before != stateProcessing || u.was.worker == e.Process && u.was.incarnation == e.Incarnation {
		return nil
	}
	deed := ""
	switch {
	case u.state == stateComplete:
		deed = "completed"
	case u.state == stateFailed:
		deed = "failed"
	case u.state == statePending && u.now.releases != u.was.releases:
		deed = "released"
	case u.state == stateProcessing:
		deed = "rewrote"
	default:
		return nil // reaped, or cancelled with its batch
	}
	return breach("R1", deed+" somebody else's attempt", u.uid, lastClaim(u.claims), e, deed+" the unit",
		fmt.Sprintf("%s/%s %s unit %s, whose attempt at epoch %d is %s/%s's", e.Process, e.Incarnation, deed, u.uid, u.was.epoch, u.was.worker, u.was.incarnation))
}

func (i *fencing) checkCheckpoint(e *sim.Effect, c *change) error {
	u := c.unit
	p := &u.checkpoint
	if !c.deleted {
		if u.ownedBy(e.Process, e.Incarnation) && p.now.epoch == u.now.epoch {
			return nil
		}
		return breach("R1", "checkpoint of an attempt that is over", u.uid, lastClaim(u.claims), e,
			fmt.Sprintf("wrote checkpoint %d.%d", p.now.epoch, p.now.seq),
			fmt.Sprintf("%s/%s wrote checkpoint %d.%d of unit %s, which is %s at epoch %d by %s/%s", e.Process, e.Incarnation,
				p.now.epoch, p.now.seq, u.uid, stateNames[u.state], u.now.epoch, u.now.worker, u.now.incarnation))
	}
	switch u.state {
	case stateNone, stateComplete, stateDead, stateCancelled:
		return nil
	}
	if !p.existed || u.sub.terminal() || u.ownedBy(e.Process, e.Incarnation) {
		return nil
	}
	return breach("R1", "somebody else's checkpoint deleted", u.uid, p.written.ref("wrote the checkpoint"), e, "deleted the checkpoint",
		fmt.Sprintf("%s/%s deleted the checkpoint of unit %s, which is %s at epoch %d", e.Process, e.Incarnation, u.uid, stateNames[u.state], u.now.epoch))
}

func (i *fencing) checkLease(e *sim.Effect, c *change) error {
	if c.deleted {
		return nil
	}
	l, u := c.lease, c.unit
	what := fmt.Sprintf
	if l.worker != e.Process || l.incarnation != e.Incarnation || !u.ownedBy(e.Process, e.Incarnation) || l.now.epoch != u.now.epoch {
		return breach("R1", "lease of an attempt that is over", u.uid, lastClaim(u.claims), e, "wrote the lease",
			what("%s/%s wrote the lease %s at epoch %d, but unit %s is %s at epoch %d by %s/%s", e.Process, e.Incarnation, l.key, l.now.epoch,
				u.uid, stateNames[u.state], u.now.epoch, u.now.worker, u.now.incarnation))
	}
	last := &u.claims[len(u.claims)-1]
	if !l.existed && last.event != e.Event {
		return breach("R9", "lease revived", u.uid, last.ref("claimed the unit"), e, "wrote the lease",
			what("%s/%s wrote the lease %s, which was gone: a heartbeat only extends", e.Process, e.Incarnation, l.key))
	}
	return nil
}

func (i *fencing) checkMerge(e *sim.Effect, c *change) error {
	if c.deleted {
		return nil
	}
	m := &c.sub.merge
	if !m.existed || m.now.gen != m.was.gen {
		if m.now.worker == e.Process && m.now.incarnation == e.Incarnation {
			return nil
		}
		return breach("R11", "merge claimed for somebody else", c.sub.bid, sim.EventRef{}, e, fmt.Sprintf("claimed g%d", m.now.gen),
			fmt.Sprintf("%s/%s claimed generation %d of %s in the name of %s/%s", e.Process, e.Incarnation, m.now.gen, c.sub.bid, m.now.worker, m.now.incarnation))
	}
	if m.was.worker == e.Process && m.was.incarnation == e.Incarnation {
		return nil
	}
	return breach("R11", "somebody else's merge written", c.sub.bid, lastClaim(m.claims), e, fmt.Sprintf("wrote the merge row of g%d", m.now.gen),
		fmt.Sprintf("%s/%s wrote the merge row of %s, whose generation %d is %s/%s's", e.Process, e.Incarnation, c.sub.bid, m.now.gen, m.was.worker, m.was.incarnation))
}

func (i *fencing) checkFlip(e *sim.Effect, c *change) error {
	s := c.sub
	if c.deleted || s.row.manifest == "" || s.was.manifest != "" {
		return nil
	}
	own := claimOf(s.merge.claims, s.row.mergeGen)
	if own != nil && own.is(e.Process, e.Incarnation) {
		return nil
	}
	return breach("R11", "somebody else's merge published", s.bid, lastClaim(s.merge.claims), e, fmt.Sprintf("published g%d", s.row.mergeGen),
		fmt.Sprintf("%s/%s published generation %d of %s, which it has not claimed", e.Process, e.Incarnation, s.row.mergeGen, s.bid))
}

// checkObject judges whose key an object effect touched.
func (i *fencing) checkObject(e *sim.Effect) error {
	o := i.object
	if e.Object.Kind == objstore.EffectExpire {
		return nil // the store's own doing
	}
	if o.sub == nil {
		return breach("R1", "effect outside every batch's output", o.key, sim.EventRef{}, e, e.Object.Kind.String()+" "+o.key,
			fmt.Sprintf("%s/%s did %s to %s, which no batch may write", e.Process, e.Incarnation, e.Object.Kind, o.key))
	}
	ends := e.Object.Kind == objstore.EffectDelete || e.Object.Kind == objstore.EffectAbort
	if o.area == areaStaging {
		return i.checkStaging(e, o, ends)
	}
	return i.checkDataset(e, o, ends)
}

func (i *fencing) checkStaging(e *sim.Effect, o *object, ends bool) error {
	if ends && o.sub.terminal() {
		return nil // no attempt can use it any more
	}
	for n := range o.unit.claims {
		c := &o.unit.claims[n]
		switch {
		case !c.is(e.Process, e.Incarnation):
		case c.epoch == o.epoch:
			return nil
		case c.epoch < o.epoch:
		case ends, e.Object.UploadID != "" && c.upload == e.Object.UploadID:
			return nil // left behind by an earlier attempt, or inherited from it
		}
	}
	clause := "wrote under another attempt's key"
	if ends {
		clause = "collected from a living attempt"
	}
	first := sim.EventRef{}
	if own := claimOf(o.unit.claims, o.epoch); own != nil {
		first = own.ref(fmt.Sprintf("claimed epoch %d", own.epoch))
	}
	return breach("R1", clause, o.uid, first, e, e.Object.Kind.String()+" "+o.key,
		fmt.Sprintf("%s/%s did %s to %s, which is neither of its own epoch nor inherited", e.Process, e.Incarnation, e.Object.Kind, o.key))
}

func (i *fencing) checkDataset(e *sim.Effect, o *object, ends bool) error {
	claims := o.sub.merge.claims
	own := claimOf(claims, o.epoch)
	if own != nil && own.is(e.Process, e.Incarnation) {
		return nil
	}
	if ends && (o.sub.terminal() || len(claims) > 0 && o.epoch < claims[len(claims)-1].epoch) {
		return nil
	}
	clause := "wrote under another merge's key"
	if ends {
		clause = "collected from a living merge"
	}
	first := sim.EventRef{}
	if own != nil {
		first = own.ref(fmt.Sprintf("claimed g%d", own.epoch))
	}
	return breach("R11", clause, o.sub.bid, first, e, e.Object.Kind.String()+" "+o.key,
		fmt.Sprintf("%s/%s did %s to %s, a key of generation %d, which it has not claimed", e.Process, e.Incarnation, e.Object.Kind, o.key, o.epoch))
}
