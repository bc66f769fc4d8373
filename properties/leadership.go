package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// leadership: each epoch of the scanner's leadership has one holder, which took
// it for itself, and only the present holder creates units, records the
// progress of a discovery, or lets a batch run.
//
// Two scanners at work skip pages of a listing, or count a recording twice.
type leadership struct{ *view }

func (i *leadership) Name() string { return "leadership" }

func (i *leadership) Observe(_ *sim.World, e *sim.Effect) error {
	if i.touched&(1<<kindLeader|1<<kindUnit|1<<kindDiscovery|1<<kindBatch) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.deleted {
			continue
		}
		var err error
		switch c.kind {
		case kindLeader:
			err = i.checkLeader(e)
		case kindUnit:
			if c.unit.before == stateNone {
				err = i.checkScan(e, c.unit.uid, "created a unit")
			}
		case kindDiscovery:
			err = i.checkScan(e, c.sub.bid, "recorded the progress of the discovery")
		case kindBatch:
			if s := c.sub; s.row.phase != s.was.phase && (s.row.phase == "discovering" || s.row.phase == "running") {
				err = i.checkScan(e, s.bid, "moved the batch on")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *leadership) checkLeader(e *sim.Effect) error {
	l := &i.leader
	if !l.existed || l.now.epoch != l.was.epoch {
		if l.now.worker == e.Process && l.now.incarnation == e.Incarnation {
			return nil
		}
		return breach("R20", "leadership taken for somebody else", "leader/scanner", l.before.orNone("wrote the leader row"), e,
			fmt.Sprintf("wrote leader epoch %d", l.now.epoch),
			fmt.Sprintf("%s/%s took the leadership, epoch %d, in the name of %s/%s", e.Process, e.Incarnation, l.now.epoch, l.now.worker, l.now.incarnation))
	}
	own := l.was.worker == e.Process && l.was.incarnation == e.Incarnation
	kept := l.now.worker == l.was.worker && l.now.incarnation == l.was.incarnation || l.now.worker == ""
	if own && kept {
		return nil
	}
	return breach("R20", "two writers in one leader epoch", "leader/scanner", l.taken.ref("took the leadership"), e,
		fmt.Sprintf("wrote leader epoch %d", l.now.epoch),
		fmt.Sprintf("%s/%s wrote leader epoch %d, which is %s/%s's", e.Process, e.Incarnation, l.now.epoch, l.was.worker, l.was.incarnation))
}

func (i *leadership) checkScan(e *sim.Effect, subject, what string) error {
	l := &i.leader
	if l.exists && l.now.worker == e.Process && l.now.incarnation == e.Incarnation {
		return nil
	}
	return breach("R20", "scanned without leading", subject, l.taken.orNone("took the leadership"), e, what,
		fmt.Sprintf("%s/%s %s, but the leader is %q/%s, epoch %d", e.Process, e.Incarnation, what, l.now.worker, l.now.incarnation, l.now.epoch))
}
