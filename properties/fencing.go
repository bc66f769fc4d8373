package properties

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// fencing: nothing that an attempt or a merge does takes effect after a later
// epoch or generation has begun, and nobody acts for an attempt or a merge that
// is not theirs; objects are written under the key of the writer's own epoch or
// generation only, or to an upload that the writer's claim inherited; and under
// generations that no merge ever claimed nothing is collected. Nobody asks for an object
// to be deleted but who collects, also where there is nothing to delete this time.
//
// Without it a process that wakes up after its lease ran out destroys what its
// successor did: work is lost, or two half results become one.
type fencing struct {
	watch
	deleted error // the first request to delete that is nobody's to make
}

var (
	fencingSays = say("fencing")

	claimedForSomebodyElse          = fencingSays.clause("R1", "claimed for somebody else")
	completedSomebodyElses          = fencingSays.clause("R1", "completed somebody else's attempt")
	failedSomebodyElses             = fencingSays.clause("R1", "failed somebody else's attempt")
	releasedSomebodyElses           = fencingSays.clause("R1", "released somebody else's attempt")
	rewroteSomebodyElses            = fencingSays.clause("R1", "rewrote somebody else's attempt")
	checkpointOfAnAttemptThatIsOver = fencingSays.clause("R1", "checkpoint of an attempt that is over")
	somebodyElsesCheckpointDeleted  = fencingSays.clause("R1", "somebody else's checkpoint deleted")
	leaseOfAnAttemptThatIsOver      = fencingSays.clause("R1", "lease of an attempt that is over")
	leaseRevived                    = fencingSays.clause("R9", "lease revived")
	wroteUnderAnotherAttemptsKey    = fencingSays.clause("R1", "wrote under another attempt's key")
	collectedFromALivingAttempt     = fencingSays.clause("R1", "collected from a living attempt")
	wroteUnderAnotherMergesKey      = fencingSays.clause("R11", "wrote under another merge's key")
	collectedFromALivingMerge       = fencingSays.clause("R11", "collected from a living merge")
	mergeClaimedForSomebodyElse     = fencingSays.clause("R11", "merge claimed for somebody else")
	somebodyElsesMergeWritten       = fencingSays.clause("R11", "somebody else's merge written")
	somebodyElsesMergePublished     = fencingSays.clause("R11", "somebody else's merge published")
	collectedWhatNoMergeWrote       = fencingSays.clause("R7", "collected what no merge wrote")
	deletedOutsideOfCollection      = fencingSays.clause("R7", "deleted outside of collection")
	effectOutsideEveryBatchsOutput  = fencingSays.clause("R1", "effect outside every batch's output")
)

func newFencing(v *view) sim.Invariant {
	i := &fencing{}
	i.watch = v.watch(fencingSays, on{unit: i.checkUnit, checkpoint: i.checkCheckpoint, lease: i.checkLease, merge: i.checkMerge, batch: i.checkFlip, object: i.checkObject})
	return i
}

// ObserveCall judges requests to delete, whether there was something or not.
func (i *fencing) ObserveCall(_ *sim.World, c *sim.Call) {
	if c.Op != ops.Delete || c.Step == "collect" || i.deleted != nil {
		return
	}
	i.deleted = deletedOutsideOfCollection.breachOfCall(c, sim.EventRef{}, "asked to delete it",
		"%s asked to delete %s: only what an ended batch has left is deleted, by those who collect it", who(c), c.Key)
}

func (i *fencing) Settled(*sim.World) error { return i.deleted }

