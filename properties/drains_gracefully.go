package properties

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// drainsGracefully: a process that is asked to stop, and hindered by nothing
// else, is gone within DrainTimeout, and has given back what it owned: nothing
// of it must wait until its lease runs out, and no attempt counts for it. And
// whatever hinders it: one that has begun to give a unit back goes on trying for as
// long as it has. It lets the lead go, and its claim of a merge, before it is gone.
//
// Deployments ask every process to stop, one after another. If each of them
// cost an attempt, two would kill every unit.
type drainsGracefully struct {
	watch
	drains   map[string]*drain // by incarnation
	suspects []suspicion
	stubborn []suspicion // of not stopping, whatever the stores do
}

// drain is how an incarnation stopped that was asked to.
type drain struct {
	asked  sim.Moment
	exited sim.Moment // by itself
	tried  []string   // the keys of the rows that were read to give a unit back
}

var (
	drainsGracefullySays = say("drains-gracefully")

	drainTakesTooLong   = drainsGracefullySays.clause("R14", "drain takes too long")
	drainBurntAnAttempt = drainsGracefullySays.clause("R12", "drain burnt an attempt")
	drainGaveUpEarly    = drainsGracefullySays.clause("R12", "drain gave up early")
	drainKeptTheLead    = drainsGracefullySays.clause("R14", "drain kept the lead")
	drainKeptItsMerge   = drainsGracefullySays.clause("R14", "drain kept its merge")
)

func newDrainsGracefully(v *view) sim.Invariant {
	i := &drainsGracefully{drains: map[string]*drain{}}
	i.watch = v.watch(drainsGracefullySays, on{process: i.follow, unit: i.checkUnit, leader: i.checkLead, merge: i.checkMerge})
	return i
}

// Settled takes whatever befell anybody around that time for an excuse, but that
// processes were asked to stop, with enough time, and what is others' alone: a drain needs
// the stores, and rows that others may have locked.
func (i *drainsGracefully) Settled(*sim.World) error {
	others := func(s *suspicion, f *strike) bool { return i.enough(s, f) || anothers(s, f) }
	if err := i.unexcused(i.suspects, others); err != nil {
		return err
	}
	return i.unexcused(i.stubborn, harmless)
}

// follow notes who is asked to stop, and who is killed for not stopping.
func (i *drainsGracefully) follow(e *sim.Effect) error {
	if i.cfg.DrainTimeout == 0 {
		return nil
	}
	who := e.Process + "/" + e.Incarnation
	d := i.drains[who]
	switch e.Happened {
	case sim.Terminated:
		if d == nil { // its time runs from when it was asked first
			i.drains[who] = &drain{asked: e.Moment()}
		}
	case sim.Exited:
		if d != nil {
			d.exited = e.Moment()
			i.checkLate(e, d, "was gone")
		}
	case sim.Killed:
		if d != nil {
			i.checkLate(e, d, "was killed")
		}
	}
	return nil
}

// checkLate judges how long a process was still there. What the stores do is no excuse
// for long: a commit that has begun may take OpTimeout, and then the time runs.
func (i *drainsGracefully) checkLate(e *sim.Effect, d *drain, what string) {
	took := e.At - d.asked.At
	late := took - drifted(i.cfg.DrainTimeout) - time.Second - 8*i.cfg.MaxLatency
	if late <= 0 || !i.judges() {
		return
	}
	who := e.Process + "/" + e.Incarnation
	s := suspicion{e.Process, d.asked.At, e.At, drainTakesTooLong.breach(e, who, d.asked.Ref("was asked to stop"), what,
		"%s was asked to stop and was still there %s later; it may take %s", who, took, i.cfg.DrainTimeout)}
	if i.suspects = append(i.suspects, s); late > drifted(i.cfg.OpTimeout) {
		i.stubborn = append(i.stubborn, s)
	}
}

// checkUnit judges how an attempt of a drained process ended.
func (i *drainsGracefully) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted || c.before.State != schema.Processing || u.now.State == schema.Processing || u.sub.terminal() || c.byOwner() {
		return nil
	}
	owner := c.before.Worker + "/" + c.before.Incarnation
	d := i.drains[owner]
	if d == nil || d.exited.Event == 0 || i.givenUp(u, d) {
		return nil
	}
	if err := i.checkEarly(c, d); err != nil || !i.judges() || !i.leavesTime() {
		return err
	}
	i.suspects = append(i.suspects, suspicion{c.before.Worker, d.asked.At, d.exited.At, drainBurntAnAttempt.breach(c.by, u.uid, d.asked.Ref("was asked to stop"), "took the unit away",
		"%s was asked to stop, kept unit %s for itself, and was gone; its lease had to run out, which cost an attempt", owner, u.uid)})
	return nil
}

