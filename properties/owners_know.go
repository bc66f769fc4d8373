package properties

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// ownersKnow: who owns a unit knows it, and shows it: a living owner beats at
// once, and as long as it works. One whose lease never moved, although nothing
// stood in its way for as long as a beat takes, claimed without knowing: its
// claim came back with an unknown outcome, and it looked no further. One that
// stores parts of its output and beats no more has lost its heartbeat.
//
// And an owner that could not renew its lease, or its claim of a merge, stops by itself,
// FenceMargin before others may take the unit or the merge away: it writes nothing of it
// to the object store any more, unless it was stopped or slow itself, or the request was.
//
// As long as an attempt or a merge lasts its owner asks for renewals, every Heartbeat and
// whatever becomes of them; a leader renews before it begins a transaction of a discovery,
// once a third of its lease is over. Who ends its heartbeat before its work is late only where
// the end takes long, and dead then.
//
// An epoch is one attempt: its lease is not kept by two tasks by turns, as two would
// that each take the claim for theirs.
//
// The unit waits for a lease to run out that nobody holds, and an attempt of it
// is gone; or two work on it at once.
type ownersKnow struct {
	watch
	worked   map[*unit]sim.Moment // when its owner last had an effect on its objects
	keepers  map[*lease]keeper    // who raised its beat last
	merges   map[generation]sim.Moment
	suspects []suspicion
	outworks []outwork
	beats    beats
}

// outwork is a write long after the last renewal that is known: of commits some are
// judged later than they happen.
type outwork struct {
	lease string // its key
	merge generation
	suspicion
}

// generation is one claim of a merge.
type generation struct {
	key string
	gen uint64
}

// keeper is who keeps a lease under an epoch.
type keeper struct {
	epoch      uint64
	task, past string // who keeps it, and who did so before
	sim.Moment        // of its last beat
}

var (
	ownersKnowSays = say("owners-know")

	ownerThatWorksAndDoesNotBeat = ownersKnowSays.clause("R8", "owner that works and does not beat")
	ownerThatDoesNotKnow         = ownersKnowSays.clause("R4", "owner that does not know")
	twoAttemptsOfOneEpoch        = ownersKnowSays.clause("R14", "two attempts of one epoch")
	ownerThatOutworksItsLease    = ownersKnowSays.clause("R8", "owner that outworks its lease")
	mergerThatOutworksItsClaim   = ownersKnowSays.clause("R8", "merger that outworks its claim")
)

func newOwnersKnow(v *view) sim.Invariant {
	i := &ownersKnow{worked: map[*unit]sim.Moment{}, keepers: map[*lease]keeper{}, merges: map[generation]sim.Moment{}, beats: newBeats()}
	i.watch = v.watch(ownersKnowSays, on{object: i.noteWork, unit: i.check, lease: i.noteRenewed, merge: i.noteMergeRenewed, batch: i.checkPublished})
	return i
}

func (i *ownersKnow) noteWork(c *objectChange) error {
	if u := c.object.unit; !c.by.Late && u != nil && u.ownedBy(c.by.Process, c.by.Incarnation) {
		i.worked[u] = c.by.Moment()
	}
	return nil
}

func (i *ownersKnow) Settled(*sim.World) error {
	for n := range i.suspects {
		if s := &i.suspects[n]; i.quiet(s.from, s.until) {
			return s.violation
		}
	}
	for n := range i.outworks {
		if o := &i.outworks[n]; !i.excused(&o.suspicion, harmless) {
			return o.violation
		}
	}
	return i.silent()
}

// holds is for how long a renewal lets its owner write, with the requests' way.
func (i *ownersKnow) holds() time.Duration {
	return i.cfg.StaleAfter - i.cfg.FenceMargin + 4*i.cfg.MaxLatency
}

// noteRenewed clears those writes that a renewal allows.
func (i *ownersKnow) noteRenewed(c *leaseChange) error {
	if c.deleted {
		return nil
	}
	if len(i.outworks) > 0 {
		i.outworks = slices.DeleteFunc(i.outworks, func(o outwork) bool {
			return o.lease == c.key && c.by.At <= o.until && o.until <= c.by.At+i.holds()
		})
	}
	return i.checkKeeper(c)
}

// noteMergeRenewed notes a claim, or its renewal, and clears those writes that it allows.
func (i *ownersKnow) noteMergeRenewed(c *mergeChange) error {
	m := &c.sub.merge
	if c.deleted || c.existed && m.now.Gen == c.before.Gen && m.now.Beat == c.before.Beat {
		return nil
	}
	of := generation{c.key, m.now.Gen}
	i.merges[of] = c.by.Moment()
	if len(i.outworks) > 0 {
		i.outworks = slices.DeleteFunc(i.outworks, func(o outwork) bool {
			return o.merge == of && c.by.At <= o.until && o.until <= c.by.At+i.holds()
		})
	}
	return nil
}

