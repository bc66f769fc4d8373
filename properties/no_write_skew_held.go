package properties

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// step is a commit that let a unit wait, start or complete: its place in view.transactions.
type step struct {
	transaction int
	unit        *unit
	edge        string
}

// outputRows is what the keys of the outputs' rows begin with.
const outputRows = "output/"

// holds reports whether a commit wrote or locked a row: then whoever else writes or locks it at
// the same time loses.
func holds(e *sim.Effect, key string) bool {
	for n := range e.Commit.Writes {
		if e.Commit.Writes[n].Key == key {
			return true
		}
	}
	return false
}

// find keeps the first violation, for when the run is over.
func (i *noWriteSkew) find(violation error) {
	if i.found == nil {
		i.found = violation
	}
}

// checkSaved judges a checkpoint. Its owner may have lost the unit meanwhile, which changes the
// unit's row and takes the lease away.
func (i *noWriteSkew) checkSaved(c *checkpointChange) error {
	u := c.unit
	if c.deleted || holds(c.by, u.key) || holds(c.by, u.leaseKey(c.by.Process, c.by.Incarnation)) {
		return nil
	}
	violation := savedWithoutTheUnit.breach(c.by, u.uid, lastClaim(u.claims), "saved its progress",
		"%s wrote %s and neither wrote nor locked %s: had the unit been taken away at that moment, it would have written all the same", c.who(), c.key, u.key)
	i.find(telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, u.key) }))
	return nil
}

func (i *noWriteSkew) checkDiscovery(c *discoveryChange) error {
	if !c.deleted {
		i.checkScanned(&c.rowChange, c.sub.bid, "recorded the progress of the discovery")
	}
	return nil
}

// checkScanned judges what only the scanner's leader does. Who leads next writes the leader's row.
func (i *noWriteSkew) checkScanned(c *rowChange, subject, what string) {
	leader := schema.LeaderTable.Key("scanner")
	if holds(c.by, leader) {
		return
	}
	violation := scannedWithoutTheLeader.breach(c.by, subject, i.leader.taken.Ref("took the leadership"), what,
		"%s %s and neither wrote nor locked %s: had somebody else taken the leadership at that moment, it would have done so all the same", c.who(), what, leader)
	i.find(telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, leader) }))
}

// checkUnit judges a unit's birth, and notes what the end of its batch must keep out: what has
// failed, or was cancelled, may be so in a batch that has ended.
func (i *noWriteSkew) checkUnit(c *unitChange) error {
	if c.created() {
		i.checkScanned(&c.rowChange, c.unit.uid, "created a unit")
	}
	if c.became(schema.Pending) || c.became(schema.Complete) || c.claimed() {
		s := c.unit.sub
		i.steps[s] = append(i.steps[s], step{len(i.transactions) - 1, c.unit, c.edge()})
	}
	return nil
}

func (i *noWriteSkew) checkBatch(c *batchChange) error {
	if c.deleted {
		return nil
	}
	now := &c.sub.now
	if c.before.Phase == "" {
		i.checkSources(c)
		return nil
	}
	moved := c.entered() && (now.Phase == "discovering" || now.Phase == "running")
	ended := c.entered() && (now.Phase == "failed" || now.Phase == "cancelled")
	if moved || c.by.Step == "discover" && (ended || now.Closing != c.before.Closing) {
		i.checkScanned(&c.rowChange, c.sub.bid, "made the batch "+now.Phase)
	}
	if ended && (c.before.Phase == "discovering" || c.before.Phase == "running") {
		i.checkEnd(c)
	}
	return nil
}

// checkEnd judges the end of a batch whose units may start: it must not pass beside one that
// waits from now on, starts, or completes. That none was about to is luck.
func (i *noWriteSkew) checkEnd(c *batchChange) {
	held := make(map[string]bool, len(c.by.Commit.Writes))
	for n := range c.by.Commit.Writes {
		held[c.by.Commit.Writes[n].Key] = true
	}
	for _, s := range i.steps[c.sub] {
		t := &i.transactions[s.transaction]
		if t.holdsAny(held) {
			continue
		}
		violation := endedPastAUnit.breach(c.by, s.unit.uid, t.Ref(s.edge), "made the batch "+c.sub.now.Phase,
			"%s made %s %s, and there is no row that it wrote or locked and %s did, which moved unit %s (%s): had they done so at the same moment, both would have passed",
			c.who(), c.sub.bid, c.sub.now.Phase, t.Who(), s.unit.uid, s.edge)
		i.find(telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, c.key) }))
		return
	}
}

// holdsAny reports whether the transaction wrote or locked one of the rows.
func (t *transaction) holdsAny(rows map[string]bool) bool {
	for n := range t.writes {
		if rows[t.writes[n].Key] {
			return true
		}
	}
	return false
}

// checkSources judges the sources of a new submission: none may lie in an output that somebody
// takes at that moment.
func (i *noWriteSkew) checkSources(c *batchChange) {
	for line := range strings.SplitSeq(c.sub.now.Sources, "\n") {
		url, _, _ := strings.Cut(line, "\t")
		i.checkAbove(c.by, c.key, "named the source "+url, url)
	}
}

// checkOutputs judges outputs that are taken: none may lie in another one that somebody takes
// at that moment.
func (i *noWriteSkew) checkOutputs(e *sim.Effect) error {
	for key, row := range e.Writes(outputRows) {
		if _, there := i.world.Before(key); row != nil && !there {
			i.checkAbove(e, key, "took the output "+key[len(outputRows):], key[len(outputRows):])
		}
	}
	return nil
}

// checkAbove judges whether the rows of all the outputs are held that a path may lie in.
func (i *noWriteSkew) checkAbove(e *sim.Effect, subject, what, path string) {
	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		above := outputRows + path[:at]
		if holds(e, above) {
			continue
		}
		by := e.Moment()
		violation := tookWithoutThoseAbove.breach(e, subject, sim.EventRef{}, what,
			"%s %s and neither wrote nor locked %s: had somebody taken that as an output at that moment, both would have passed", by.Who(), what, above)
		i.find(telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, above) }))
		return
	}
}
