package properties

import (
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// span is for how long a batch had something to claim, and room for it, by the timestamps of
// the commits that made it so and that ended it; to is 0 if none has.
type span struct {
	from, to uint64
	since    sim.Moment
}

// queueLook is one look of a worker's task at the batches and their queue, on one snapshot.
type queueLook struct {
	by          tasked
	snapshot    uint64
	first       time.Duration
	until       time.Duration // when the task began something else
	last        sim.Call
	listed      bool // it listed the batches
	interrupted bool // it was not answered, or not with what it asked for
}

// lookedClaim is a claim, by its transaction's snapshot, and the task that made it.
type lookedClaim struct {
	sim.Moment
	by       tasked
	snapshot uint64
	unit     *unit
	epoch    uint64
	priority int64
}

// ObserveCall notes the looks at the queue.
func (i *noIdleBesideWork) ObserveCall(w *sim.World, c *sim.Call) {
	if w.Elsewhere() || c.Client || c.Late || c.Step != "claim_unit" {
		return
	}
	by := tasked{incarnation{c.Process, c.Incarnation}, c.Task}
	l := i.looking[by]
	if c.Op == ops.TSO { // it begins another transaction
		if l != nil && l.listed && !l.interrupted {
			l.until = c.At
			i.looks = append(i.looks, *l)
		}
		delete(i.looking, by)
		return
	}
	if c.Op != ops.KVScan {
		if l != nil && !c.OK() {
			l.interrupted = true
		}
		return
	}
	if l == nil || l.snapshot != c.StartTS {
		l = &queueLook{by: by, snapshot: c.StartTS, first: c.At}
		i.looking[by] = l
		if begun := i.begun[by]; len(begun) == 0 || begun[len(begun)-1] < c.StartTS {
			i.begun[by] = append(begun, c.StartTS)
		}
	}
	l.last = *c
	l.listed = l.listed || strings.HasPrefix(c.Key, schema.ActiveTable.Key(""))
	l.interrupted = l.interrupted || !c.OK()
}

// claimable returns the span in which a batch had something to claim on a snapshot. One that
// begins or ends with it is none: whether the snapshot holds that commit is not told by the two
// timestamps.
func (i *noIdleBesideWork) claimable(s *submission, snapshot uint64) (span, bool) {
	for _, p := range i.spans[s] {
		if p.from < snapshot && (p.to == 0 || snapshot < p.to) {
			return p, true
		}
	}
	return span{}, false
}

// checkLooks judges the looks that found nothing. Where timers overtake messages, or a fault
// is near, one may have been given up.
func (i *noIdleBesideWork) checkLooks(w *sim.World) error {
	if !w.Timely() {
		return nil
	}
	found := map[uint64]bool{} // the snapshots on which something was
	queue := schema.QueueTable.Key("")
	for page := range w.Told().Scans.All() {
		if len(page.Pairs) > 0 && strings.HasPrefix(page.From, queue) {
			found[page.StartTS] = true
		}
	}
	var suspects []suspicion
	for n := range i.looks {
		l := &i.looks[n]
		if found[l.snapshot] {
			continue
		}
		for _, s := range i.order {
			if p, open := i.claimable(s, l.snapshot); open {
				suspects = append(suspects, suspicion{l.by.process, l.first, l.until, i.passed(l, s, &p)})
			}
		}
	}
	return i.unexcused(suspects, elsewhere)
}

func (i *noIdleBesideWork) passed(l *queueLook, s *submission, p *span) error {
	return expecting(passedAClaimableUnitBy.breachOfCall(&l.last, p.since.Ref("let units of "+s.bid+" be claimed"), "ended its look at the queue",
		"%s looked at the queue from %s on and found nothing, and went on to something else at %s; on its snapshot, %d, %s has had a unit to claim, and room for it, since %s",
		who(&l.last), l.first, l.until, l.snapshot, s.bid, p.since.At), l.by.process, "claim_unit", s.bid)
}

// noteClaim remembers a claim, until every look is known that came before.
func (i *noIdleBesideWork) noteClaim(c *unitChange) {
	e := c.by
	i.claims = append(i.claims, lookedClaim{
		Moment: e.Moment(), by: tasked{incarnation{e.Process, e.Incarnation}, e.Task}, snapshot: e.Commit.StartTS,
		unit: c.unit, epoch: c.unit.now.Epoch, priority: c.unit.sub.now.Priority,
	})
}

// checkClaims judges each claim by the last look of its task.
func (i *noIdleBesideWork) checkClaims() error {
	last := map[tasked]*lookedClaim{}
	for n := range i.claims {
		c := &i.claims[n]
		look, ok := i.lookBefore(c)
		prior := last[c.by]
		last[c.by] = c
		if !ok {
			continue
		}
		for _, s := range i.order {
			if s.now.Priority <= c.priority {
				continue
			}
			if p, open := i.claimable(s, look); open {
				return i.pastUrgent(c, s, &p, "had seen that when it looked")
			}
			if p, open := i.claimable(s, c.snapshot); open && i.oldLook(c, prior, look, &p) {
				return i.pastUrgent(c, s, &p, "has not looked since before its last attempt")
			}
		}
	}
	return nil
}

// lookBefore returns the snapshot of the last look of a claim's task before it.
func (i *noIdleBesideWork) lookBefore(c *lookedClaim) (snapshot uint64, ok bool) {
	begun := i.begun[c.by]
	n, _ := slices.BinarySearch(begun, c.snapshot)
	if n == 0 {
		return 0, false
	}
	return begun[n-1], true
}

// oldLook reports whether a claim rests on the look that the task's last one rests on, although
// the task has ended that attempt since, and the span had begun by then.
func (i *noIdleBesideWork) oldLook(c, prior *lookedClaim, look uint64, p *span) bool {
	if prior == nil {
		return false
	}
	before, ok := i.lookBefore(prior)
	if !ok || before != look {
		return false
	}
	attempt := claimOf(prior.unit.claims, prior.epoch)
	if attempt == nil || attempt.ended.Event == 0 || !attempt.ended.Is(prior.Process, prior.Incarnation) || !ownEnds[attempt.ended.Step] {
		return false
	}
	return attempt.ended.At < c.At && p.since.At < attempt.ended.At
}

func (i *noIdleBesideWork) pastUrgent(c *lookedClaim, s *submission, p *span, why string) error {
	violation := passedAMoreUrgentUnitBy.breachAtRest(c.unit.uid, p.since.Ref("let units of "+s.bid+" be claimed"),
		"%s claimed unit %s of %s, priority %d, at %s, although %s, priority %d, has had a unit to claim, and room for it, since %s: it %s",
		c.Who(), c.unit.uid, c.unit.sub.bid, c.priority, c.At, s.bid, s.now.Priority, p.since.At, why)
	return telling(violation, func(v *sim.Violation) {
		v.Second = c.Ref("claimed a unit of " + c.unit.sub.bid)
		v.Also = append(v.Also, s.key)
	})
}
