package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// noIdleBesideWork: no worker stays idle for two polls while a unit can be
// claimed, one that is pending in a batch that lets units start and has room for
// another: not unless a fault is near, and after the faults have stopped, with
// some slack to recover, not at all.
//
// A queue whose head blocks what is behind it starves batches that nothing is
// wrong with.
type noIdleBesideWork struct {
	*view
	due      due
	healed   bool // the world had healed when that was waited for
	worker   string
	suspects []suspicion
}

func (i *noIdleBesideWork) Name() string { return "no-idle-beside-work" }

func (i *noIdleBesideWork) Observe(w *sim.World, e *sim.Effect) error {
	healed, ok := w.Healed()
	if !ok && !w.Timely() {
		return nil
	}
	err := i.check(e.At)
	if !i.due.armed || ok != i.healed || i.touched&(1<<kindUnit|1<<kindBatch) != 0 || e.Kind == sim.EffectProcess {
		if i.healed = ok; ok {
			healed += i.cfg.slack()
		}
		i.wait(healed)
	}
	return err
}

func (i *noIdleBesideWork) Settled(w *sim.World) error {
	if err := i.unexcused(i.suspects, elsewhere); err != nil {
		return err
	}
	return i.check(w.Now())
}

// elsewhere reports whether a fault of another process is over for this one: the
// locks that it may have left have run out.
func elsewhere(s *suspicion, f *strike) bool {
	const locks = 20 * time.Second
	return !fault.Is[*fault.Outage](f.fault) && f.fault.At.Process != s.process && f.at+locks < s.from
}

// bound is how long a worker may stay idle: claims of one batch conflict, so some
// back off, and look again.
func (i *noIdleBesideWork) bound() time.Duration {
	return 2*drifted(i.cfg.Poll+i.cfg.OpTimeout) + time.Second
}

func (i *noIdleBesideWork) wait(from time.Duration) {
	i.due = due{armed: true}
	idle, ok := i.idleSince()
	if !ok {
		return
	}
	for _, s := range i.order {
		if !s.startsUnits(i.view) || s.full() {
			continue
		}
		for _, u := range s.units {
			if u.state == statePending {
				i.due.earlier(due{at: max(from, idle, u.changed.at, s.room) + i.bound(), unit: u, since: u.changed})
			}
		}
	}
}

// full reports whether the batch executes as many units as it may.
func (s *submission) full() bool {
	if s.row.parallelism == 0 {
		return false
	}
	running := int64(0)
	for _, u := range s.units {
		if u.state == stateProcessing {
			running++
		}
	}
	return running >= s.row.parallelism
}

// idleSince finds the worker that has had a free slot for longest.
func (i *noIdleBesideWork) idleSince() (since time.Duration, ok bool) {
	for _, name := range i.cfg.Workers {
		p := i.processes[name]
		if p == nil || !p.alive || p.draining || i.busy(p) {
			continue
		}
		if at := max(p.since.at, p.freed); !ok || at < since {
			since, ok, i.worker = at, true, name
		}
	}
	return since, ok
}

// busy reports whether every slot of a worker has a unit.
func (i *noIdleBesideWork) busy(p *process) bool {
	units := 0
	for _, s := range i.order {
		for _, u := range s.units {
			if u.ownedBy(p.name, p.incarnation) {
				units++
			}
		}
	}
	return units >= i.cfg.Slots
}

func (i *noIdleBesideWork) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	violation := settledBreach("R13", "idle worker beside a claimable unit", d.unit.uid, d.since.orNone("left the unit pending"),
		fmt.Sprintf("unit %s can be claimed, and worker %s has been idle beside it; it should have been claimed by %s", d.unit.uid, i.worker, d.at))
	if i.healed {
		return violation
	}
	i.suspects = append(i.suspects, suspicion{i.worker, d.at - i.bound(), at, violation})
	i.due = due{armed: true} // until something changes
	return nil
}
