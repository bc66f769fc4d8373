package properties

import (
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
	watch
	due  due
	busy time.Duration // when a merge was last seen under way
}

var (
	mergeTakenOverSays = say("merge-taken-over")

	abandonedMerge = mergeTakenOverSays.clause("R11", "abandoned merge")
)

func newMergeTakenOver(v *view) sim.Invariant {
	i := &mergeTakenOver{}
	i.watch = v.watch(mergeTakenOverSays, on{always: i.watchMerges})
	return i
}

func (i *mergeTakenOver) watchMerges(e *sim.Effect) error {
	healed, ok := i.world.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.changed(mergeRows|batchRows) || e.Kind == sim.EffectProcess {
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
		if s.now.Phase != "merging" || !m.exists {
			continue
		}
		written := i.world.LastWrite(m.key)
		alive, gone := false, written
		if m.now.Worker != "" {
			alive, gone = i.lives(m.now.Worker, m.now.Incarnation)
		}
		if alive {
			busy = true
			continue
		}
		i.due.earlier(due{at: max(healed, up, gone.At, written.At) + bound, sub: s, since: gone})
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
	return expecting(abandonedMerge.breachOverdue(i.world, d.sub.bid, d.since.Ref("ended"),
		"generation %d of merge/%s is still claimed by %q/%s, which is gone; it should have been taken over by %s", m.Gen, d.sub.bid, m.Worker, m.Incarnation, d.at), "", "", d.sub.merge.key)
}
