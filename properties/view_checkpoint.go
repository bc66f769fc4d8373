package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// checkpoint is how far a unit is saved.
type checkpoint struct {
	key    string
	now    schema.Checkpoint
	exists bool
	last   checkpointChange
}

// checkpointChange is a unit's checkpoint written or deleted.
type checkpointChange struct {
	rowChange
	unit    *unit
	existed bool
}

func (c *checkpointChange) show(on *on) error { return handle(on.checkpoint, c) }

func takeCheckpoint(v *view, c rowChange, rest, row string) error {
	u := v.unitAt(rest)
	if u == nil {
		return errKey
	}
	p := &u.checkpoint
	p.last = checkpointChange{rowChange: c, unit: u, existed: p.exists}
	v.changes = append(v.changes, &p.last)
	p.key, p.exists = c.key, !c.deleted
	if c.deleted {
		p.now = schema.Checkpoint{}
		return nil
	}
	return p.now.Decode(row)
}
