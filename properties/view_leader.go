package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// leader is the scanner's leadership.
type leader struct {
	now    schema.Leader
	exists bool
	taken  sim.Moment // when the present epoch began
	beaten sim.Moment // when the beat last moved
	last   leaderChange
}

// leaderChange is the leader row written or deleted.
type leaderChange struct {
	rowChange
	before  schema.Leader
	now     *schema.Leader
	existed bool
	began   sim.Moment // when the epoch before had begun
	beaten  sim.Moment // when the beat had last moved before
}

func (c *leaderChange) show(on *on) error { return handle(on.leader, c) }

// taken reports whether the change began an epoch.
func (c *leaderChange) taken() bool {
	return !c.deleted && (!c.existed || c.now.Epoch != c.before.Epoch)
}

func takeLeader(v *view, c rowChange, row string) error {
	l := &v.leader
	l.last = leaderChange{rowChange: c, before: l.now, now: &l.now, existed: l.exists, began: l.taken, beaten: l.beaten}
	v.changes = append(v.changes, &l.last)
	l.exists = !c.deleted
	if c.deleted {
		l.now = schema.Leader{}
		return nil
	}
	err := l.now.Decode(row)
	before := &l.last.before
	if l.now.Epoch != before.Epoch || l.now.Beat != before.Beat {
		l.beaten = c.by.Moment()
	}
	if l.now.Epoch != before.Epoch {
		l.taken = c.by.Moment()
	}
	return err
}