func (i *fencing) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted {
		return nil
	}
	if c.claimed() {
		if c.isBy(u.now.Worker, u.now.Incarnation) {
			return nil
		}
		return claimedForSomebodyElse.breach(c.by, u.uid, sim.EventRef{}, "claimed the unit",
			"%s claimed unit %s in the name of %s/%s", c.who(), u.uid, u.now.Worker, u.now.Incarnation)
	}
	if c.before.State != schema.Processing || c.byOwner() {
		return nil
	}
	var broken *clause
	deed := ""
	switch {
	case u.now.State == schema.Complete:
		broken, deed = completedSomebodyElses, "completed"
	case u.now.State == schema.Failed:
		broken, deed = failedSomebodyElses, "failed"
	case u.now.State == schema.Pending && u.now.Releases != c.before.Releases:
		broken, deed = releasedSomebodyElses, "released"
	case u.now.State == schema.Processing:
		broken, deed = rewroteSomebodyElses, "rewrote"
	default:
		return nil // reaped, or cancelled with its batch
	}
	return broken.breach(c.by, u.uid, lastClaim(u.claims), deed+" the unit",
		"%s %s unit %s, whose attempt at epoch %d is %s/%s's", c.who(), deed, u.uid, c.before.Epoch, c.before.Worker, c.before.Incarnation)
}

func (i *fencing) checkCheckpoint(c *checkpointChange) error {
	u := c.unit
	p := &u.checkpoint
	if !c.deleted {
		if u.ownedBy(c.by.Process, c.by.Incarnation) && p.now.Epoch == u.now.Epoch {
			return nil
		}
		return checkpointOfAnAttemptThatIsOver.breach(c.by, u.uid, lastClaim(u.claims), fmt.Sprintf("wrote checkpoint %d.%d", p.now.Epoch, p.now.Seq),
			"%s wrote checkpoint %d.%d of unit %s, which is %s at epoch %d by %s/%s", c.who(), p.now.Epoch, p.now.Seq, u.uid, u.now.State, u.now.Epoch, u.now.Worker, u.now.Incarnation)
	}
	switch u.now.State {
	case schema.None, schema.Complete, schema.Dead, schema.Cancelled:
		return nil
	}
	if !c.existed || u.sub.terminal() || u.ownedBy(c.by.Process, c.by.Incarnation) {
		return nil
	}
	written := i.world.WriteBefore(c.key)
	return somebodyElsesCheckpointDeleted.breach(c.by, u.uid, written.Ref("wrote the checkpoint"), "deleted the checkpoint",
		"%s deleted the checkpoint of unit %s, which is %s at epoch %d", c.who(), u.uid, u.now.State, u.now.Epoch)
}

func (i *fencing) checkLease(c *leaseChange) error {
	if c.deleted {
		return nil
	}
	l, u := c.lease, c.unit
	if !c.isBy(l.worker, l.incarnation) || !u.ownedBy(c.by.Process, c.by.Incarnation) || l.now.Epoch != u.now.Epoch {
		return leaseOfAnAttemptThatIsOver.breach(c.by, u.uid, lastClaim(u.claims), "wrote the lease",
			"%s wrote the lease %s at epoch %d, but unit %s is %s at epoch %d by %s/%s", c.who(), l.key, l.now.Epoch,
			u.uid, u.now.State, u.now.Epoch, u.now.Worker, u.now.Incarnation)
	}
	last := &u.claims[len(u.claims)-1]
	if !c.existed && last.Event != c.by.Event {
		return leaseRevived.breach(c.by, u.uid, last.Ref("claimed the unit"), "wrote the lease",
			"%s wrote the lease %s, which was gone: a heartbeat only extends", c.who(), l.key)
	}
	return nil
}

func (i *fencing) checkMerge(c *mergeChange) error {
	if c.deleted {
		return nil
	}
	m := &c.sub.merge
	if c.claimed() {
		if c.isBy(m.now.Worker, m.now.Incarnation) {
			return nil
		}
		return mergeClaimedForSomebodyElse.breach(c.by, c.sub.bid, sim.EventRef{}, fmt.Sprintf("claimed g%d", m.now.Gen),
			"%s claimed generation %d of %s in the name of %s/%s", c.who(), m.now.Gen, c.sub.bid, m.now.Worker, m.now.Incarnation)
	}
	if c.isBy(c.before.Worker, c.before.Incarnation) {
		return nil
	}
	owner := "nobody's any more"
	if c.before.Worker != "" {
		owner = c.before.Worker + "/" + c.before.Incarnation + "'s"
	}
	return somebodyElsesMergeWritten.breach(c.by, c.sub.bid, lastMergeClaim(m.claims), fmt.Sprintf("wrote the merge row of g%d", m.now.Gen),
		"%s wrote the merge row of %s, whose generation %d is %s", c.who(), c.sub.bid, m.now.Gen, owner)
}

