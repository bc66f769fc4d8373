package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// runsOnce: where no fault has fired every unit and every merge is claimed
// once. Each fault may cost, generously, two further claims and two more for
// every shortest period (stale or circuit breaker) that it lasts; what an
// operator retries may cost as many again, and poison is not judged. Nothing
// is, either, where timers may overtake messages: then a lease can run out
// without any fault.
//
// It is judged at the end: a request that a fault held back tells of the fault
// only when it arrives.
//
// Work that is done twice for no reason is how a fleet that looks busy gets
// nothing done.
type runsOnce struct {
	watch
	suspects []suspect
}

// suspect is a claim that the faults known so far do not explain.
type suspect struct {
	claims, allowed int // allowed without any fault
	violation       error
}

var (
	runsOnceSays = say("runs-once")

	claimedAgain     = runsOnceSays.clause("R12", "claimed again without a fault")
	claimedMoreOften = runsOnceSays.clause("R12", "claimed more often than the faults explain")
)

func newRunsOnce(v *view) sim.Invariant {
	i := &runsOnce{}
	i.watch = v.watch(runsOnceSays, on{unit: i.checkUnit, merge: i.checkMerge})
	return i
}

func (i *runsOnce) checkUnit(c *unitChange) error {
	if u := c.unit; c.claimed() && !poisoned(u.sub.wanted, u.now.URL) {
		i.check(c.by, u.uid, u.claims, 1+int(u.now.Retries*u.sub.now.MaxAttempts))
	}
	return nil
}

func (i *runsOnce) checkMerge(c *mergeChange) error {
	if c.claimed() {
		i.check(c.by, c.sub.bid, c.sub.merge.claims, 1)
	}
	return nil
}

func (i *runsOnce) Settled(*sim.World) error {
	cost := i.cost()
	for n := range i.suspects {
		if s := &i.suspects[n]; s.claims > s.allowed+cost {
			return s.violation
		}
	}
	return nil
}

func (i *runsOnce) check(e *sim.Effect, subject string, claims []claim, allowed int) {
	if len(claims) < 2 || !i.world.Timely() {
		return
	}
	cost := i.cost()
	if len(claims) <= allowed+cost {
		return
	}
	broken := claimedMoreOften
	if len(i.faults) == 0 {
		broken = claimedAgain
	}
	last := &claims[len(claims)-2]
	violation := broken.breach(e, subject, last.Ref(fmt.Sprintf("claimed epoch %d", last.epoch)), fmt.Sprintf("claimed epoch %d", claims[len(claims)-1].epoch),
		"%s was claimed %d times; the %d faults so far explain %d", subject, len(claims), len(i.faults), allowed+cost)
	i.suspects = append(i.suspects, suspect{len(claims), allowed, violation})
}

// cost is how many claims the faults so far may have cost.
func (i *runsOnce) cost() int {
	period := hurried(i.cfg.StaleAfter)
	if b := hurried(i.cfg.BreakerOpen); b > 0 {
		period = min(period, b)
	}
	total := 0
	for n := range i.faults {
		total += 2
		if lasts := i.faults[n].fault.Kind.Lasts(); lasts > 0 && period > 0 {
			total += 2 * int(min(lasts/period, 1000))
		}
	}
	return total
}
