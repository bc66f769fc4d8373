package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// legalEdges: batches, units, merges and leaderships move along the edges of
// their state machines only, terminal states absorb, and no unit is claimed or
// completed once its batch has ended; epochs, generations
// and beats only grow, and a number that was used never comes back, not even
// after a row was deleted.
//
// Fencing compares these numbers: one that repeats lets a forgotten process
// act again. And who reads "complete" must be able to rely on it.
type legalEdges struct{ watch }

var (
	legalEdgesSays = say("legal-edges")

	batchRowDeleted                   = legalEdgesSays.clause("R2", "batch row deleted")
	illegalBatchEdge                  = legalEdgesSays.clause("R3", "illegal batch edge")
	batchLeftATerminalPhase           = legalEdgesSays.clause("R3", "batch left a terminal phase")
	generationOutOfOrder              = legalEdgesSays.clause("R2", "generation out of order")
	liveBatchSuperseded               = legalEdgesSays.clause("R2", "live batch superseded")
	batchBornInAnotherPhase           = legalEdgesSays.clause("R3", "batch born in another phase")
	leaseBeatWentBack                 = legalEdgesSays.clause("R9", "lease beat went back")
	leaderRowDeleted                  = legalEdgesSays.clause("R20", "leader row deleted")
	leaderEpochOutOfOrder             = legalEdgesSays.clause("R20", "leader epoch out of order")
	leaderBeatWentBack                = legalEdgesSays.clause("R9", "leader beat went back")
	unitBornInTheMiddle               = legalEdgesSays.clause("R2", "unit born in the middle")
	unitBornAgain                     = legalEdgesSays.clause("R2", "unit born again")
	claimedAfterItsBatchEnded         = legalEdgesSays.clause("R16", "claimed after its batch ended")
	completedAfterItsBatchEnded       = legalEdgesSays.clause("R16", "completed after its batch ended")
	epochUsedAgain                    = legalEdgesSays.clause("R2", "epoch used again")
	claimedWhileProcessing            = legalEdgesSays.clause("R1", "claimed while processing")
	epochChangedWithoutAClaim         = legalEdgesSays.clause("R2", "epoch changed without a claim")
	unitLeftATerminalState            = legalEdgesSays.clause("R3", "unit left a terminal state")
	illegalUnitEdge                   = legalEdgesSays.clause("R3", "illegal unit edge")
	mergeRowDeletedWhileTheBatchLives = legalEdgesSays.clause("R2", "merge row deleted while the batch lives")
	unknownMergeState                 = legalEdgesSays.clause("R3", "unknown merge state")
	mergeLeftPublished                = legalEdgesSays.clause("R11", "merge left published")
	mergeBeatWentBack                 = legalEdgesSays.clause("R9", "merge beat went back")
	mergeGenerationOutOfOrder         = legalEdgesSays.clause("R2", "merge generation out of order")
	mergePublishedWithoutAClaim       = legalEdgesSays.clause("R11", "merge published without a claim")
)

func newLegalEdges(v *view) sim.Invariant {
	i := &legalEdges{}
	i.watch = v.watch(legalEdgesSays, on{batch: i.checkBatch, unit: i.checkUnit, merge: i.checkMerge, lease: i.checkLease, leader: i.checkLeader})
	return i
}

// legalPhase reports whether a batch may move between two different phases.
func legalPhase(from, to string) bool {
	switch to {
	case "discovering":
		return from == "pending"
	case "running":
		return from == "discovering"
	case "merging":
		return from == "running"
	case "complete":
		return from == "merging"
	case "failed", "cancelled":
		return !schema.Terminal(from)
	case "expired":
		return schema.Terminal(from)
	}
	return false
}

