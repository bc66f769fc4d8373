package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// ownersKnow: who claims a unit knows it, and shows it: a living owner beats at
// once. One whose lease never moved, although nothing stood in its way for as
// long as a beat takes, claimed without knowing: its claim came back with an
// unknown outcome, and it looked no further.
//
// The unit waits for a lease to run out that nobody holds, and an attempt of it
// is gone.
type ownersKnow struct {
	*view
	suspects []suspicion
}

func (i *ownersKnow) Name() string { return "owners-know" }

func (i *ownersKnow) Observe(w *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindUnit) || !w.Timely() {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindUnit || c.deleted || c.unit.before != stateProcessing || c.unit.state == stateProcessing {
			continue
		}
		i.check(e, c.unit)
	}
	return nil
}

func (i *ownersKnow) Settled(*sim.World) error {
	for n := range i.suspects {
		if s := &i.suspects[n]; i.quiet(s.from, s.until) {
			return s.violation
		}
	}
	return nil
}

func (i *ownersKnow) check(e *sim.Effect, u *unit) {
	c := claimOf(u.claims, u.was.epoch)
	if c == nil || u.sub.terminal() || c.is(e.Process, e.Incarnation) || u.lastBeat.event != c.event {
		return
	}
	if alive, _ := i.lives(c.owner, c.ownerInc); !alive {
		return
	}
	i.suspects = append(i.suspects, suspicion{c.owner, c.at, c.at + i.cfg.StaleAfter*3/4, breach("R4", "owner that does not know", u.uid, c.ref(fmt.Sprintf("claimed epoch %d", c.epoch)), e, "took the unit away",
		fmt.Sprintf("%s claimed unit %s at epoch %d, lives, and never beat in the %s until the unit was taken away, although nothing stood in its way", c.who(), u.uid, c.epoch, e.At-c.at))})
}

// quiet reports whether there was a time without faults in which a beat would
// have come through: a transaction that a fault had caught times out, the owner
// waits for its next turn, and beats.
func (i *ownersKnow) quiet(from, until time.Duration) bool {
	needed := drifted(2*i.cfg.OpTimeout+i.cfg.Heartbeat) + time.Second
	for n := range i.faults {
		f := &i.faults[n]
		if lasts := max(f.fault.For, 0); f.at-lasts <= until {
			from = max(from, f.at+lasts)
		}
	}
	return until-from > needed
}
