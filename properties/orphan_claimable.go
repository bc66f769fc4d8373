package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// orphanClaimable: after the faults have stopped, a unit whose owner is dead is
// taken away from it within stale + two rounds of the reaper + poll, and some
// slack to recover.
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
	if !i.due.armed || i.touched.has(kindUnit) || e.Kind == sim.EffectProcess {
		i.wait(healed)
	}
	return i.check(e.At)
}

func (i *orphanClaimable) Settled(w *sim.World) error { return i.check(w.Now()) }

// wait finds out what is waited for.
func (i *orphanClaimable) wait(healed time.Duration) {
	bound := drifted(i.cfg.StaleAfter+2*i.cfg.ReapEvery+i.cfg.Poll) + i.cfg.slack()
	i.due = due{armed: true}
	for _, s := range i.order {
		for _, u := range s.units {
			if u.state != stateProcessing {
				continue
			}
			if alive, gone := i.lives(u.now.worker, u.now.incarnation); !alive {
				i.due.earlier(due{at: max(healed, gone.at, u.changed.at) + bound, unit: u, since: gone})
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
	return settledBreach("R8", "orphan left behind", u.uid, d.since.orNone("ended"),
		fmt.Sprintf("unit %s is still processing at epoch %d by %s/%s, which is dead; it should have been taken away by %s", u.uid, u.now.epoch, u.now.worker, u.now.incarnation, d.at))
}
