package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// failedChange is a unit's place in the index of the failed, or of the dead,
// written or deleted.
type failedChange struct {
	rowChange
	unit *unit
}

func (c *failedChange) show(on *on) error { return handle(on.failed, c) }

func takeFailed(v *view, c rowChange, table schema.Table, rest, row string) error {
	u := v.unitAt(rest)
	if u == nil {
		return errKey
	}
	if table == schema.FailedTable {
		u.failed = !c.deleted
	} else {
		u.dead = !c.deleted
	}
	v.changes = append(v.changes, &failedChange{rowChange: c, unit: u})
	if c.deleted {
		return nil
	}
	var r schema.Failure
	return r.Decode(row)
}
