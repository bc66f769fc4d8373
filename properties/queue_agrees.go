package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// queueAgrees: after every commit a unit is in the queue exactly if it is
// pending, once, at its batch's priority; it has a lease exactly if it is
// processing, its owner's, of its epoch; and it is in the index of the failed,
// or of the dead, exactly if it is that.
//
// A unit that is pending and not queued waits for ever; a lease without an
// attempt, or an attempt without a lease, is one that nobody can take over; and
// what has failed is found by its index only.
type queueAgrees struct{ watch }

var (
	queueAgreesSays = say("queue-agrees")

	queuedButNotPending     = queueAgreesSays.clause("R13", "queued but not pending")
	pendingButNotQueued     = queueAgreesSays.clause("R13", "pending but not queued")
	queuedTwice             = queueAgreesSays.clause("R13", "queued twice")
	queuedAtAnotherEpoch    = queueAgreesSays.clause("R13", "queued at another epoch")
	queuedAtAnotherPriority = queueAgreesSays.clause("R13", "queued at another priority")
	processingWithoutALease = queueAgreesSays.clause("R13", "processing without a lease")
	leaseWithoutAnAttempt   = queueAgreesSays.clause("R13", "lease without an attempt")
	leasedTwice             = queueAgreesSays.clause("R13", "leased twice")
	leaseOfAnotherAttempt   = queueAgreesSays.clause("R13", "lease of another attempt")
	indexOfTheFailedIsWrong = queueAgreesSays.clause("R13", "index of the failed is wrong")
)

func newQueueAgrees(v *view) sim.Invariant {
	i := &queueAgrees{}
	i.watch = v.watch(queueAgreesSays, on{unit: i.checkUnit, queue: i.checkQueueRow, lease: i.checkLeaseRow, failed: i.checkFailedRow})
	return i
}

func (i *queueAgrees) checkUnit(c *unitChange) error      { return i.check(c.by, c.unit) }
func (i *queueAgrees) checkQueueRow(c *queueChange) error { return i.check(c.by, c.unit) }
func (i *queueAgrees) checkLeaseRow(c *leaseChange) error { return i.check(c.by, c.unit) }
func (i *queueAgrees) checkFailedRow(c *failedChange) error {
	return i.check(c.by, c.unit)
}

func (i *queueAgrees) check(e *sim.Effect, u *unit) error {
	if err := i.checkQueue(e, u); err != nil {
		return err
	}
	if err := i.checkLease(e, u); err != nil {
		return err
	}
	return i.checkFailed(e, u)
}

func (i *queueAgrees) checkFailed(e *sim.Effect, u *unit) error {
	if !u.exists() {
		return nil // its time to live is over: the index is on its way, too
	}
	if u.failed == (u.now.State == schema.Failed) && u.dead == (u.now.State == schema.Dead) {
		return nil
	}
	return i.wrong(indexOfTheFailedIsWrong, e, u, "unit %s is %s; it is in the index of the failed: %t, of the dead: %t",
		[]any{u.uid, u.now.State, u.failed, u.dead})
}

func (i *queueAgrees) checkQueue(e *sim.Effect, u *unit) error {
	wrong := func(broken *clause, format string, args ...any) error {
		return i.wrong(broken, e, u, format, args)
	}
	if u.now.State != schema.Pending {
		if len(u.queued) == 0 {
			return nil
		}
		return wrong(queuedButNotPending, "unit %s is %s, but %s is there", u.uid, u.now.State, u.queued[0].key)
	}
	switch {
	case len(u.queued) == 0:
		return wrong(pendingButNotQueued, "unit %s is pending, but not in the queue", u.uid)
	case len(u.queued) > 1:
		return wrong(queuedTwice, "unit %s is queued as %s and as %s", u.uid, u.queued[0].key, u.queued[1].key)
	}
	q := u.queued[0]
	if q.now.Epoch != u.now.Epoch {
		return wrong(queuedAtAnotherEpoch, "unit %s is at epoch %d, its queue row says %d", u.uid, u.now.Epoch, q.now.Epoch)
	}
	if want := 999 - u.sub.now.Priority; u.sub.exists && int64(q.priority) != want {
		return wrong(queuedAtAnotherPriority, "unit %s is queued as %s; its batch's priority asks for %03d", u.uid, q.key, want)
	}
	return nil
}

func (i *queueAgrees) checkLease(e *sim.Effect, u *unit) error {
	wrong := func(broken *clause, format string, args ...any) error {
		return i.wrong(broken, e, u, format, args)
	}
	switch {
	case u.now.State == schema.Processing && len(u.leases) == 0:
		return wrong(processingWithoutALease, "unit %s is processed by %s/%s at epoch %d, which has no lease", u.uid, u.now.Worker, u.now.Incarnation, u.now.Epoch)
	case u.now.State != schema.Processing && len(u.leases) > 0:
		return wrong(leaseWithoutAnAttempt, "unit %s is %s, but %s is there", u.uid, u.now.State, u.leases[0].key)
	case len(u.leases) > 1:
		return wrong(leasedTwice, "unit %s is leased as %s and as %s", u.uid, u.leases[0].key, u.leases[1].key)
	case len(u.leases) == 0:
		return nil
	}
	l := u.leases[0]
	if l.worker == u.now.Worker && l.incarnation == u.now.Incarnation && l.now.Epoch == u.now.Epoch {
		return nil
	}
	return wrong(leaseOfAnotherAttempt, "unit %s is %s/%s's at epoch %d, but its lease is %s at epoch %d", u.uid, u.now.Worker, u.now.Incarnation, u.now.Epoch, l.key, l.now.Epoch)
}

func (i *queueAgrees) wrong(broken *clause, e *sim.Effect, u *unit, format string, args []any) error {
	changed := i.world.LastWrite(u.key)
	return broken.breach(e, u.uid, changed.Ref("left the unit "+u.now.State.String()), "wrote the rows of the unit", format, args...)
}