func (i *legalEdges) checkBatch(c *batchChange) error {
	if c.deleted {
		return batchRowDeleted.breach(c.by, c.key, sim.EventRef{}, "deleted the row",
			"%s was deleted: the next submission of the name would repeat its generation", c.key)
	}
	s := c.sub
	if c.prior != s {
		return i.checkSubmitted(c)
	}
	if c.before.Phase == s.now.Phase || legalPhase(c.before.Phase, s.now.Phase) {
		return nil
	}
	broken := illegalBatchEdge
	if schema.Terminal(c.before.Phase) {
		broken = batchLeftATerminalPhase
	}
	return broken.breach(c.by, s.bid, s.ended.Ref("ended it"), c.before.Phase+" -> "+s.now.Phase,
		"%s went from %s to %s", s.bid, c.before.Phase, s.now.Phase)
}

// checkSubmitted judges a row of a generation that the name did not have.
func (i *legalEdges) checkSubmitted(c *batchChange) error {
	s, prior := c.sub, c.prior
	last := uint64(0)
	if prior != nil {
		last = prior.gen
	}
	if s.gen != last+1 || c.before.Phase != "" {
		return generationOutOfOrder.breach(c.by, c.key, sim.EventRef{}, fmt.Sprintf("submitted generation %d", s.gen),
			"%s went from generation %d to generation %d", c.key, last, s.gen)
	}
	if prior != nil && !prior.terminal() {
		return liveBatchSuperseded.breach(c.by, prior.bid, prior.born.Ref("submitted "+prior.bid), "submitted "+s.bid,
			"%s was submitted while %s is %s", s.bid, prior.bid, prior.now.Phase)
	}
	if s.now.Phase != "pending" {
		return batchBornInAnotherPhase.breach(c.by, s.bid, sim.EventRef{}, "submitted "+s.bid,
			"%s began as %s", s.bid, s.now.Phase)
	}
	return nil
}

// highestBefore is the highest epoch of the claims before an effect.
func highestBefore(claims []claim, e *sim.Effect) uint64 {
	highest := uint64(0)
	for n := range claims {
		if claims[n].Event != e.Event {
			highest = max(highest, claims[n].epoch)
		}
	}
	return highest
}

// unitEdges has a bit for each state that may follow.
var unitEdges = [...]uint{
	schema.Pending:    1<<schema.Processing | 1<<schema.Cancelled,
	schema.Processing: 1<<schema.Complete | 1<<schema.Failed | 1<<schema.Dead | 1<<schema.Pending | 1<<schema.Cancelled,
	schema.Failed:     1<<schema.Pending | 1<<schema.Cancelled,
	schema.Dead:       1 << schema.Pending, // an operator's retry
}

func (i *legalEdges) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted {
		return nil // no-lost-unit judges that
	}
	now, was := &u.now, &c.before
	highest := highestBefore(u.claims, c.by)
	switch {
	case c.created() && (now.State != schema.Pending || now.Epoch != 0 || now.Attempts != 0):
		return c.breaks(unitBornInTheMiddle, "unit %s began as %s at epoch %d with %d attempts", u.uid, now.State, now.Epoch, now.Attempts)
	case c.created() && len(u.claims) > 0:
		return c.breaks(unitBornAgain, "unit %s was created again after epoch %d", u.uid, highest)
	case c.claimed() && u.sub.terminal():
		return c.breaks(claimedAfterItsBatchEnded, "unit %s was claimed while %s is %s", u.uid, u.sub.bid, u.sub.now.Phase)
	case c.became(schema.Complete) && u.sub.terminal():
		return c.breaks(completedAfterItsBatchEnded, "unit %s was completed while %s is %s", u.uid, u.sub.bid, u.sub.now.Phase)
	case c.claimed() && now.Epoch <= highest:
		return c.breaks(epochUsedAgain, "unit %s was claimed at epoch %d after epoch %d", u.uid, now.Epoch, highest)
	case c.claimed() && was.State == schema.Processing:
		return c.breaks(claimedWhileProcessing, "unit %s was claimed at epoch %d while %s/%s processes it at epoch %d",
			u.uid, now.Epoch, was.Worker, was.Incarnation, was.Epoch)
	case !c.claimed() && now.Epoch != was.Epoch:
		return c.breaks(epochChangedWithoutAClaim, "the epoch of unit %s went from %d to %d without a claim", u.uid, was.Epoch, now.Epoch)
	case was.State == schema.None || was.State == now.State || unitEdges[was.State]&(1<<now.State) != 0:
		return nil
	case was.State == schema.Complete || was.State == schema.Dead || was.State == schema.Cancelled:
		return c.breaks(unitLeftATerminalState, "unit %s went from %s to %s", u.uid, was.State, now.State)
	}
	return c.breaks(illegalUnitEdge, "unit %s went from %s to %s", u.uid, was.State, now.State)
}

