package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// ownersKnow: who owns a unit knows it, and shows it: a living owner beats at
// once, and as long as it works. One whose lease never moved, although nothing
// stood in its way for as long as a beat takes, claimed without knowing: its
// claim came back with an unknown outcome, and it looked no further. One that
// stores parts of its output and beats no more has lost its heartbeat.
//
// The unit waits for a lease to run out that nobody holds, and an attempt of it
// is gone.
type ownersKnow struct {
	*view
	worked   map[*unit]moment // when its owner last had an effect on its objects
	suspects []suspicion
}

func newOwnersKnow(v *view) *ownersKnow { return &ownersKnow{view: v, worked: map[*unit]moment{}} }

func (i *ownersKnow) Name() string { return "owners-know" }

func (i *ownersKnow) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectObject && !e.Late && i.object.unit != nil && i.object.unit.ownedBy(e.Process, e.Incarnation) {
		i.worked[i.object.unit] = momentOf(e)
	}
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
	if c == nil || u.sub.terminal() || c.is(e.Process, e.Incarnation) {
		return
	}
	if alive, _ := i.lives(c.owner, c.ownerInc); !alive {
		return
	}
	beat := u.lastBeat.at
	if work := i.worked[u]; work.at > beat && work.is(c.owner, c.ownerInc) {
		until := min(work.at, beat+i.cfg.StaleAfter*3/4)
		i.suspects = append(i.suspects, suspicion{c.owner, beat, until, breach("R8", "owner that works and does not beat", u.uid, work.ref("had an effect on the unit's objects"), e, "took the unit away",
			fmt.Sprintf("%s worked on unit %s until %s after its last beat, and nothing stood in its way: its heartbeat has ended before its work", c.who(), u.uid, work.at-beat))})
	}
	if u.lastBeat.event != c.event {
		return
	}
	i.suspects = append(i.suspects, suspicion{c.owner, c.at, c.at + i.cfg.StaleAfter*3/4, breach("R4", "owner that does not know", u.uid, c.ref(fmt.Sprintf("claimed epoch %d", c.epoch)), e, "took the unit away",
		fmt.Sprintf("%s claimed unit %s at epoch %d, lives, and never beat in the %s until the unit was taken away, although nothing stood in its way", c.who(), u.uid, c.epoch, e.At-c.at))})
}

// quiet reports whether there was a time without faults in which a beat would
// have come through: a transaction that a fault had caught times out, and the
// owner tries again.
func (i *ownersKnow) quiet(from, until time.Duration) bool {
	needed := drifted(i.cfg.OpTimeout+i.cfg.Heartbeat/4) + time.Second + 16*i.cfg.MaxLatency
	for n := range i.faults {
		f := &i.faults[n]
		if lasts := f.fault.Kind.Lasts(); f.at-lasts <= until {
			from = max(from, f.at+lasts)
		}
	}
	return until-from > needed
}
