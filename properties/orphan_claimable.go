package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// orphanClaimable: after the faults have stopped, a unit whose owner is dead is
// taken away from it within stale + two rounds of the reaper + poll, and a unit
// that failed is queued again within its back-off + two rounds of the
// controller, both with some slack to recover.
//
// Until then nobody works on it, and its batch waits.
type orphanClaimable struct {
	*view
	due due
}

// due is the earliest instant at which something should have happened.
type due struct {
	armed bool
	at    time.Duration // 0: nothing is waited for
	unit  *unit
	sub   *submission
	since moment
}

// earlier replaces d by another if that is earlier.
func (d *due) earlier(other due) {
	if d.at == 0 || other.at < d.at {
		*d = other
		d.armed = true
	}
}

func (i *orphanClaimable) Name() string { return "orphan-claimable" }

func (i *orphanClaimable) Observe(w *sim.World, e *sim.Effect) error {
	healed, ok := w.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.touched&(1<<kindUnit|1<<kindBatch) != 0 || e.Kind == sim.EffectProcess {
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
			switch u.state {
			case stateProcessing:
				if alive, gone := i.lives(u.now.worker, u.now.incarnation); !alive {
					i.due.earlier(due{at: max(from, gone.at, u.changed.at) + reaped, unit: u, since: gone})
				}
			case stateFailed:
				if s.startsUnits(i.view) {
					i.due.earlier(due{at: max(from, u.changed.at) + requeued, unit: u, since: u.changed})
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
	if u.state == stateFailed {
		return settledBreach("R13", "failed unit left behind", u.uid, d.since.orNone("failed the unit"),
			fmt.Sprintf("unit %s failed at epoch %d and has not been queued again; it should have been by %s", u.uid, u.now.epoch, d.at))
	}
	return settledBreach("R8", "orphan left behind", u.uid, d.since.orNone("ended"),
		fmt.Sprintf("unit %s is still processing at epoch %d by %s/%s, which is dead; it should have been taken away by %s", u.uid, u.now.epoch, u.now.worker, u.now.incarnation, d.at))
}
