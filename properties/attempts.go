package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// attempts: a unit's attempts are its claims less its graceful releases, and
// never more than the submission allows; an operator's retry of a dead unit,
// and nothing else, allows as many again. What failed is queued again only
// after a back-off that doubles.
//
// Attempts that go uncounted let a poisonous recording keep the whole fleet
// busy; attempts that are counted twice give up on one that is only unlucky.
type attempts struct{ *view }

func (i *attempts) Name() string { return "attempts-bounded" }

func (i *attempts) Observe(_ *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindUnit) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindUnit || c.deleted {
			continue
		}
		if err := i.check(e, c.unit); err != nil {
			return err
		}
	}
	return nil
}

func (i *attempts) check(e *sim.Effect, u *unit) error {
	now, was := &u.now, &u.was
	wrong := func(clause, text string) error {
		return breach("R12", clause, u.uid, lastClaim(u.claims), e, u.edge(), text)
	}
	released := now.releases - was.releases
	switch {
	case released < 0 || released > 1 || released == 1 && (u.before != stateProcessing || u.state != statePending):
		return wrong("release miscounted", fmt.Sprintf("the releases of unit %s went from %d to %d (%s)", u.uid, was.releases, now.releases, u.edge()))
	case now.retries != was.retries && (now.retries != was.retries+1 || u.before != stateDead || u.state != statePending):
		return wrong("retry miscounted", fmt.Sprintf("the retries of unit %s went from %d to %d (%s)", u.uid, was.retries, now.retries, u.edge()))
	case u.before == stateDead && u.state == statePending && now.retries == was.retries:
		return wrong("retry not counted", fmt.Sprintf("unit %s came back from the dead, and no retry was counted", u.uid))
	}
	if u.before == stateFailed && u.state == statePending {
		wait := i.cfg.UnitBackoff
		for range now.attempts - 1 {
			wait = min(2*wait, i.cfg.UnitBackoffMax)
		}
		if since := e.At - u.ending.at; since < hurried(wait) {
			return wrong("queued again before its back-off", fmt.Sprintf("unit %s failed at attempt %d and was queued again %s later; its back-off is %s", u.uid, now.attempts, since, wait))
		}
	}
	if claims := int64(len(u.claims)); now.attempts != claims-now.releases {
		return wrong("attempts miscounted", fmt.Sprintf("unit %s was claimed %d times and released %d times, but its row counts %d attempts (%s)",
			u.uid, claims, now.releases, now.attempts, u.edge()))
	}
	if limit := u.sub.row.maxAttempts * (1 + now.retries); u.sub.row.maxAttempts > 0 && now.attempts > limit {
		return wrong("more attempts than allowed", fmt.Sprintf("unit %s is at attempt %d of %d", u.uid, now.attempts, limit))
	}
	return nil
}
