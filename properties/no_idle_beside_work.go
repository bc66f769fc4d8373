package properties

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// noIdleBesideWork: no worker stays idle for two polls while a unit can be
// claimed, one that is pending in a batch that lets units start and has room for
// another: not unless a fault is near, and after the faults have stopped, with
// some slack to recover, not at all. Nor is a unit claimed while a batch of a higher
// priority has had one to claim, and room for it, for that long. And what a worker sees it
// claims: a look at the queue that finds nothing is over only if its snapshot holds nothing to
// claim, and who claims had no more urgent unit in the snapshot of its last look, which is from
// after the attempt that it made before.
//
// A queue whose head blocks what is behind it starves batches that nothing is
// wrong with.
type noIdleBesideWork struct {
	watch
	due      due
	healed   bool // the world had healed when that was waited for
	worker   string
	idle     time.Duration              // since when that worker has had a free slot
	offers   map[*submission]sim.Moment // since when it has had something to claim
	suspects []suspicion
	spans    map[*submission][]span
	looking  map[tasked]*queueLook
	looks    []queueLook         // in the order of their ends
	begun    map[tasked][]uint64 // the snapshots of all looks, ended or not
	claims   []lookedClaim
}

var (
	noIdleBesideWorkSays = say("no-idle-beside-work")

	lessUrgentUnitClaimedFirst = noIdleBesideWorkSays.clause("R13", "less urgent unit claimed first")

	passedAClaimableUnitBy  = noIdleBesideWorkSays.clause("R18", "looked at the queue and passed a claimable unit by")
	passedAMoreUrgentUnitBy = noIdleBesideWorkSays.clause("R13", "claimed past a more urgent unit")

	idleWorkerBesideAClaimableUnit = noIdleBesideWorkSays.clause("R13", "idle worker beside a claimable unit")
)

func newNoIdleBesideWork(v *view) sim.Invariant {
	i := &noIdleBesideWork{
		offers: map[*submission]sim.Moment{}, spans: map[*submission][]span{}, looking: map[tasked]*queueLook{}, begun: map[tasked][]uint64{},
	}
	i.watch = v.watch(noIdleBesideWorkSays, on{unit: i.checkClaimed, commit: i.noteOffers, always: i.watchWorkers})
	return i
}

// noteOffers notes which batches have something to claim.
func (i *noIdleBesideWork) noteOffers(e *sim.Effect) error {
	if !i.changed(unitRows | batchRows) {
		return nil
	}
	for _, s := range i.order {
		if !s.startsUnits(i.view) || s.full() || !slices.ContainsFunc(s.units, func(u *unit) bool { return u.now.State == schema.Pending }) {
			if _, known := i.offers[s]; known {
				i.spans[s][len(i.spans[s])-1].to = e.Commit.CommitTS
			}
			delete(i.offers, s)
		} else if _, known := i.offers[s]; !known {
			i.offers[s] = e.Moment()
			i.spans[s] = append(i.spans[s], span{from: e.Commit.CommitTS, since: e.Moment()})
		}
	}
	return nil
}

// checkClaimed judges a claim by what there was to claim before: whoever made it has
// looked at the batches, the most urgent first, within that time.
func (i *noIdleBesideWork) checkClaimed(c *unitChange) error {
	if !c.claimed() {
		return nil
	}
	i.noteClaim(c)
	if len(i.offers) == 0 || !i.world.Timely() {
		return nil
	}
	for _, s := range i.order {
		since, open := i.offers[s]
		if from := c.by.At - i.bound(); open && since.At < from && s.now.Priority > c.unit.sub.now.Priority {
			i.suspects = append(i.suspects, suspicion{c.by.Process, from, c.by.At, lessUrgentUnitClaimedFirst.breach(c.by, c.unit.uid, since.Ref("let units of "+s.bid+" be claimed"), "claimed a unit of "+c.unit.sub.bid,
				"unit %s of %s, priority %d, was claimed while %s, priority %d, has had a unit to claim, and room for it, for %s",
				c.unit.uid, c.unit.sub.bid, c.unit.sub.now.Priority, s.bid, s.now.Priority, c.by.At-since.At)})
		}
	}
	return nil
}

