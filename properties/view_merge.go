package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// merge is the merge of a submission.
type merge struct {
	key    string
	now    schema.Merge
	exists bool
	claims []claim
	beaten sim.Moment // when the beat last moved
	last   mergeChange
}

// mergeChange is a merge's row written or deleted.
type mergeChange struct {
	rowChange
	sub     *submission
	before  schema.Merge
	existed bool
	beaten  sim.Moment // when the beat had last moved before
}

func (c *mergeChange) show(on *on) error { return handle(on.merge, c) }

// claimed reports whether the change was a claim.
func (c *mergeChange) claimed() bool {
	return !c.deleted && (!c.existed || c.sub.merge.now.Gen != c.before.Gen)
}

func takeMerge(v *view, c rowChange, bid, row string) error {
	if _, _, ok := schema.SplitBatchID(bid); !ok {
		return errKey
	}
	s := v.submission(bid)
	m := &s.merge
	m.last = mergeChange{rowChange: c, sub: s, before: m.now, existed: m.exists, beaten: m.beaten}
	v.changes = append(v.changes, &m.last)
	m.key, m.exists = c.key, !c.deleted
	if c.deleted {
		m.now = schema.Merge{}
		return nil
	}
	err := m.now.Decode(row)
	if m.now.Gen != m.last.before.Gen || m.now.Beat != m.last.before.Beat {
		m.beaten = c.by.Moment()
	}
	return err
}

func (c *mergeChange) noteClaim() {
	m := &c.sub.merge
	if c.claimed() {
		m.claims = append(m.claims, claim{
			Moment: c.by.Moment(), epoch: m.now.Gen, owner: m.now.Worker, ownerInc: m.now.Incarnation,
		})
	}
}
