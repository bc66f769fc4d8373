package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// orphanClaimable: after the faults have stopped, a unit whose owner is dead is
// taken away from it within stale + two rounds of the reaper + poll, and a unit
// that failed is queued again within its back-off + two rounds of the
// controller, both with some slack to recover.
//
// Until then nobody works on it, and its batch waits.
type orphanClaimable struct {
	watch
	due due
}

// due is the earliest instant at which something should have happened.
type due struct {
	armed bool
	at    time.Duration // 0: nothing is waited for
	unit  *unit
	sub   *submission
	since sim.Moment
}

var (
	orphanClaimableSays = say("orphan-claimable")

	failedUnitLeftBehind = orphanClaimableSays.clause("R13", "failed unit left behind")
	orphanLeftBehind     = orphanClaimableSays.clause("R8", "orphan left behind")
)

func newOrphanClaimable(v *view) sim.Invariant {
	i := &orphanClaimable{}
	i.watch = v.watch(orphanClaimableSays, on{always: i.watchUnits})
	return i
}

// earlier replaces d by another if that is earlier.
func (d *due) earlier(other due) {
	if d.at == 0 || other.at < d.at {
		*d = other
		d.armed = true
	}
}

func (i *orphanClaimable) watchUnits(e *sim.Effect) error {
	healed, ok := i.world.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.changed(unitRows|batchRows) || e.Kind == sim.EffectProcess {
		i.wait(healed)
	}
	return i.check(e.At)
}

func (i *orphanClaimable) Settled(w *sim.World) error { return i.check(w.Now()) }

// wait finds out what is waited for.
func (i *orphanClaimable) wait(healed time.Duration) {
	reaped := drifted(i.cfg.StaleAfter+2*i.cfg.ReapEvery+i.cfg.Poll) + i.cfg.slack()
	requeued := drifted(i.cfg.UnitBackoffMax+2*i.cfg.ControlEvery) + i.cfg.slack()
	i.due = due{armed: true}
	up, ok := i.controlled()
	if !ok {
		return
	}
	from := max(healed, up)
	for _, s := range i.order {
		for _, u := range s.units {
			switch u.now.State {
			case schema.Processing:
				if alive, gone := i.lives(u.now.Worker, u.now.Incarnation); !alive {
					i.due.earlier(due{at: max(from, gone.At, i.world.LastWrite(u.key).At) + reaped, unit: u, since: gone})
				}
			case schema.Failed:
				if s.startsUnits(i.view) {
					changed := i.world.LastWrite(u.key)
					i.due.earlier(due{at: max(from, changed.At) + requeued, unit: u, since: changed})
				}
			}
		}
	}
}

func (i *orphanClaimable) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	u := d.unit
	if u.now.State == schema.Failed {
		return failedUnitLeftBehind.breachOverdue(i.world, u.uid, d.since.Ref("failed the unit"),
			"unit %s failed at epoch %d and has not been queued again; it should have been by %s", u.uid, u.now.Epoch, d.at)
	}
	return orphanLeftBehind.breachOverdue(i.world, u.uid, d.since.Ref("ended"),
		"unit %s is still processing at epoch %d by %s/%s, which is dead; it should have been taken away by %s", u.uid, u.now.Epoch, u.now.Worker, u.now.Incarnation, d.at)
}
