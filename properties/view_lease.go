package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// lease is an incarnation's lease of a unit.
type lease struct {
	key, worker, incarnation string
	unit                     *unit
	now                      schema.Lease
	exists                   bool
	beaten                   sim.Moment // when the beat last moved
	last                     leaseChange
}

// leaseChange is a lease's row written or deleted.
type leaseChange struct {
	rowChange
	lease   *lease
	unit    *unit
	before  schema.Lease
	existed bool
	beaten  sim.Moment // when the beat had last moved before
}

func (c *leaseChange) show(on *on) error { return handle(on.lease, c) }

func takeLease(v *view, c rowChange, rest, row string) error {
	l := v.leases[c.key]
	if l == nil {
		worker, incarnation, unit, ok := schema.SplitLeaseKey(rest)
		l = &lease{key: c.key, worker: worker, incarnation: incarnation, unit: v.unitAt(unit)}
		if !ok || l.unit == nil {
			return errKey
		}
		v.leases[c.key] = l
	}
	l.last = leaseChange{rowChange: c, lease: l, unit: l.unit, before: l.now, existed: l.exists, beaten: l.beaten}
	v.changes = append(v.changes, &l.last)
	l.exists = !c.deleted
	switch {
	case c.deleted && l.last.existed:
		l.unit.leases = drop(l.unit.leases, l)
		l.unit.lastBeat = l.beaten
	case !c.deleted && !l.last.existed:
		l.unit.leases = append(l.unit.leases, l)
	}
	if c.deleted {
		return nil
	}
	err := l.now.Decode(row)
	if !l.last.existed || l.now != l.last.before {
		l.beaten = c.by.Moment()
	}
	return err
}
