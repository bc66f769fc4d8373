package shrink

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// maxOrders is how many orderings tell a reader more than the remark that the
// order of events is the seed's.
const maxOrders = 12

// toDefault puts the default schedule in the place of the drawn one.
func (s *shrinking) toDefault() bool { return s.noOrder() || s.race() || s.inOrder() }

// noOrder tries the default schedule alone.
func (s *shrinking) noOrder() bool {
	return !s.best.ByDefault() && (s.tryPlainSeed(byDefault(s.best.Plan)) || s.try(byDefault(s.best.Plan)))
}

// inOrder writes down the order in which events came, where the failure needs another
// one than the default schedule's and one or two orderings do not bring it about: as a
// chain of orderings that each wait for the one before. Links are taken out of the chain
// as long as the failure stays.
func (s *shrinking) inOrder() bool {
	if s.best.ByDefault() {
		return false
	}
	before := *s.best
	moments, reached := s.failing()
	if reached != nil && s.toChain(reached.Plan, moments) {
		return true
	}
	*s.best = before
	return false
}

// plainSeed puts a plain seed in the place of one that may mean nothing any more.
func (s *shrinking) plainSeed() bool {
	return s.best.ByDefault() && s.tryPlainSeed(s.best.Plan)
}

// toChain puts orderings in the place of the order of events of a failing run.
func (s *shrinking) toChain(p *plan.Plan, moments []sim.Happening) bool {
	for _, matter := range []func(fault.Moment) bool{writes, requests, notReplies, every} {
		kept := slices.DeleteFunc(slices.Clone(moments), func(m sim.Happening) bool { return m.Healed || !matter(m.Moment) })
		chained := byDefault(p)
		chained.Orders = chain(kept)
		if !s.try(chained) {
			continue
		}
		drop(kept, func(kept []sim.Happening) bool { return s.tryOrders(chain(kept)) })
		s.dropOrders()
		s.joinOrders()
		if len(s.best.Plan.Orders) <= maxOrders {
			s.tryPlainSeed(s.best.Plan)
			return true
		}
	}
	return false
}

// failing runs the best plan and returns its moments: in a chaos phase that lasts
// beyond the violation, if it then fails, too, so that orderings can name all of
// them. A healed world is narrow.
func (s *shrinking) failing() ([]sim.Happening, *sim.Result) {
	best := s.best.Plan
	if reaching := s.reaching(best); reaching != best {
		for _, p := range []*plan.Plan{reaching, reaching.With("sim.arm", "narrow")} {
			moments, result := s.moments(p)
			if result != nil && result.Violation != nil && result.Violation.Identity() == s.want {
				return moments, result
			}
		}
	}
	moments, result := s.moments(best)
	if result == nil || result.Violation == nil {
		return nil, nil
	}
	return moments, result
}

// run is what a run of a plan was like.
type run struct {
	moments []sim.Happening
	result  *sim.Result
}

// moments runs a plan and returns its moments, those after the healing, too.
func (s *shrinking) moments(p *plan.Plan) ([]sim.Happening, *sim.Result) {
	text := p.String()
	if r := s.heard[text]; r != nil {
		return r.moments, r.result
	}
	target := s.target
	target.Events = s.room()
	moments, result, err := sim.Happenings(target, p)
	if err != nil {
		return nil, nil
	}
	s.runs++
	s.events += result.Events
	s.heard[text] = &run{moments, result}
	return moments, result
}

// Which moments a chain may consist of, the fewest first: two stores' users see
// of each other only what was written, what was asked when, and how late.
func writes(m fault.Moment) bool     { return m.Leg == fault.Request && m.Call.Op.HasEffect() }
func requests(m fault.Moment) bool   { return m.Leg == fault.Request && m.Call.Op != ops.TSO }
func notReplies(m fault.Moment) bool { return m.Leg != fault.Reply }
func every(fault.Moment) bool        { return true }

// chain lets each moment wait for the one before it.
func chain(moments []sim.Happening) []*fault.Ordering {
	var orders []*fault.Ordering
	for i := 1; i < len(moments); i++ {
		orders = append(orders, &fault.Ordering{Hold: moments[i].Moment, After: moments[i-1].Moment})
	}
	return orders
}

// joinOrders makes one ordering of two of which one waits for what the other one
// holds.
func (s *shrinking) joinOrders() {
	for again := true; again; {
		again = false
		for i, first := range s.best.Plan.Orders {
			for j, second := range s.best.Plan.Orders {
				if second.After != first.Hold || second.Hold == first.After {
					continue
				}
				joined := slices.Clone(s.best.Plan.Orders)
				joined[j] = &fault.Ordering{Hold: second.Hold, After: first.After}
				if again = s.tryOrders(slices.Delete(joined, i, i+1)); again {
					break
				}
			}
			if again {
				break
			}
		}
	}
}

func armOf(p *plan.Plan) string { return setting(p, "sim.arm") }

// setting is the value that a plan gives to a setting.
func setting(p *plan.Plan, name string) string {
	i := slices.IndexFunc(p.Settings, func(f plan.Field) bool { return f.Name == name })
	return p.Settings[i].Value
}

// byDefault is the plan under the default schedule.
func byDefault(p *plan.Plan) *plan.Plan {
	return p.With("sim.arm", sim.DefaultArm).With("sim.latency_min", "1ms").With("sim.latency_max", "1ms").With("sim.quantum", "0s").With("sim.timer_weight", "1")
}

// bare is the default run of the best plan's configuration, without a deviation.
func (s *shrinking) bare() *plan.Plan {
	p := byDefault(s.best.Plan)
	p.Faults, p.Orders = nil, nil
	return p
}

// plainSeed is the seed of plans to which their seed means nothing: under the
// default schedule it keys nothing but the system's own draws.
const plainSeed = 1

func (s *shrinking) tryPlainSeed(p *plan.Plan) bool {
	if p.Seed == plainSeed && p == s.best.Plan {
		return false
	}
	plain := p.Clone()
	plain.Seed = plainSeed
	return s.try(plain)
}