func (i *noIdleBesideWork) watchWorkers(e *sim.Effect) error {
	healed, ok := i.world.Healed()
	if !ok && !i.world.Timely() {
		return nil
	}
	err := i.check(e.At)
	if !i.due.armed || ok != i.healed || i.changed(unitRows|batchRows) || e.Kind == sim.EffectProcess {
		if i.healed = ok; ok {
			healed += i.cfg.slack()
		}
		i.wait(healed)
	}
	return err
}

func (i *noIdleBesideWork) Settled(w *sim.World) error {
	if err := i.unexcused(i.suspects, elsewhere); err != nil {
		return err
	}
	if err := i.checkLooks(w); err != nil {
		return err
	}
	if err := i.checkClaims(); err != nil {
		return err
	}
	return i.check(w.Now())
}

// elsewhere reports whether a fault of another process is over for this one: the
// locks that it may have left have run out.
func elsewhere(s *suspicion, f *strike) bool {
	const locks = 20 * time.Second
	return !fault.Is[*fault.Outage](f.fault) && f.fault.At.Process != s.process && f.at+locks < s.from
}

// bound is how long a worker may stay idle: claims of one batch conflict, so some
// back off, and look again.
func (i *noIdleBesideWork) bound() time.Duration {
	return 2*drifted(i.cfg.Poll+i.cfg.OpTimeout) + time.Second
}

func (i *noIdleBesideWork) wait(from time.Duration) {
	i.due = due{armed: true}
	var ok bool
	if i.worker, i.idle, ok = i.idlest(); !ok {
		return
	}
	for _, s := range i.order {
		if !s.startsUnits(i.view) || s.full() {
			continue
		}
		for _, u := range s.units {
			if u.now.State == schema.Pending {
				changed := i.world.LastWrite(u.key)
				i.due.earlier(due{at: max(from, i.idle, changed.At, s.room) + i.bound(), unit: u, since: changed})
			}
		}
	}
}

// full reports whether the batch executes as many units as it may.
func (s *submission) full() bool {
	return s.now.Parallelism != 0 && s.processing() >= s.now.Parallelism
}

// idlest finds the worker that has had a free slot for longest, and since when.
func (i *noIdleBesideWork) idlest() (worker string, since time.Duration, ok bool) {
	for _, name := range i.cfg.Workers {
		p := i.processes[name]
		if p == nil || !p.alive || p.draining || i.busy(p) {
			continue
		}
		if at := max(p.since.At, p.freed); !ok || at < since {
			worker, since, ok = name, at, true
		}
	}
	return worker, since, ok
}

// busy reports whether every slot of a worker has a unit.
func (i *noIdleBesideWork) busy(p *process) bool {
	units := 0
	for _, s := range i.order {
		for _, u := range s.units {
			if u.ownedBy(p.name, p.incarnation) {
				units++
			}
		}
	}
	return units >= i.cfg.Slots
}

func (i *noIdleBesideWork) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	violation := expecting(idleWorkerBesideAClaimableUnit.breachOverdue(i.world, d.unit.uid, d.since.Ref("left the unit pending"),
		"unit %s can be claimed, and worker %s, which has had a free slot since %.3fs, has not claimed it by %.3fs; it is to look every %s", d.unit.uid, i.worker, i.idle.Seconds(), d.at.Seconds(), i.cfg.Poll), i.worker, "claim_unit", d.unit.uid)
	if i.healed {
		return violation
	}
	i.suspects = append(i.suspects, suspicion{i.worker, d.at - i.bound(), at, violation})
	i.due = due{armed: true} // until something changes
	return nil
}