// checkKeeper judges by whom a lease is kept: a task may pass it on to another, and
// may not go on itself then.
func (i *ownersKnow) checkKeeper(c *leaseChange) error {
	l, task := c.lease, c.by.Task
	if !c.existed || c.before.Epoch != l.now.Epoch || l.now.Beat == c.before.Beat {
		return nil // a claim, or nothing new
	}
	k := i.keepers[l]
	if k.epoch == l.now.Epoch && k.past == task && k.task != task {
		return twoAttemptsOfOneEpoch.breach(c.by, c.unit.uid, k.Ref(k.task+" raised the beat"), task+" raised the beat",
			"%s and %s of %s/%s keep the lease of unit %s by turns: one of them beats at epoch %d for what is not its own", k.task, task, c.by.Process, c.by.Incarnation, c.unit.uid, k.epoch)
	}
	past := ""
	if k.epoch == l.now.Epoch {
		if past = k.past; k.task != task {
			past = k.task
		}
	}
	i.keepers[l] = keeper{l.now.Epoch, task, past, c.by.Moment()}
	return nil
}

// harmless reports whether a fault neither stops the owner, nor its clock, nor holds
// its requests back.
func harmless(s *suspicion, f *strike) bool {
	switch f.fault.Kind.(type) {
	case *fault.Pause, *fault.Slow, *fault.Drift:
		return f.fault.At.Process != "" && f.fault.At.Process != s.process
	case *fault.Delay, *fault.DuplicateRequest:
		return false
	}
	return true
}

// ObserveCall judges what an attempt writes to the object store by its lease, and what a
// merge does by its claim: the owner counts from when it sent the last renewal, which was
// before that landed.
func (i *ownersKnow) ObserveCall(w *sim.World, c *sim.Call) {
	i.noteBeat(c)
	if i.cfg.FenceMargin == 0 || !w.Timely() || c.Late {
		return
	}
	switch c.Op {
	case ops.Put, ops.CreateUpload, ops.UploadPart, ops.CompleteUpload:
	default:
		return
	}
	switch k := schema.SplitObjectKey(c.Key); k.Area {
	case schema.Staging:
		i.checkOutwork(c, &k)
	case schema.Dataset:
		i.checkMergeOutwork(c, &k)
	}
}

func (i *ownersKnow) checkOutwork(c *sim.Call, k *schema.ObjectKey) {
	u := i.unitOf[k.UID]
	if u == nil {
		return
	}
	at := len(u.claims) - 1
	for at >= 0 && !u.claims[at].Is(c.Process, c.Incarnation) {
		at--
	}
	if at < 0 {
		return // its claim is not judged yet
	}
	i.checkBeat(&u.claims, &u.claims[at], u.key, c.At, func(from sim.EventRef, silent time.Duration) error {
		return telling(ownerThatRenewsTooSeldom.breachOfCall(c, from, "wrote "+c.Key,
			"%s did %s for unit %s %s after it had last asked for a renewal of its lease; it must ask every %s as long as the attempt lasts", who(c), c.Op, u.uid, silent, i.cfg.Heartbeat),
			func(v *sim.Violation) { v.Subject = u.uid })
	})
	renewed := u.claims[at].Moment
	key := u.leaseKey(c.Process, c.Incarnation)
	if l := i.leases[key]; l != nil && l.beaten.At > renewed.At {
		renewed = l.beaten
	}
	if worked := c.At - renewed.At; worked > i.holds() {
		did := "renewed the lease"
		if renewed.Event == u.claims[at].Event {
			did = "claimed the unit"
		}
		violation := ownerThatOutworksItsLease.breachOfCall(c, renewed.Ref(did), "wrote "+c.Key,
			"%s did %s for unit %s %s after it had renewed its lease for the last time; it must stop by itself after %s, %s before others may take the unit away",
			who(c), c.Op, u.uid, worked, i.cfg.StaleAfter-i.cfg.FenceMargin, i.cfg.FenceMargin)
		violation = telling(violation, func(v *sim.Violation) { v.Subject = u.uid })
		i.outworks = append(i.outworks, outwork{lease: key, suspicion: suspicion{c.Process, renewed.At, c.At, expecting(violation, c.Process, "heartbeat", key)}})
	}
}

