package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// noFlapping: nobody takes a unit, a merge or the leadership away from an owner
// whose beat moved within the stale period, whatever clocks it is measured by;
// and nobody takes one away from a living owner at all that no fault has
// silenced.
//
// Owners that take work from each other never finish it.
type noFlapping struct {
	*view
	suspects []suspicion
}

func (i *noFlapping) Name() string { return "no-flapping" }

func (i *noFlapping) Observe(w *sim.World, e *sim.Effect) error {
	if i.touched&(1<<kindUnit|1<<kindMerge|1<<kindLeader) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.deleted {
			continue
		}
		var err error
		switch c.kind {
		case kindUnit:
			err = i.checkUnit(w, e, c.unit)
		case kindMerge:
			err = i.checkMerge(w, e, c.sub)
		case kindLeader:
			err = i.checkLeader(w, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *noFlapping) Settled(*sim.World) error { return i.unexcused(i.suspects, nil) }

// loss is somebody's loss of what was theirs.
type loss struct {
	what, subject string
	owner, inc    string
	beaten        moment // the last beat before it
	stale         time.Duration
	round         time.Duration // the period at which observers look
}

func (i *noFlapping) checkUnit(w *sim.World, e *sim.Effect, u *unit) error {
	if u.before != stateProcessing || u.sub.terminal() || u.was.worker == e.Process && u.was.incarnation == e.Incarnation {
		return nil
	}
	return i.judge(w, e, &loss{"unit", u.uid, u.was.worker, u.was.incarnation, u.lastBeat, i.cfg.StaleAfter, i.cfg.ReapEvery})
}

func (i *noFlapping) checkMerge(w *sim.World, e *sim.Effect, s *submission) error {
	m := &s.merge
	if !m.existed || m.now.gen == m.was.gen || m.was.worker == "" {
		return nil
	}
	return i.judge(w, e, &loss{"merge", s.bid, m.was.worker, m.was.incarnation, m.before, i.cfg.StaleAfter, i.cfg.MergePoll})
}

func (i *noFlapping) checkLeader(w *sim.World, e *sim.Effect) error {
	l := &i.leader
	if !l.existed || l.now.epoch == l.was.epoch || l.was.worker == "" {
		return nil
	}
	return i.judge(w, e, &loss{"leadership", "leader/scanner", l.was.worker, l.was.incarnation, l.before, i.cfg.ScannerLease, i.cfg.ScanEvery})
}

func (i *noFlapping) judge(w *sim.World, e *sim.Effect, l *loss) error {
	if silent := e.At - l.beaten.at; silent < hurried(l.stale) {
		return breach("R8", l.what+" taken from an owner that beats", l.subject, l.beaten.ref("beat"), e, "took the "+l.what+" away",
			fmt.Sprintf("%s/%s took the %s %s away from %s/%s, whose last beat was %s ago; it is stale after %s",
				e.Process, e.Incarnation, l.what, l.subject, l.owner, l.inc, silent, l.stale))
	}
	if alive, _ := i.lives(l.owner, l.inc); !alive || l.beaten.event == 0 {
		return nil
	}
	violation := breach("R8", l.what+" taken from a living owner", l.subject, l.beaten.ref("beat"), e, "took the "+l.what+" away",
		fmt.Sprintf("%s/%s took the %s %s away from %s/%s, which is alive and whose last beat was %s ago; no fault has silenced it",
			e.Process, e.Incarnation, l.what, l.subject, l.owner, l.inc, e.At-l.beaten.at))
	if healed, ok := w.Healed(); ok && e.At > healed+drifted(l.stale+2*l.round)+i.cfg.slack() {
		return violation
	}
	if w.Timely() {
		i.suspects = append(i.suspects, suspicion{l.owner, l.beaten.at, e.At, violation})
	}
	return nil
}
