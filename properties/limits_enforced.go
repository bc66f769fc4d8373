package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// limitsEnforced: never are more units of a batch in execution than its
// parallelism allows; an attempt that takes longer than UnitTimeout is stopped,
// and nothing but slow work excuses it; and once the faults have stopped, a batch more of whose
// attempts have failed than its back-off limit allows fails within two rounds
// of the controller, and some slack.
//
// The first protects whatever the conversions share, the second a slot from a
// conversion that hangs, and the third everybody else from a batch that only
// ever fails.
type limitsEnforced struct {
	*view
	due      due
	suspects []suspicion
}

func (i *limitsEnforced) Name() string { return "limits-enforced" }

func (i *limitsEnforced) Observe(w *sim.World, e *sim.Effect) error {
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindUnit || c.deleted {
			continue
		}
		if c.unit.claimed() {
			if err := i.checkParallelism(e, c.unit); err != nil {
				return err
			}
		}
		if c.unit.before == stateProcessing && w.Timely() {
			i.checkDuration(e, c.unit)
		}
	}
	healed, ok := w.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.touched&(1<<kindUnit|1<<kindBatch) != 0 {
		i.wait(healed)
	}
	return i.check(e.At)
}

func (i *limitsEnforced) Settled(w *sim.World) error {
	if err := i.unexcused(i.suspects, func(_ *suspicion, f *strike) bool { return fault.Is[*fault.Slow](f.fault) }); err != nil {
		return err
	}
	return i.check(w.Now())
}

// checkDuration judges an attempt that has ended.
func (i *limitsEnforced) checkDuration(e *sim.Effect, u *unit) {
	c := claimOf(u.claims, u.was.epoch)
	if c == nil || i.cfg.UnitTimeout == 0 {
		return
	}
	if took := e.At - c.at; took > drifted(i.cfg.UnitTimeout)+i.cfg.slack() && c.is(e.Process, e.Incarnation) {
		i.suspects = append(i.suspects, suspicion{c.owner, c.at, e.At, breach("R14", "attempt not stopped", u.uid, c.ref(fmt.Sprintf("claimed epoch %d", c.epoch)), e, u.edge(),
			fmt.Sprintf("the attempt of %s at unit %s took %s; it should have been stopped after %s", c.who(), u.uid, took, i.cfg.UnitTimeout))})
	}
}

func (i *limitsEnforced) checkParallelism(e *sim.Effect, u *unit) error {
	running := int64(0)
	for _, other := range u.sub.units {
		if other.state == stateProcessing {
			running++
		}
	}
	if limit := u.sub.row.parallelism; limit != 0 && running > limit {
		return breach("R3", "more units in execution than allowed", u.sub.bid, sim.EventRef{}, e, "claimed unit "+u.uid,
			fmt.Sprintf("%d units of %s are in execution; its parallelism is %d", running, u.sub.bid, limit))
	}
	return nil
}

// wait finds the batches that must fail.
func (i *limitsEnforced) wait(healed time.Duration) {
	i.due = due{armed: true}
	for _, s := range i.order {
		if !s.startsUnits(i.view) {
			continue
		}
		failures, last := int64(0), moment{}
		for _, u := range s.units {
			if u.state != stateProcessing && u.state != stateComplete {
				failures += u.now.attempts
				if u.ending.at > last.at {
					last = u.ending
				}
			}
		}
		if failures > s.row.backoffLimit && s.row.backoffLimit > 0 {
			i.due.earlier(due{at: max(healed, last.at) + drifted(2*i.cfg.ControlEvery) + i.cfg.slack(), sub: s, since: last})
		}
	}
}

func (i *limitsEnforced) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	return settledBreach("R12", "batch beyond its back-off limit", d.sub.bid, d.since.orNone("ended an attempt"),
		fmt.Sprintf("more attempts of %s have failed than its back-off limit of %d allows, and it is still %s; it should have failed by %s", d.sub.bid, d.sub.row.backoffLimit, d.sub.row.phase, d.at))
}
