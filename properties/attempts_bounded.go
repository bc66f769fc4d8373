package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// attemptsBounded: a unit's attempts are its claims less its graceful releases, and
// never more than the submission allows, and after the last it is not tried again;
// an operator's retry of a dead unit, and nothing else, allows as many again. What
// failed is queued again only after a back-off that doubles up to its limit, and soon
// after it, unless a fault is near.
//
// Attempts that go uncounted let a poisonous recording keep the whole fleet
// busy; attempts that are counted twice give up on one that is only unlucky.
type attemptsBounded struct {
	watch
	suspects []suspicion
}

var (
	attemptsBoundedSays = say("attempts-bounded")

	releaseMiscounted           = attemptsBoundedSays.clause("R12", "release miscounted")
	retryMiscounted             = attemptsBoundedSays.clause("R12", "retry miscounted")
	retryNotCounted             = attemptsBoundedSays.clause("R12", "retry not counted")
	queuedAgainBeforeItsBackOff = attemptsBoundedSays.clause("R12", "queued again before its back-off")
	queuedAgainTooLate          = attemptsBoundedSays.clause("R12", "queued again long after its back-off")
	attemptsMiscounted          = attemptsBoundedSays.clause("R12", "attempts miscounted")
	moreAttemptsThanAllowed     = attemptsBoundedSays.clause("R12", "more attempts than allowed")
	toBeTriedAfterItsLast       = attemptsBoundedSays.clause("R12", "to be tried again after its last attempt")
)

func newAttemptsBounded(v *view) sim.Invariant {
	i := &attemptsBounded{}
	i.watch = v.watch(attemptsBoundedSays, on{unit: i.check})
	return i
}

func (i *attemptsBounded) Settled(*sim.World) error { return i.unexcused(i.suspects, nil) }

func (i *attemptsBounded) check(c *unitChange) error {
	if c.deleted {
		return nil
	}
	u := c.unit
	now, was := &u.now, &c.before
	released := now.Releases - was.Releases
	switch {
	case released < 0 || released > 1 || released == 1 && (was.State != schema.Processing || now.State != schema.Pending):
		return c.breaks(releaseMiscounted, "the releases of unit %s went from %d to %d (%s)", u.uid, was.Releases, now.Releases, c.edge())
	case now.Retries != was.Retries && (now.Retries != was.Retries+1 || was.State != schema.Dead || now.State != schema.Pending):
		return c.breaks(retryMiscounted, "the retries of unit %s went from %d to %d (%s)", u.uid, was.Retries, now.Retries, c.edge())
	case was.State == schema.Dead && now.State == schema.Pending && now.Retries == was.Retries:
		return c.breaks(retryNotCounted, "unit %s came back from the dead, and no retry was counted", u.uid)
	}
	if was.State == schema.Failed && now.State == schema.Pending {
		if err := i.checkBackOff(c); err != nil {
			return err
		}
	}
	if claims := int64(len(u.claims)); now.Attempts != claims-now.Releases {
		return c.breaks(attemptsMiscounted, "unit %s was claimed %d times and released %d times, but its row counts %d attempts (%s)", u.uid, claims, now.Releases, now.Attempts, c.edge())
	}
	limit := u.sub.now.MaxAttempts * (1 + now.Retries)
	switch {
	case u.sub.now.MaxAttempts == 0:
	case now.Attempts > limit:
		return c.breaks(moreAttemptsThanAllowed, "unit %s is at attempt %d of %d", u.uid, now.Attempts, limit)
	case now.Attempts == limit && (c.became(schema.Failed) || c.became(schema.Pending) && was.State == schema.Processing):
		return c.breaks(toBeTriedAfterItsLast, "unit %s is %s after attempt %d of %d: it is to be tried again", u.uid, now.State, now.Attempts, limit)
	}
	return nil
}

// checkBackOff judges when a unit that failed is queued again: by a controller that sees it
// in one of its rounds, waits for the back-off, and acts in the next after that.
func (i *attemptsBounded) checkBackOff(c *unitChange) error {
	u, now := c.unit, &c.unit.now
	wait := i.cfg.UnitBackoff
	for range now.Attempts - 1 {
		wait = min(2*wait, i.cfg.UnitBackoffMax)
	}
	since := c.by.At - u.ending.At
	if since < i.soonest(wait) {
		return c.breaks(queuedAgainBeforeItsBackOff, "unit %s failed at attempt %d and was queued again %s later; its back-off is %s", u.uid, now.Attempts, since, wait)
	}
	if since > drifted(wait+2*i.cfg.ControlEvery+i.cfg.OpTimeout)+time.Second && i.world.Timely() {
		i.suspects = append(i.suspects, suspicion{c.by.Process, u.ending.At, c.by.At, c.breaks(queuedAgainTooLate,
			"unit %s failed at attempt %d and was queued again only %s later; its back-off is %s, a controller looks every %s, and no fault stood in its way", u.uid, now.Attempts, since, wait, i.cfg.ControlEvery)})
	}
	return nil
}
