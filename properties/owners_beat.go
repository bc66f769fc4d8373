package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// beats are what owners do to keep what is theirs, told from their requests, whatever
// became of these: who goes on asking shows that it lives, though nobody hears it.
type beats struct {
	last     map[kept]beat
	leads    map[string]sim.Moment // when an incarnation's lead was last raised
	silences []silence
}

// kept is a unit or a merge, by its key, and who keeps it.
type kept struct{ key, who string }

// beat is the last request of those that renew.
type beat struct {
	sim.Moment
	renewed bool // it was the commit of a renewal, and went well
}

// silence is work of an owner that asked for no renewal before. A claim in between, which
// is judged later than it happens, makes it another's.
type silence struct {
	claims *[]claim
	suspicion
}

var (
	ownerThatRenewsTooSeldom  = ownersKnowSays.clause("R8", "owner that renews too seldom")
	leaderThatRenewsTooSeldom = ownersKnowSays.clause("R20", "leader that renews too seldom")
)

func newBeats() beats {
	return beats{last: map[kept]beat{}, leads: map[string]sim.Moment{}}
}

// noteBeat follows the requests that renew a lease, a claim of a merge, or the lead.
func (i *ownersKnow) noteBeat(c *sim.Call) {
	switch c.Step {
	case "lead":
		if c.Op == ops.Commit && c.OK() {
			i.beats.leads[who(c)] = sim.Moment{Process: c.Process, Incarnation: c.Incarnation, Event: c.Event, At: c.At}
		}
		return
	case "discover":
		i.checkLead(c)
		return
	case "heartbeat", "renew_merge":
	default:
		return
	}
	// A timestamp is about nothing: it counts for whatever its process keeps.
	at := sim.Moment{Process: c.Process, Incarnation: c.Incarnation, Event: c.Event, At: c.At}
	i.beats.last[kept{keptBy(c.Key), who(c)}] = beat{at, c.Op == ops.Commit && c.OK()}
}

// keptBy is the key of the unit or merge that a renewal is about which reads or writes this
// one, or "".
func keptBy(key string) string {
	switch table, rest := schema.Split(key); table {
	case schema.UnitTable, schema.MergeTable:
		return key
	case schema.LeaseTable:
		if _, _, unit, ok := schema.SplitLeaseKey(rest); ok {
			return schema.UnitTable.Key(unit)
		}
	}
	return ""
}

// checkBeat judges work under a claim by when the owner last asked for a renewal. It asks
// every Heartbeat. Of one that did not come through it may wait for the answer, and then
// pauses as it does before any other try.
func (i *ownersKnow) checkBeat(claims *[]claim, own *claim, key string, at time.Duration, violation func(from sim.EventRef, silent time.Duration) error) {
	if !i.judgesBeats() {
		return
	}
	from, did := own.Moment, "claimed it"
	unheard := max(i.cfg.Heartbeat, i.cfg.OpTimeout+i.cfg.BackoffMax) + i.cfg.Heartbeat/4
	longest := unheard
	for _, b := range [...]beat{i.beats.last[kept{key, own.Who()}], i.beats.last[kept{"", own.Who()}]} {
		switch {
		case b.Event <= from.Event:
		case b.renewed:
			from, did, longest = b.Moment, "renewed it", i.cfg.Heartbeat
		default:
			from, did, longest = b.Moment, "asked for a renewal", unheard
		}
	}
	if silent := at - from.At; silent > drifted(longest)+time.Second+16*i.cfg.MaxLatency {
		s := suspicion{own.owner, from.At, at, violation(from.Ref(did), silent)}
		i.beats.silences = append(i.beats.silences, silence{claims, s})
	}
}

// judgesBeats reports whether renewals that are asked for are all seen, and none is late by
// itself.
func (i *ownersKnow) judgesBeats() bool { return i.world.Timely() && !i.world.Elsewhere() }

