package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// queued is a unit's place in the queue.
type queued struct {
	key      string
	priority uint64
	unit     *unit
	exists   bool
	now      schema.Queue
	last     queueChange
}

// queueChange is a queue row written or deleted.
type queueChange struct {
	rowChange
	unit *unit
}

func (c *queueChange) show(on *on) error { return handle(on.queue, c) }

func takeQueue(v *view, c rowChange, rest, row string) error {
	q := v.queue[c.key]
	if q == nil {
		priority, unit, ok := schema.SplitQueueKey(rest)
		q = &queued{key: c.key, priority: priority, unit: v.unitAt(unit)}
		if !ok || q.unit == nil {
			return errKey
		}
		v.queue[c.key] = q
	}
	q.last = queueChange{rowChange: c, unit: q.unit}
	v.changes = append(v.changes, &q.last)
	switch {
	case c.deleted && q.exists:
		q.unit.queued = drop(q.unit.queued, q)
	case !c.deleted && !q.exists:
		q.unit.queued = append(q.unit.queued, q)
	}
	q.exists = !c.deleted
	if c.deleted {
		return nil
	}
	return q.now.Decode(row)
}
