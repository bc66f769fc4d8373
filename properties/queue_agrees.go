package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// queueAgrees: after every commit a unit is in the queue exactly if it is
// pending, once, at its batch's priority; and it has a lease exactly if it is
// processing, its owner's, of its epoch.
//
// A unit that is pending and not queued waits for ever; a lease without an
// attempt, or an attempt without a lease, is one that nobody can take over.
type queueAgrees struct{ *view }

func (i *queueAgrees) Name() string { return "queue-agrees" }

func (i *queueAgrees) Observe(_ *sim.World, e *sim.Effect) error {
	if i.touched&(1<<kindUnit|1<<kindQueue|1<<kindLease) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindUnit && c.kind != kindQueue && c.kind != kindLease {
			continue
		}
		if err := i.checkQueue(e, c.unit); err != nil {
			return err
		}
		if err := i.checkLease(e, c.unit); err != nil {
			return err
		}
	}
	return nil
}

func (i *queueAgrees) checkQueue(e *sim.Effect, u *unit) error {
	wrong := func(clause, text string) error {
		return breach("R13", clause, u.uid, u.changed.orNone("left the unit "+stateNames[u.state]), e, "wrote the rows of the unit", text)
	}
	if u.state != statePending {
		if len(u.queued) == 0 {
			return nil
		}
		return wrong("queued but not pending", fmt.Sprintf("unit %s is %s, but %s is there", u.uid, stateNames[u.state], u.queued[0].key))
	}
	switch {
	case len(u.queued) == 0:
		return wrong("pending but not queued", fmt.Sprintf("unit %s is pending, but not in the queue", u.uid))
	case len(u.queued) > 1:
		return wrong("queued twice", fmt.Sprintf("unit %s is queued as %s and as %s", u.uid, u.queued[0].key, u.queued[1].key))
	}
	q := u.queued[0]
	if q.epoch != u.now.epoch {
		return wrong("queued at another epoch", fmt.Sprintf("unit %s is at epoch %d, its queue row says %d", u.uid, u.now.epoch, q.epoch))
	}
	if want := 999 - u.sub.row.priority; u.sub.exists && int64(q.priority) != want {
		return wrong("queued at another priority", fmt.Sprintf("unit %s is queued as %s; its batch's priority asks for %03d", u.uid, q.key, want))
	}
	return nil
}

func (i *queueAgrees) checkLease(e *sim.Effect, u *unit) error {
	wrong := func(clause, text string) error {
		return breach("R13", clause, u.uid, u.changed.orNone("left the unit "+stateNames[u.state]), e, "wrote the rows of the unit", text)
	}
	switch {
	case u.state == stateProcessing && len(u.leases) == 0:
		return wrong("processing without a lease", fmt.Sprintf("unit %s is processed by %s/%s at epoch %d, which has no lease", u.uid, u.now.worker, u.now.incarnation, u.now.epoch))
	case u.state != stateProcessing && len(u.leases) > 0:
		return wrong("lease without an attempt", fmt.Sprintf("unit %s is %s, but %s is there", u.uid, stateNames[u.state], u.leases[0].key))
	case len(u.leases) > 1:
		return wrong("leased twice", fmt.Sprintf("unit %s is leased as %s and as %s", u.uid, u.leases[0].key, u.leases[1].key))
	case len(u.leases) == 0:
		return nil
	}
	l := u.leases[0]
	if l.worker == u.now.worker && l.incarnation == u.now.incarnation && l.now.epoch == u.now.epoch {
		return nil
	}
	return wrong("lease of another attempt", fmt.Sprintf("unit %s is %s/%s's at epoch %d, but its lease is %s at epoch %d",
		u.uid, u.now.worker, u.now.incarnation, u.now.epoch, l.key, l.now.epoch))
}
