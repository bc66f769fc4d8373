package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// drainsGracefully: a process that is asked to stop, and hindered by nothing
// else, is gone within DrainTimeout, and has given back what it owned: nothing
// of it must wait until its lease runs out, and no attempt counts for it.
//
// Deployments ask every process to stop, one after another. If each of them
// cost an attempt, two would kill every unit.
type drainsGracefully struct {
	*view
	drains   map[string]*drain // by incarnation
	suspects []suspicion
}

// drain is how an incarnation stopped that was asked to.
type drain struct {
	asked  moment
	exited moment // by itself
}

func newDrainsGracefully(v *view) *drainsGracefully {
	return &drainsGracefully{view: v, drains: map[string]*drain{}}
}

func (i *drainsGracefully) Name() string { return "drains-gracefully" }

func (i *drainsGracefully) Observe(w *sim.World, e *sim.Effect) error {
	if i.cfg.DrainTimeout == 0 || !w.Timely() {
		return nil
	}
	if e.Kind == sim.EffectProcess {
		i.follow(e)
		return nil
	}
	for n := range i.changes {
		if c := &i.changes[n]; c.kind == kindUnit && !c.deleted {
			i.checkUnit(e, c.unit)
		}
	}
	return nil
}

// Settled takes whatever befell anybody around that time for an excuse, but that
// processes were asked to stop, with enough time: a drain needs the stores, and
// rows that others may have locked.
func (i *drainsGracefully) Settled(*sim.World) error {
	return i.unexcused(i.suspects, func(s *suspicion, f *strike) bool {
		stop, ok := f.fault.Kind.(*fault.Terminate)
		return ok && (f.fault.At.Process == s.process || stop.Grace >= i.cfg.DrainTimeout)
	})
}

// follow notes who is asked to stop, and who is killed for not stopping.
func (i *drainsGracefully) follow(e *sim.Effect) {
	who := e.Process + "/" + e.Incarnation
	d := i.drains[who]
	switch e.Happened {
	case sim.Terminated:
		i.drains[who] = &drain{asked: momentOf(e)}
	case sim.Exited:
		if d != nil {
			d.exited = momentOf(e)
		}
	case sim.Killed:
		if d == nil {
			return
		}
		asked := d.asked
		if took := e.At - asked.at; took > drifted(i.cfg.DrainTimeout)+time.Second+8*i.cfg.MaxLatency {
			i.suspects = append(i.suspects, suspicion{e.Process, asked.at, e.At, breach("R14", "drain takes too long", who, asked.ref("was asked to stop"), e, "was killed",
				fmt.Sprintf("%s was asked to stop and is still there %s later; it may take %s", who, took, i.cfg.DrainTimeout))})
		}
	}
}

// checkUnit judges how an attempt of a drained process ended.
func (i *drainsGracefully) checkUnit(e *sim.Effect, u *unit) {
	if u.before != stateProcessing || u.state == stateProcessing || u.sub.terminal() || e.Process == u.was.worker && e.Incarnation == u.was.incarnation {
		return
	}
	owner := u.was.worker + "/" + u.was.incarnation
	d := i.drains[owner]
	if d == nil || d.exited.event == 0 {
		return
	}
	i.suspects = append(i.suspects, suspicion{u.was.worker, d.asked.at, d.exited.at, breach("R12", "drain burnt an attempt", u.uid, d.asked.ref("was asked to stop"), e, "took the unit away",
		fmt.Sprintf("%s was asked to stop, kept unit %s for itself, and was gone; its lease had to run out, which cost an attempt", owner, u.uid))})
}
