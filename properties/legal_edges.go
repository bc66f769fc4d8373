package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// legalEdges: batches, units, merges and leaderships move along the edges of
// their state machines only, terminal states absorb, and no unit is claimed or
// completed once its batch has ended; epochs, generations
// and beats only grow, and a number that was used never comes back, not even
// after a row was deleted.
//
// Fencing compares these numbers: one that repeats lets a forgotten process
// act again. And who reads "complete" must be able to rely on it.
type legalEdges struct{ *view }

func (i *legalEdges) Name() string { return "legal-edges" }

func (i *legalEdges) Observe(_ *sim.World, e *sim.Effect) error {
	for n := range i.changes {
		c := &i.changes[n]
		var err error
		switch c.kind {
		case kindBatch:
			err = i.checkBatch(e, c)
		case kindUnit:
			err = i.checkUnit(e, c)
		case kindMerge:
			err = i.checkMerge(e, c)
		case kindLease:
			err = i.checkLease(e, c)
		case kindLeader:
			err = i.checkLeader(e, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
		return !terminal(from)
	case "expired":
		return terminal(from)
	}
	return false
}

func (i *legalEdges) checkBatch(e *sim.Effect, c *change) error {
	if c.deleted {
		return breach("R2", "batch row deleted", c.key, sim.EventRef{}, e, "deleted the row",
			fmt.Sprintf("%s was deleted: the next submission of the name would repeat its generation", c.key))
	}
	s := c.sub
	if c.before != s {
		return i.checkSubmitted(e, c)
	}
	if s.was.phase == s.row.phase || legalPhase(s.was.phase, s.row.phase) {
		return nil
	}
	clause := "illegal batch edge"
	if terminal(s.was.phase) {
		clause = "batch left a terminal phase"
	}
	return breach("R3", clause, s.bid, s.ended.orNone("ended it"), e, s.was.phase+" -> "+s.row.phase,
		fmt.Sprintf("%s went from %s to %s", s.bid, s.was.phase, s.row.phase))
}

// orNone is ref, or no event if the moment never came.
func (m *moment) orNone(what string) sim.EventRef {
	if m.event == 0 {
		return sim.EventRef{}
	}
	return m.ref(what)
}

// checkSubmitted judges a row of a generation that the name did not have.
func (i *legalEdges) checkSubmitted(e *sim.Effect, c *change) error {
	s, before := c.sub, c.before
	last := uint64(0)
	if before != nil {
		last = before.gen
	}
	if s.gen != last+1 || s.was.phase != "" {
		return breach("R2", "generation out of order", c.key, sim.EventRef{}, e, fmt.Sprintf("submitted generation %d", s.gen),
			fmt.Sprintf("%s went from generation %d to generation %d", c.key, last, s.gen))
	}
	if before != nil && !before.terminal() {
		return breach("R2", "live batch superseded", before.bid, before.born.ref("submitted "+before.bid), e, "submitted "+s.bid,
			fmt.Sprintf("%s was submitted while %s is %s", s.bid, before.bid, before.row.phase))
	}
	if s.row.phase != "pending" {
		return breach("R3", "batch born in another phase", s.bid, sim.EventRef{}, e, "submitted "+s.bid,
			fmt.Sprintf("%s began as %s", s.bid, s.row.phase))
	}
	return nil
}

// unitEdges has a bit for each state that may follow.
var unitEdges = [unitStates]uint{
	statePending:    1<<stateProcessing | 1<<stateCancelled,
	stateProcessing: 1<<stateComplete | 1<<stateFailed | 1<<stateDead | 1<<statePending | 1<<stateCancelled,
	stateFailed:     1<<statePending | 1<<stateCancelled,
	stateDead:       1 << statePending, // an operator's retry
}

func (i *legalEdges) checkUnit(e *sim.Effect, c *change) error {
	u := c.unit
	if c.deleted {
		return nil // no-lost-unit judges that
	}
	highest := uint64(0)
	for n := range u.claims {
		if u.claims[n].event != e.Event {
			highest = max(highest, u.claims[n].epoch)
		}
	}
	wrong := func(rule, clause, text string) error {
		return breach(rule, clause, u.uid, lastClaim(u.claims), e, u.edge(), text)
	}
	switch {
	case u.before == stateNone && (u.state != statePending || u.now.epoch != 0 || u.now.attempts != 0):
		return wrong("R2", "unit born in the middle", fmt.Sprintf("unit %s began as %s at epoch %d with %d attempts", u.uid, stateNames[u.state], u.now.epoch, u.now.attempts))
	case u.before == stateNone && len(u.claims) > 0:
		return wrong("R2", "unit born again", fmt.Sprintf("unit %s was created again after epoch %d", u.uid, highest))
	case u.claimed() && u.sub.terminal():
		return wrong("R16", "claimed after its batch ended", fmt.Sprintf("unit %s was claimed while %s is %s", u.uid, u.sub.bid, u.sub.row.phase))
	case u.state == stateComplete && u.before != stateComplete && u.sub.terminal():
		return wrong("R16", "completed after its batch ended", fmt.Sprintf("unit %s was completed while %s is %s", u.uid, u.sub.bid, u.sub.row.phase))
	case u.claimed() && u.now.epoch <= highest:
		return wrong("R2", "epoch used again", fmt.Sprintf("unit %s was claimed at epoch %d after epoch %d", u.uid, u.now.epoch, highest))
	case u.claimed() && u.before == stateProcessing:
		return wrong("R1", "claimed while processing", fmt.Sprintf("unit %s was claimed at epoch %d while %s/%s processes it at epoch %d", u.uid, u.now.epoch, u.was.worker, u.was.incarnation, u.was.epoch))
	case !u.claimed() && u.now.epoch != u.was.epoch:
		return wrong("R2", "epoch changed without a claim", fmt.Sprintf("the epoch of unit %s went from %d to %d without a claim", u.uid, u.was.epoch, u.now.epoch))
	case u.before == stateNone || u.before == u.state || unitEdges[u.before]&(1<<u.state) != 0:
		return nil
	case u.before == stateComplete || u.before == stateDead || u.before == stateCancelled:
		return wrong("R3", "unit left a terminal state", fmt.Sprintf("unit %s went from %s to %s", u.uid, stateNames[u.before], stateNames[u.state]))
	}
	return wrong("R3", "illegal unit edge", fmt.Sprintf("unit %s went from %s to %s", u.uid, stateNames[u.before], stateNames[u.state]))
}

func (i *legalEdges) checkMerge(e *sim.Effect, c *change) error {
	s := c.sub
	m := &s.merge
	wrong := func(rule, clause, text string) error {
		return breach(rule, clause, s.bid, lastClaim(m.claims), e, fmt.Sprintf("wrote g%d %s", m.now.gen, m.now.state), text)
	}
	if c.deleted {
		if m.existed && !s.terminal() {
			return wrong("R2", "merge row deleted while the batch lives", fmt.Sprintf("merge/%s was deleted while the batch is %s", s.bid, s.row.phase))
		}
		return nil
	}
	highest := uint64(0)
	for n := range m.claims {
		if m.claims[n].event != e.Event {
			highest = max(highest, m.claims[n].epoch)
		}
	}
	switch {
	case m.now.state != "claimed" && m.now.state != "published":
		return wrong("R3", "unknown merge state", fmt.Sprintf("merge/%s is %q", s.bid, m.now.state))
	case m.existed && m.was.state == "published" && m.now != m.was:
		return wrong("R11", "merge left published", fmt.Sprintf("merge/%s was published as generation %d, then became generation %d %s", s.bid, m.was.gen, m.now.gen, m.now.state))
	case m.existed && m.now.gen == m.was.gen:
		if m.now.beat < m.was.beat {
			return wrong("R9", "merge beat went back", fmt.Sprintf("the beat of merge/%s went from %d to %d", s.bid, m.was.beat, m.now.beat))
		}
		return nil
	case m.now.gen != highest+1:
		return wrong("R2", "merge generation out of order", fmt.Sprintf("merge/%s went from generation %d to %d", s.bid, highest, m.now.gen))
	case m.now.state != "claimed":
		return wrong("R11", "merge published without a claim", fmt.Sprintf("generation %d of merge/%s was published without having been claimed", m.now.gen, s.bid))
	}
	return nil
}

func (i *legalEdges) checkLease(e *sim.Effect, c *change) error {
	l := c.lease
	if c.deleted || !l.existed || l.now.epoch != l.was.epoch || l.now.beat >= l.was.beat {
		return nil
	}
	return breach("R9", "lease beat went back", c.unit.uid, lastClaim(c.unit.claims), e, "wrote the lease",
		fmt.Sprintf("the beat of %s went from %d to %d", l.key, l.was.beat, l.now.beat))
}

func (i *legalEdges) checkLeader(e *sim.Effect, c *change) error {
	l := &i.leader
	switch {
	case c.deleted:
		return breach("R20", "leader row deleted", c.key, l.taken.orNone("took the leadership"), e, "deleted the leader row",
			"the leader row was deleted: the next leader would repeat its epoch")
	case l.now.epoch < l.was.epoch || l.now.epoch > l.was.epoch+1 || !l.existed && l.now.epoch != 1:
		return breach("R20", "leader epoch out of order", c.key, l.taken.orNone("took the leadership"), e, fmt.Sprintf("wrote leader epoch %d", l.now.epoch),
			fmt.Sprintf("the leader's epoch went from %d to %d", l.was.epoch, l.now.epoch))
	case l.existed && l.now.epoch == l.was.epoch && l.now.beat < l.was.beat:
		return breach("R9", "leader beat went back", c.key, l.taken.orNone("took the leadership"), e, "wrote the leader row",
			fmt.Sprintf("the beat of the leader's epoch %d went from %d to %d", l.now.epoch, l.was.beat, l.now.beat))
	}
	return nil
}
