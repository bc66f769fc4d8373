package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
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
	watch
	worked   map[*unit]sim.Moment // when its owner last had an effect on its objects
	suspects []suspicion
}

var (
	ownersKnowSays = say("owners-know")

	ownerThatWorksAndDoesNotBeat = ownersKnowSays.clause("R8", "owner that works and does not beat")
	ownerThatDoesNotKnow         = ownersKnowSays.clause("R4", "owner that does not know")
)

func newOwnersKnow(v *view) sim.Invariant {
	i := &ownersKnow{worked: map[*unit]sim.Moment{}}
	i.watch = v.watch(ownersKnowSays, on{object: i.noteWork, unit: i.check})
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
	return nil
}

// check judges the owner that a unit was taken from.
func (i *ownersKnow) check(c *unitChange) error {
	u, e := c.unit, c.by
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
		i.suspects = append(i.suspects, suspicion{own.owner, beat, until, ownerThatWorksAndDoesNotBeat.breach(e, u.uid, work.Ref("had an effect on the unit's objects"), "took the unit away",
			"%s worked on unit %s until %s after its last beat, and nothing stood in its way: its heartbeat has ended before its work", own.Who(), u.uid, work.At-beat)})
	}
	if u.lastBeat.Event != own.Event {
		return nil
	}
	i.suspects = append(i.suspects, suspicion{own.owner, own.At, own.At + i.cfg.StaleAfter*3/4, ownerThatDoesNotKnow.breach(e, u.uid, own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch)), "took the unit away",
		"%s claimed unit %s at epoch %d, lives, and never beat in the %s until the unit was taken away, although nothing stood in its way", own.Who(), u.uid, own.epoch, e.At-own.At)})
	return nil
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