// checkEnd judges the end of an attempt by its owner's beats. A drain ends these first; and
// an owner gives up its lease when it has run out, though its last transaction may go on, as
// long as nobody else has claimed the unit.
func (i *ownersKnow) checkEnd(c *unitChange) {
	u := c.unit
	own := claimOf(u.claims, c.before.Epoch)
	if i.ranOut(u.lastBeat, c.by) {
		return
	}
	if p := i.processes[c.by.Process]; own == nil || !c.left() || !ownEnds[c.by.Step] || p != nil && p.draining {
		return
	}
	i.checkBeat(&u.claims, own, u.key, c.by.At, func(from sim.EventRef, silent time.Duration) error {
		return expecting(ownerThatRenewsTooSeldom.breach(c.by, u.uid, from, "ended its attempt ("+c.edge()+")",
			"%s ended its attempt of unit %s %s after it had last asked for a renewal of its lease; it must ask every %s as long as the attempt lasts", own.Who(), u.uid, silent, i.cfg.Heartbeat),
			own.owner, "heartbeat", u.leaseKey(own.owner, own.ownerInc))
	})
}

// checkPublished judges the end of a merge likewise.
func (i *ownersKnow) checkPublished(c *batchChange) error {
	m := &c.sub.merge
	own := claimOf(m.claims, c.sub.now.MergeGen)
	if i.ranOut(m.beaten, c.by) {
		return nil
	}
	if p := i.processes[c.by.Process]; !c.published() || own == nil || p != nil && p.draining {
		return nil
	}
	i.checkBeat(&m.claims, own, m.key, c.by.At, func(from sim.EventRef, silent time.Duration) error {
		return expecting(ownerThatRenewsTooSeldom.breach(c.by, c.sub.bid, from, "published it",
			"%s published %s %s after it had last asked for a renewal of its claim; it must ask every %s as long as the merge lasts", own.Who(), c.sub.bid, silent, i.cfg.Heartbeat),
			own.owner, "renew_merge", m.key)
	})
	return nil
}

// ranOut reports whether the owner may have counted its lease as over by then.
func (i *ownersKnow) ranOut(beaten sim.Moment, e *sim.Effect) bool {
	return e.At-beaten.At >= hurried(i.cfg.StaleAfter-i.cfg.FenceMargin)-i.cfg.OpTimeout
}

// checkLead judges a transaction of the leader's, as it looks whether it leads: it renews
// before, once a third of its lease is over.
func (i *ownersKnow) checkLead(c *sim.Call) {
	if table, _ := schema.Split(c.Key); c.Op != ops.KVGet || table != schema.LeaderTable || !i.judgesBeats() {
		return
	}
	raised, ok := i.beats.leads[who(c)]
	if silent := c.At - raised.At; ok && silent > drifted(i.cfg.ScannerLease/3+i.cfg.OpTimeout)+16*i.cfg.MaxLatency {
		violation := leaderThatRenewsTooSeldom.breachOfCall(c, raised.Ref("renewed the lead"), "began another transaction of a discovery",
			"%s began a transaction of a discovery %s after it had renewed the lead; it must renew it before, once a third of ScannerLease (%s) is over", who(c), silent, i.cfg.ScannerLease)
		i.beats.silences = append(i.beats.silences, silence{nil, suspicion{c.Process, raised.At, c.At, expecting(violation, c.Process, "lead", c.Key)}})
	}
}

// silent returns the violation of the first silence that is one.
func (i *ownersKnow) silent() error {
	for n := range i.beats.silences {
		s := &i.beats.silences[n]
		if s.claimed() || i.excused(&s.suspicion, stoppedNobody) {
			continue
		}
		return s.violation
	}
	return nil
}

// claimed reports whether what was worked on was claimed in the meantime.
func (s *silence) claimed() bool {
	if s.claims == nil {
		return false
	}
	for n := range *s.claims {
		if at := (*s.claims)[n].At; at > s.from && at <= s.until {
			return true
		}
	}
	return false
}

// stoppedNobody is harmless, where being asked to stop is not, nor an answer that comes late:
// who waits for it asks for nothing.
func stoppedNobody(s *suspicion, f *strike) bool {
	if !harmless(s, f) {
		return false
	}
	stops := fault.Is[*fault.Terminate](f.fault) || fault.Is[*fault.DelayReply](f.fault)
	return !stops || f.fault.At.Process != s.process
}