// checkLead judges whom the lead is taken from: who was asked to stop while it led, and is
// gone, should have named no leader.
func (i *drainsGracefully) checkLead(c *leaderChange) error {
	owner := c.before.Worker + "/" + c.before.Incarnation
	d := i.drains[owner]
	if !c.taken() || !c.existed || d == nil || !i.keptByDrain(d, c.began, c.beaten, i.cfg.ScannerLease) {
		return nil
	}
	i.suspects = append(i.suspects, suspicion{c.before.Worker, d.asked.At, d.exited.At, drainKeptTheLead.breach(c.by, c.key, d.asked.Ref("was asked to stop"), "took the lead",
		"%s led, was asked to stop, and was gone without having let the lead go: nothing was discovered until it had not moved for %s", owner, i.cfg.ScannerLease)})
	return nil
}

// checkMerge judges whom a merge is taken from likewise.
func (i *drainsGracefully) checkMerge(c *mergeChange) error {
	owner := c.before.Worker + "/" + c.before.Incarnation
	d, m := i.drains[owner], &c.sub.merge
	own := claimOf(m.claims, c.before.Gen)
	if !c.claimed() || !c.existed || own == nil || d == nil || !i.keptByDrain(d, own.Moment, c.beaten, i.cfg.StaleAfter-i.cfg.FenceMargin) {
		return nil
	}
	i.suspects = append(i.suspects, suspicion{c.before.Worker, d.asked.At, d.exited.At, drainKeptItsMerge.breach(c.by, c.sub.bid, d.asked.Ref("was asked to stop"), "took the merge over",
		"%s merged %s, was asked to stop, and was gone without having let its claim go: the merge had to wait until it had not moved for %s", owner, c.sub.bid, i.cfg.StaleAfter)})
	return nil
}

// keptByDrain reports whether a process that is gone was asked to stop when it knew for sure
// that something was its own: it had claimed it well before, and had kept it.
func (i *drainsGracefully) keptByDrain(d *drain, claimed, kept sim.Moment, holds time.Duration) bool {
	knew := d.asked.At-claimed.At > 16*i.cfg.MaxLatency && d.asked.At-kept.At < hurried(holds)-i.cfg.OpTimeout
	return knew && d.exited.Event != 0 && i.judges() && i.leavesTime()
}

// leavesTime reports whether a drain is as long as it takes to store what is under way,
// to save it, and to give the unit back: two transactions, of five to seven requests each,
// the second perhaps again after a conflict, in a network as slow as it may be.
func (i *drainsGracefully) leavesTime() bool {
	return i.cfg.DrainTimeout >= 40*i.cfg.MaxLatency
}

// givenUp reports whether the owner had fenced itself before it was asked to stop: its
// last beat was too long ago, and nobody had taken the unit away yet. It had nothing to
// give back any more (R8). It counts from when it sent the beat.
func (i *drainsGracefully) givenUp(u *unit, d *drain) bool {
	return d.asked.At-u.lastBeat.At >= hurried(i.cfg.StaleAfter-i.cfg.FenceMargin)-i.cfg.OpTimeout
}

// ObserveCall notes what is about to be given back.
func (i *drainsGracefully) ObserveCall(_ *sim.World, c *sim.Call) {
	if c.Step != "release_unit" {
		return
	}
	if d := i.drains[who(c)]; d != nil && !slices.Contains(d.tried, c.Key) {
		d.tried = append(d.tried, c.Key)
	}
}

// checkEarly judges whether a process gave up what it could have tried again: it was
// gone before its time was over. A batch that is about to end takes nothing back.
func (i *drainsGracefully) checkEarly(c *unitChange, d *drain) error {
	u, took := c.unit, d.exited.At-d.asked.At
	if !slices.Contains(d.tried, u.key) || took >= hurried(i.cfg.DrainTimeout) || !u.sub.startsUnits(i.view) {
		return nil
	}
	return drainGaveUpEarly.breach(c.by, u.uid, d.exited.Ref("was gone"), "took the unit away",
		"%s/%s was asked to stop, began to give unit %s back, has not, and was gone %s later; it could have tried for %s", c.before.Worker, c.before.Incarnation, u.uid, took, i.cfg.DrainTimeout)
}

// judges reports whether drains are bounded, and nothing is late by itself.
func (i *drainsGracefully) judges() bool { return i.cfg.DrainTimeout != 0 && i.world.Timely() }