func (i *legalEdges) checkMerge(c *mergeChange) error {
	s := c.sub
	m := &s.merge
	wrong := func(broken *clause, format string, args ...any) error {
		return broken.breach(c.by, s.bid, lastMergeClaim(m.claims), fmt.Sprintf("wrote g%d %s", m.now.Gen, m.now.State), format, args...)
	}
	if c.deleted {
		if c.existed && !s.terminal() {
			return wrong(mergeRowDeletedWhileTheBatchLives, "merge/%s was deleted while the batch is %s", s.bid, s.now.Phase)
		}
		return nil
	}
	highest := highestBefore(m.claims, c.by)
	switch {
	case m.now.State != "claimed" && m.now.State != "published":
		return wrong(unknownMergeState, "merge/%s is %q", s.bid, m.now.State)
	case c.existed && c.before.State == "published" && m.now != c.before:
		return wrong(mergeLeftPublished, "merge/%s was published as generation %d, then became generation %d %s", s.bid, c.before.Gen, m.now.Gen, m.now.State)
	case c.existed && m.now.Gen == c.before.Gen:
		if m.now.Beat < c.before.Beat {
			return wrong(mergeBeatWentBack, "%s", beatWentBack(fmt.Sprintf("generation %d of merge/%s", m.now.Gen, s.bid), c.before.Beat, m.now.Beat))
		}
		return nil
	case m.now.Gen != highest+1:
		return wrong(mergeGenerationOutOfOrder, "merge/%s went from generation %d to %d", s.bid, highest, m.now.Gen)
	case m.now.State != "claimed":
		return wrong(mergePublishedWithoutAClaim, "generation %d of merge/%s was published without having been claimed", m.now.Gen, s.bid)
	}
	return nil
}

func (i *legalEdges) checkLease(c *leaseChange) error {
	l := c.lease
	if c.deleted || !c.existed || l.now.Epoch != c.before.Epoch || l.now.Beat >= c.before.Beat {
		return nil
	}
	return leaseBeatWentBack.breach(c.by, c.unit.uid, lastClaim(c.unit.claims), "wrote the lease",
		"%s", beatWentBack(fmt.Sprintf("epoch %d of %s", l.now.Epoch, l.key), c.before.Beat, l.now.Beat))
}

func (i *legalEdges) checkLeader(c *leaderChange) error {
	l := &i.leader
	before := i.world.WriteBefore(c.key)
	first := before.Ref("wrote the leader row")
	switch {
	case c.deleted:
		return leaderRowDeleted.breach(c.by, c.key, first, "deleted the leader row",
			"the leader row was deleted: the next leader would repeat its epoch")
	case l.now.Epoch < c.before.Epoch || l.now.Epoch > c.before.Epoch+1 || !c.existed && l.now.Epoch != 1:
		return leaderEpochOutOfOrder.breach(c.by, c.key, first, fmt.Sprintf("wrote leader epoch %d", l.now.Epoch),
			"the leader's epoch went from %d to %d", c.before.Epoch, l.now.Epoch)
	case c.existed && l.now.Epoch == c.before.Epoch && l.now.Beat < c.before.Beat:
		return leaderBeatWentBack.breach(c.by, c.key, first, "wrote the leader row",
			"%s", beatWentBack(fmt.Sprintf("the leader's epoch %d", l.now.Epoch), c.before.Beat, l.now.Beat))
	}
	return nil
}

// beatWentBack says of a token's beat that it did: claims begin with 1.
func beatWentBack(token string, from, to uint64) string {
	if to == 1 {
		return fmt.Sprintf("%s was claimed again: its beat went from %d to 1", token, from)
	}
	return fmt.Sprintf("the beat of %s went from %d to %d", token, from, to)
}
