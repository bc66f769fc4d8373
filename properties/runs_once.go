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
	*view
	suspects []suspect
}

// suspect is a claim that the faults known so far do not explain.
type suspect struct {
	claims, allowed int // allowed without any fault
	violation       error
}

func (i *runsOnce) Name() string { return "runs-once" }

func (i *runsOnce) Observe(w *sim.World, e *sim.Effect) error {
	if i.touched&(1<<kindUnit|1<<kindMerge) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		switch {
		case c.deleted || !w.Timely():
		case c.kind == kindUnit && len(c.unit.claims) > 1 && c.unit.claimed():
			if u := c.unit; !poisoned(u.sub.wanted, u.now.url) {
				i.check(e, u.uid, u.claims, 1+int(u.now.retries*u.sub.row.maxAttempts))
			}
		case c.kind == kindMerge && len(c.sub.merge.claims) > 1 && c.sub.merge.now.gen != c.sub.merge.was.gen:
			i.check(e, c.sub.bid, c.sub.merge.claims, 1)
		}
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
	cost := i.cost()
	if len(claims) <= allowed+cost {
		return
	}
	clause := "claimed more often than the faults explain"
	if len(i.faults) == 0 {
		clause = "claimed again without a fault"
	}
	last := &claims[len(claims)-2]
	violation := breach("R12", clause, subject, last.ref(fmt.Sprintf("claimed epoch %d", last.epoch)), e, fmt.Sprintf("claimed epoch %d", claims[len(claims)-1].epoch),
		fmt.Sprintf("%s was claimed %d times; the %d faults so far explain %d", subject, len(claims), len(i.faults), allowed+cost))
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
