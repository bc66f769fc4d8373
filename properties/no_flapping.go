package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// noFlapping: nobody takes a unit, a merge or the leadership away from an owner
// whose beat moved within the stale period, whatever clocks it is measured by;
// and nobody takes one away from a living owner at all that no fault has
// silenced.
//
// Owners that take work from each other never finish it.
type noFlapping struct {
	watch
	suspects []suspicion
}

var (
	noFlappingSays = say("no-flapping")

	unitTakenFromAnOwnerThatBeats       = noFlappingSays.clause("R8", "unit taken from an owner that beats")
	unitTakenFromALivingOwner           = noFlappingSays.clause("R8", "unit taken from a living owner")
	mergeTakenFromAnOwnerThatBeats      = noFlappingSays.clause("R8", "merge taken from an owner that beats")
	mergeTakenFromALivingOwner          = noFlappingSays.clause("R8", "merge taken from a living owner")
	leadershipTakenFromAnOwnerThatBeats = noFlappingSays.clause("R8", "leadership taken from an owner that beats")
	leadershipTakenFromALivingOwner     = noFlappingSays.clause("R8", "leadership taken from a living owner")
)

func newNoFlapping(v *view) sim.Invariant {
	i := &noFlapping{}
	i.watch = v.watch(noFlappingSays, on{unit: i.checkUnit, merge: i.checkMerge, leader: i.checkLeader})
	return i
}

func (i *noFlapping) Settled(*sim.World) error { return i.unexcused(i.suspects, nil) }

// loss is somebody's loss of what was theirs.
type loss struct {
	what, subject   string
	step, key       string // in which its owner beats, and the row
	owner, inc      string
	beaten          sim.Moment // the last beat before it
	stale           time.Duration
	round           time.Duration // the period at which observers look
	beating, living *clause       // that it breaks if the owner beat, or lived
}

func (i *noFlapping) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted || c.before.State != schema.Processing || u.sub.terminal() || c.byOwner() {
		return nil
	}
	return i.judge(c.by, &loss{
		"unit", u.uid, "heartbeat", u.leaseKey(c.before.Worker, c.before.Incarnation), c.before.Worker, c.before.Incarnation, u.lastBeat, i.cfg.StaleAfter, i.cfg.ReapEvery,
		unitTakenFromAnOwnerThatBeats, unitTakenFromALivingOwner,
	})
}

func (i *noFlapping) checkMerge(c *mergeChange) error {
	if !c.existed || !c.claimed() || c.before.Worker == "" {
		return nil
	}
	return i.judge(c.by, &loss{
		"merge", c.sub.bid, "renew_merge", c.key, c.before.Worker, c.before.Incarnation, c.beaten, i.cfg.StaleAfter, i.cfg.MergePoll,
		mergeTakenFromAnOwnerThatBeats, mergeTakenFromALivingOwner,
	})
}

func (i *noFlapping) checkLeader(c *leaderChange) error {
	if !c.existed || !c.taken() || c.before.Worker == "" {
		return nil
	}
	return i.judge(c.by, &loss{
		"leadership", c.key, "", c.key, c.before.Worker, c.before.Incarnation, c.beaten, i.cfg.ScannerLease, i.cfg.ScanEvery,
		leadershipTakenFromAnOwnerThatBeats, leadershipTakenFromALivingOwner,
	})
}

func (i *noFlapping) judge(e *sim.Effect, l *loss) error {
	by := e.Process + "/" + e.Incarnation
	if silent := e.At - l.beaten.At; silent < i.soonest(l.stale) {
		return l.beating.breach(e, l.subject, l.beaten.Ref("beat"), "took the "+l.what+" away",
			"%s took the %s %s away from %s/%s, whose last beat was %s ago; it is stale after %s", by, l.what, l.subject, l.owner, l.inc, silent, l.stale)
	}
	if alive, _ := i.lives(l.owner, l.inc); !alive || l.beaten.Event == 0 {
		return nil
	}
	whose, why := "away from "+l.owner+"/"+l.inc+", which is alive and", "no fault has silenced it"
	if by == l.owner+"/"+l.inc {
		whose, why = "over from itself,", "it had given up, and no fault is to blame"
	}
	violation := expecting(l.living.breach(e, l.subject, l.beaten.Ref("beat"), "took the "+l.what+" away",
		"%s took the %s %s %s whose last beat was %s ago; %s", by, l.what, l.subject, whose, e.At-l.beaten.At, why), l.owner, l.step, l.key)
	if healed, ok := i.world.Healed(); ok && e.At > healed+drifted(l.stale+2*l.round)+i.cfg.slack() {
		return violation
	}
	if i.world.Timely() {
		i.suspects = append(i.suspects, suspicion{l.owner, l.beaten.At, e.At, violation})
	}
	return nil
}