func (i *ownersKnow) checkMergeOutwork(c *sim.Call, k *schema.ObjectKey) {
	for _, s := range i.order {
		if s.gen != k.Gen || strings.TrimSuffix(s.now.Output, "/") != k.Output {
			continue
		}
		own := claimOf(s.merge.claims, k.Epoch)
		if own == nil || !own.Is(c.Process, c.Incarnation) {
			continue // its claim is not judged yet
		}
		i.checkBeat(&s.merge.claims, own, s.merge.key, c.At, func(from sim.EventRef, silent time.Duration) error {
			return telling(ownerThatRenewsTooSeldom.breachOfCall(c, from, "wrote "+c.Key,
				"%s did %s for generation %d of the merge of %s %s after it had last asked for a renewal of its claim; it must ask every %s as long as the merge lasts", who(c), c.Op, k.Epoch, s.bid, silent, i.cfg.Heartbeat),
				func(v *sim.Violation) { v.Subject = s.bid })
		})
		of := generation{s.merge.key, k.Epoch}
		renewed := i.merges[of]
		if worked := c.At - renewed.At; worked > i.holds() {
			violation := mergerThatOutworksItsClaim.breachOfCall(c, renewed.Ref("renewed the claim"), "wrote "+c.Key,
				"%s did %s for generation %d of the merge of %s %s after it had renewed its claim for the last time; it must stop by itself after %s, %s before others may take the merge over",
				who(c), c.Op, k.Epoch, s.bid, worked, i.cfg.StaleAfter-i.cfg.FenceMargin, i.cfg.FenceMargin)
			violation = telling(violation, func(v *sim.Violation) { v.Subject, v.Also = s.bid, []string{s.key, k.Prefix} })
			i.outworks = append(i.outworks, outwork{merge: of, suspicion: suspicion{c.Process, renewed.At, c.At, expecting(violation, c.Process, "renew_merge", s.merge.key)}})
		}
	}
}

// check judges the owner that a unit was taken from.
func (i *ownersKnow) check(c *unitChange) error {
	u, e := c.unit, c.by
	i.checkEnd(c)
	if c.deleted || c.before.State != schema.Processing || u.now.State == schema.Processing || !i.world.Timely() {
		return nil
	}
	own := claimOf(u.claims, c.before.Epoch)
	if own == nil || u.sub.terminal() || own.Is(e.Process, e.Incarnation) {
		return nil
	}
	if alive, _ := i.lives(own.owner, own.ownerInc); !alive {
		return nil
	}
	beat := u.lastBeat.At
	if work := i.worked[u]; work.At > beat && work.Is(own.owner, own.ownerInc) {
		until := min(work.At, beat+i.cfg.StaleAfter*3/4)
		violation := ownerThatWorksAndDoesNotBeat.breach(e, u.uid, u.lastBeat.Ref("beat for the last time"), "took the unit away",
			"%s worked on unit %s until %s after its last beat (its last effect on the unit's objects: event %d at %.3fs), and nothing stood in its way: its heartbeat has ended before its work",
			own.Who(), u.uid, work.At-beat, work.Event, work.At.Seconds())
		i.suspects = append(i.suspects, suspicion{own.owner, beat, until, expecting(violation, own.owner, "heartbeat", u.leaseKey(own.owner, own.ownerInc))})
	}
	if u.lastBeat.Event != own.Event {
		return nil
	}
	violation := ownerThatDoesNotKnow.breach(e, u.uid, own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch)), "took the unit away",
		"%s claimed unit %s at epoch %d, lives, and never beat in the %s until the unit was taken away, although nothing stood in its way", own.Who(), u.uid, own.epoch, e.At-own.At)
	i.suspects = append(i.suspects, suspicion{own.owner, own.At, own.At + i.cfg.StaleAfter*3/4, expecting(violation, own.owner, "heartbeat", u.leaseKey(own.owner, own.ownerInc))})
	return nil
}

// lockTTL is for how long TiKV protects the locks of a small transaction: of one whose
// commit was lost, too, whoever tries next meets them, its own process among them.
const lockTTL = 3 * time.Second

// quiet reports whether there was a time without faults in which a beat would
// have come through: a transaction that a fault had caught times out, and so do
// the locks that it left, and the owner tries again.
func (i *ownersKnow) quiet(from, until time.Duration) bool {
	needed := drifted(max(i.cfg.OpTimeout, lockTTL)+i.cfg.Heartbeat/4) + time.Second + 16*i.cfg.MaxLatency
	for n := range i.faults {
		f := &i.faults[n]
		if lasts := f.fault.Kind.Lasts(); f.at-lasts <= until {
			from = max(from, f.at+lasts)
		}
	}
	return until-from > needed
}
