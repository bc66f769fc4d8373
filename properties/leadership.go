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
type leadership struct{ watch }

var (
	leadershipSays = say("leadership")

	leadershipTakenForSomebodyElse = leadershipSays.clause("R20", "leadership taken for somebody else")
	twoWritersInOneLeaderEpoch     = leadershipSays.clause("R20", "two writers in one leader epoch")
	scannedWithoutLeading          = leadershipSays.clause("R20", "scanned without leading")
)

func newLeadership(v *view) sim.Invariant {
	i := &leadership{}
	i.watch = v.watch(leadershipSays, on{leader: i.checkLeader, unit: i.checkUnit, discovery: i.checkDiscovery, batch: i.checkBatch})
	return i
}

func (i *leadership) checkLeader(c *leaderChange) error {
	if c.deleted {
		return nil
	}
	now, was := c.now, &c.before
	what := fmt.Sprintf("wrote leader epoch %d", now.Epoch)
	if c.taken() {
		if c.isBy(now.Worker, now.Incarnation) {
			return nil
		}
		wrote := i.world.WriteBefore(c.key)
		return leadershipTakenForSomebodyElse.breach(c.by, c.key, wrote.Ref("wrote the leader row"), what,
			"%s took the leadership, epoch %d, in the name of %s/%s", c.who(), now.Epoch, now.Worker, now.Incarnation)
	}
	kept := now.Worker == was.Worker && now.Incarnation == was.Incarnation || now.Worker == ""
	if kept && c.isBy(was.Worker, was.Incarnation) {
		return nil
	}
	return twoWritersInOneLeaderEpoch.breach(c.by, c.key, i.leader.taken.Ref("took the leadership"), what,
		"%s wrote leader epoch %d, which is %s/%s's", c.who(), now.Epoch, was.Worker, was.Incarnation)
}

func (i *leadership) checkUnit(c *unitChange) error {
	if !c.created() {
		return nil
	}
	return i.checkScan(&c.rowChange, c.unit.uid, "created a unit")
}

func (i *leadership) checkDiscovery(c *discoveryChange) error {
	return i.checkScan(&c.rowChange, c.sub.bid, "recorded the progress of the discovery")
}

func (i *leadership) checkBatch(c *batchChange) error {
	if !c.entered() || c.sub.now.Phase != "discovering" && c.sub.now.Phase != "running" {
		return nil
	}
	return i.checkScan(&c.rowChange, c.sub.bid, "moved the batch on")
}

func (i *leadership) checkScan(c *rowChange, subject, what string) error {
	l := &i.leader
	if c.deleted || l.exists && c.isBy(l.now.Worker, l.now.Incarnation) {
		return nil
	}
	return scannedWithoutLeading.breach(c.by, subject, l.taken.Ref("took the leadership"), what,
		"%s %s, but the leader is %q/%s, epoch %d", c.who(), what, l.now.Worker, l.now.Incarnation, l.now.Epoch)
}
