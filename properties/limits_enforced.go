package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
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
	watch
	due      due
	suspects []suspicion
}

var (
	limitsEnforcedSays = say("limits-enforced")

	attemptNotStopped               = limitsEnforcedSays.clause("R14", "attempt not stopped")
	moreUnitsInExecutionThanAllowed = limitsEnforcedSays.clause("R3", "more units in execution than allowed")
	batchBeyondItsBackOffLimit      = limitsEnforcedSays.clause("R12", "batch beyond its back-off limit")
)

func newLimitsEnforced(v *view) sim.Invariant {
	i := &limitsEnforced{}
	i.watch = v.watch(limitsEnforcedSays, on{unit: i.checkUnit, always: i.watchBatches})
	return i
}

// checkUnit judges an attempt that begins or ends.
func (i *limitsEnforced) checkUnit(c *unitChange) error {
	if c.deleted {
		return nil
	}
	if c.before.State == schema.Processing && i.world.Timely() {
		i.checkDuration(c)
	}
	if c.claimed() {
		return i.checkParallelism(c)
	}
	return nil
}

// watchBatches looks whether batches that must fail have done so.
func (i *limitsEnforced) watchBatches(e *sim.Effect) error {
	healed, ok := i.world.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.changed(unitRows|batchRows) {
		i.wait(healed)
	}
	return i.check(e.At)
}

func (i *limitsEnforced) Settled(w *sim.World) error {
	if err := i.unexcused(i.suspects, i.stopsAllTheSame); err != nil {
		return err
	}
	return i.check(w.Now())
}

// stopsAllTheSame reports whether an attempt is stopped in time whatever a fault does:
// work ends in the middle, however slow it is, and what befell a message is over when
// the time is, unless it was shortly before. Only what befalls clocks shifts that.
func (i *limitsEnforced) stopsAllTheSame(s *suspicion, f *strike) bool {
	switch f.fault.Kind.(type) {
	case *fault.Slow:
		return true
	case *fault.Pause, *fault.Skew, *fault.Drift:
		return false
	}
	return !i.nearby(f, s.from+hurried(i.cfg.UnitTimeout), s.until)
}

// checkDuration judges an attempt that has ended.
func (i *limitsEnforced) checkDuration(c *unitChange) {
	u, e := c.unit, c.by
	own := claimOf(u.claims, c.before.Epoch)
	if own == nil || i.cfg.UnitTimeout == 0 {
		return
	}
	if took := e.At - own.At; took > drifted(i.cfg.UnitTimeout)+i.cfg.slack() && own.Is(e.Process, e.Incarnation) {
		i.suspects = append(i.suspects, suspicion{own.owner, own.At, e.At, attemptNotStopped.breach(e, u.uid, own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch)), c.edge(),
			"the attempt of %s at unit %s took %s; it should have been stopped after %s", own.Who(), u.uid, took, i.cfg.UnitTimeout)})
	}
}

func (i *limitsEnforced) checkParallelism(c *unitChange) error {
	s := c.unit.sub
	running := s.processing()
	if limit := s.now.Parallelism; limit != 0 && running > limit {
		others, last := []string{"shard/" + s.bid}, sim.EventRef{} // what was in execution before
		for _, u := range s.units {
			if n := len(u.claims); u.now.State == schema.Processing && u != c.unit {
				others = append(others, u.uid)
				if n > 0 && u.claims[n-1].Event > last.Event {
					last = u.claims[n-1].Ref("claimed unit " + u.uid)
				}
			}
		}
		violation := moreUnitsInExecutionThanAllowed.breach(c.by, c.unit.uid, last, "claimed unit "+c.unit.uid,
			"%d units of %s are in execution; its parallelism is %d", running, s.bid, limit)
		return telling(violation, func(v *sim.Violation) { v.Also = others })
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
		failures, last := int64(0), sim.Moment{}
		for _, u := range s.units {
			if u.now.State != schema.Processing && u.now.State != schema.Complete {
				failures += u.now.Attempts
				if u.ending.At > last.At {
					last = u.ending
				}
			}
		}
		if failures > s.now.BackoffLimit && s.now.BackoffLimit > 0 {
			i.due.earlier(due{at: max(healed, last.At) + drifted(2*i.cfg.ControlEvery) + i.cfg.slack(), sub: s, since: last})
		}
	}
}

func (i *limitsEnforced) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	return batchBeyondItsBackOffLimit.breachOverdue(i.world, d.sub.bid, d.since.Ref("ended an attempt"),
		"more attempts of %s have failed than its back-off limit of %d allows, and it is still %s; it should have failed by %s", d.sub.bid, d.sub.now.BackoffLimit, d.sub.now.Phase, d.at)
}