func (i *fencing) checkFlip(c *batchChange) error {
	if !c.published() {
		return nil
	}
	s := c.sub
	own := claimOf(s.merge.claims, s.now.MergeGen)
	if own != nil && own.Is(c.by.Process, c.by.Incarnation) {
		return nil
	}
	return somebodyElsesMergePublished.breach(c.by, s.bid, lastMergeClaim(s.merge.claims), fmt.Sprintf("published g%d", s.now.MergeGen),
		"%s published generation %d of %s, which it has not claimed", c.who(), s.now.MergeGen, s.bid)
}

// probes reports whether an effect is part of how a process finds out what the
// object store has: a few objects that all share, and an upload of its own.
func (i *fencing) probes(e *sim.Effect) bool {
	rest, ok := strings.CutPrefix(e.Object.Key, i.cfg.Probe+"/")
	if !ok || i.cfg.Probe == "" || e.Step != "probe" {
		return false
	}
	switch e.Object.Kind {
	case objstore.EffectPut:
		return strings.HasPrefix(rest, "listing/")
	case objstore.EffectCreateUpload, objstore.EffectAbort:
		return rest == "uploads/"+e.Process+"/probe"
	}
	return false
}

// checkObject judges whose key an object effect touched.
func (i *fencing) checkObject(c *objectChange) error {
	o := c.object
	if c.effect().Kind == objstore.EffectExpire {
		return nil // the store's own doing
	}
	if o.sub == nil && i.probes(c.by) {
		return nil
	}
	if o.sub == nil {
		return effectOutsideEveryBatchsOutput.breach(c.by, o.key, sim.EventRef{}, c.did()+" "+o.key,
			"%s %s %s, which is neither a batch's nor of its own probe", c.who(), c.did(), o.key)
	}
	kind := c.effect().Kind
	ends := kind == objstore.EffectDelete || kind == objstore.EffectAbort
	if o.Area == schema.Staging {
		return i.checkStaging(c, ends)
	}
	return i.checkDataset(c, ends)
}

func (i *fencing) checkStaging(c *objectChange, ends bool) error {
	o := c.object
	if ends && o.sub.terminal() {
		return nil // no attempt can use it any more
	}
	for n := range o.unit.claims {
		own := &o.unit.claims[n]
		switch {
		case !own.Is(c.by.Process, c.by.Incarnation):
		case own.epoch == o.Epoch:
			return nil
		case own.epoch < o.Epoch:
		case ends, c.upload != nil && own.upload == c.upload.id:
			return nil // left behind by an earlier attempt, or inherited from it
		}
	}
	broken := wroteUnderAnotherAttemptsKey
	if ends {
		broken = collectedFromALivingAttempt
	}
	first := sim.EventRef{}
	if own := claimOf(o.unit.claims, o.Epoch); own != nil {
		first = own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch))
	}
	return broken.breach(c.by, o.UID, first, c.did()+" "+o.key,
		"%s %s %s, which is neither of its own epoch nor inherited", c.who(), c.did(), o.key)
}

func (i *fencing) checkDataset(c *objectChange, ends bool) error {
	o := c.object
	claims := o.sub.merge.claims
	own := claimOf(claims, o.Epoch)
	if own != nil && own.Is(c.by.Process, c.by.Incarnation) {
		return nil
	}
	if ends && own != nil && (o.sub.terminal() || len(claims) > 0 && o.Epoch < claims[len(claims)-1].epoch) {
		return nil
	}
	broken := wroteUnderAnotherMergesKey
	switch {
	case ends && own == nil:
		broken = collectedWhatNoMergeWrote
	case ends:
		broken = collectedFromALivingMerge
	}
	first := sim.EventRef{}
	if own != nil {
		first = own.Ref(fmt.Sprintf("claimed g%d", own.epoch))
	}
	return broken.breach(c.by, o.sub.bid, first, c.did()+" "+o.key,
		"%s %s %s, a key of generation %d, which it has not claimed", c.who(), c.did(), o.key, o.Epoch)
}
