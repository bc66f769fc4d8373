package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// status is what a batch's status row tells.
type status struct {
	name   string // "<ns>/<name>"
	now    schema.Status
	exists bool
	last   statusChange
}

// statusChange is a status row written or deleted.
type statusChange struct {
	rowChange
	status *status
}

func (c *statusChange) show(on *on) error { return handle(on.status, c) }

func takeStatus(v *view, c rowChange, name, row string) error {
	s := v.statuses[c.key]
	if s == nil {
		s = &status{name: name}
		v.statuses[c.key] = s
	}
	s.last = statusChange{rowChange: c, status: s}
	v.changes = append(v.changes, &s.last)
	s.exists = !c.deleted
	if c.deleted {
		return nil
	}
	return s.now.Decode(row)
}

// takeActive reads a row of the index of living batches.
func takeActive(v *view, c rowChange, row string) error {
	if c.deleted {
		delete(v.active, c.key)
		return nil
	}
	var a schema.Active
	err := a.Decode(row)
	v.active[c.key] = a.Gen
	return err
}
