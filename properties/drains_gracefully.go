package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// drainsGracefully: a process that is asked to stop, and hindered by nothing
// else, is gone within DrainTimeout, and has given back what it owned: nothing
// of it must wait until its lease runs out, and no attempt counts for it.
//
// Deployments ask every process to stop, one after another. If each of them
// cost an attempt, two would kill every unit.
type drainsGracefully struct {
	watch
	drains   map[string]*drain // by incarnation
	suspects []suspicion
}

// drain is how an incarnation stopped that was asked to.
type drain struct {
	asked  sim.Moment
	exited sim.Moment // by itself
}

var (
	drainsGracefullySays = say("drains-gracefully")

	drainTakesTooLong   = drainsGracefullySays.clause("R14", "drain takes too long")
	drainBurntAnAttempt = drainsGracefullySays.clause("R12", "drain burnt an attempt")
)

func newDrainsGracefully(v *view) sim.Invariant {
	i := &drainsGracefully{drains: map[string]*drain{}}
	i.watch = v.watch(drainsGracefullySays, on{process: i.follow, unit: i.checkUnit})
	return i
}

// Settled takes whatever befell anybody around that time for an excuse, but that
// processes were asked to stop, with enough time: a drain needs the stores, and
// rows that others may have locked.
func (i *drainsGracefully) Settled(*sim.World) error {
	return i.unexcused(i.suspects, i.enough)
}

// follow notes who is asked to stop, and who is killed for not stopping.
func (i *drainsGracefully) follow(e *sim.Effect) error {
	if !i.judges() {
		return nil
	}
	who := e.Process + "/" + e.Incarnation
	d := i.drains[who]
	switch e.Happened {
	case sim.Terminated:
		i.drains[who] = &drain{asked: e.Moment()}
	case sim.Exited:
		if d != nil {
			d.exited = e.Moment()
		}
	case sim.Killed:
		if d == nil {
			return nil
		}
		asked := d.asked
		if took := e.At - asked.At; took > drifted(i.cfg.DrainTimeout)+time.Second+8*i.cfg.MaxLatency {
			i.suspects = append(i.suspects, suspicion{e.Process, asked.At, e.At, drainTakesTooLong.breach(e, who, asked.Ref("was asked to stop"), "was killed",
				"%s was asked to stop and is still there %s later; it may take %s", who, took, i.cfg.DrainTimeout)})
		}
	}
	return nil
}

// checkUnit judges how an attempt of a drained process ended.
func (i *drainsGracefully) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted || !i.judges() || c.before.State != schema.Processing || u.now.State == schema.Processing || u.sub.terminal() || c.byOwner() {
		return nil
	}
	owner := c.before.Worker + "/" + c.before.Incarnation
	d := i.drains[owner]
	if d == nil || d.exited.Event == 0 {
		return nil
	}
	i.suspects = append(i.suspects, suspicion{c.before.Worker, d.asked.At, d.exited.At, drainBurntAnAttempt.breach(c.by, u.uid, d.asked.Ref("was asked to stop"), "took the unit away",
		"%s was asked to stop, kept unit %s for itself, and was gone; its lease had to run out, which cost an attempt", owner, u.uid)})
	return nil
}

// judges reports whether drains are bounded, and nothing is late by itself.
func (i *drainsGracefully) judges() bool { return i.cfg.DrainTimeout != 0 && i.world.Timely() }
