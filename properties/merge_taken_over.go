package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// mergeTakenOver: after the faults have stopped, a merge whose owner is dead or
// has let go is claimed again, or over, within stale + two polls of the merger,
// and some slack to recover, unless another merge is being carried out
// meanwhile.
//
// A crash during the merge must not wedge the batch for ever.
type mergeTakenOver struct {
	*view
	due  due
	busy time.Duration // when a merge was last seen under way
}

func (i *mergeTakenOver) Name() string { return "merge-taken-over" }

func (i *mergeTakenOver) Observe(w *sim.World, e *sim.Effect) error {
	healed, ok := w.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.touched&(1<<kindMerge|1<<kindBatch) != 0 || e.Kind == sim.EffectProcess {
		i.wait(e.At, healed)
	}
	return i.check(e.At)
}

func (i *mergeTakenOver) Settled(w *sim.World) error { return i.check(w.Now()) }

// wait finds out what is waited for. A merge that is under way may keep the
// only merger busy, which watches others only when it is done: the time begins
// anew with each of its beats.
func (i *mergeTakenOver) wait(now, healed time.Duration) {
	bound := drifted(i.cfg.StaleAfter+2*i.cfg.MergePoll) + i.cfg.slack()
	i.due = due{armed: true}
	busy := false
	up, ok := i.controlled()
	if !ok {
		return
	}
	for _, s := range i.order {
		m := &s.merge
		if s.row.phase != "merging" || !m.exists {
			continue
		}
		alive, gone := false, m.written
		if m.now.worker != "" {
			alive, gone = i.lives(m.now.worker, m.now.incarnation)
		}
		if alive {
			busy = true
			continue
		}
		i.due.earlier(due{at: max(healed, up, gone.at, m.written.at) + bound, sub: s, since: gone})
	}
	if busy {
		i.busy = now
	}
	if i.due.at != 0 && i.busy != 0 {
		i.due.at = max(i.due.at, i.busy+bound)
	}
}

func (i *mergeTakenOver) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	m := &d.sub.merge.now
	return settledBreach("R11", "abandoned merge", d.sub.bid, d.since.orNone("ended"),
		fmt.Sprintf("generation %d of merge/%s is still claimed by %q/%s, which is gone; it should have been taken over by %s", m.gen, d.sub.bid, m.worker, m.incarnation, d.at))
}
