package shrink

import (
	"slices"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

const (
	// worlds is how many other configurations are tried at most.
	worlds = 64
	// maxElsewhere is the share of the events, in percent, that trying them may take.
	maxElsewhere = 15
	// maxWorld is how many events one of them may take: most that fail do so early.
	maxWorld = 10_000
	// maxStrays is how many failures of other worlds are reduced in the place of one.
	maxStrays = 3
)

// elsewhere looks for a world that fails by itself: the default runs of what other
// seeds draw, with fewer processes than what is left has processes and deviations.
// A failure that chance has found by a detour, by a fault that another world does not
// need, ends as what it is. One that comes and goes with the latency is a race that
// happens to be lost there: its plan would not say so, and would not last, so it is
// only kept for want of a better one.
func (s *shrinking) elsewhere() bool {
	if !s.much() && s.size() != 2 {
		return false
	}
	return s.inWorlds(0, func(world *plan.Plan) bool {
		world = byDefault(world)
		world.Seed = plainSeed
		slow := world.With("sim.latency_min", otherLatency).With("sim.latency_max", otherLatency)
		if !s.failsSoon(world) {
			return false
		}
		if s.chance == nil {
			s.chance = world
		}
		return s.failsSoon(slow) && s.try(world)
	})
}

// byChance takes a race that happens to be lost in another world.
func (s *shrinking) byChance() bool {
	if s.chance == nil || !s.much() {
		return false
	}
	cast, err := sim.Cast(s.target, s.chance)
	return err == nil && len(cast) < s.size() && s.try(s.chance)
}

// otherLatency is the latency by which a default run must fail, too, to owe nothing to
// the usual one.
const otherLatency = "3ms"

// astray looks for a failure of another world, by the order of events that its seed
// draws, which comes to fewer deviations than what there is.
func (s *shrinking) astray() bool {
	strays := 0
	return s.much() && s.inWorlds(1, func(world *plan.Plan) bool {
		before, size := *s.best, s.size()
		if strays == maxStrays || !s.failsSoon(world) || !s.try(world) {
			return false
		}
		strays++
		if s.toDefault() && s.size() < size {
			return true
		}
		*s.best = before
		return false
	})
}

// much reports whether what there is, is more than one deviation between two: then
// another world may tell the failure in fewer words.
func (s *shrinking) much() bool {
	return !s.best.ByDefault() || s.size() > 3 || s.best.Plan.Deviations() > 1
}

// failsSoon reports whether a world fails in the same way, within maxWorld events.
func (s *shrinking) failsSoon(world *plan.Plan) bool {
	s.most = maxWorld
	defer func() { s.most = 0 }()
	return s.fails(world) != nil
}

// inWorlds tries what other seeds draw, without a fault, and with so few processes
// that with those deviations more it is less than what there is.
func (s *shrinking) inWorlds(deviations int, try func(*plan.Plan) bool) bool {
	size := s.size() - deviations
	limit := s.events + maxEvents*maxElsewhere/100
	for more := range int64(2) { // as few of each process as there can be, and one more
		for seed := uint64(1); size > 1 && seed <= worlds && s.events < limit; seed++ {
			world := s.world(seed, more)
			if world == nil {
				continue
			}
			if cast, err := sim.Cast(s.target, world); err == nil && len(cast) < size && try(world) {
				return true
			}
		}
	}
	return false
}

// size is what a reader has to keep in mind: deviations, and the system's processes.
func (s *shrinking) size() int {
	if s.sized != s.best.Plan {
		cast, err := sim.Cast(s.target, s.best.Plan)
		if err != nil {
			return 0
		}
		s.sized, s.cast = s.best.Plan, len(cast)
	}
	return s.best.Plan.Deviations() + s.cast
}

// world is what a seed draws, without a fault, with that many more processes of each
// kind than the fewest; nil if there is no such world.
func (s *shrinking) world(seed uint64, more int64) *plan.Plan {
	p, err := sim.Draft(s.target, seed)
	if err != nil {
		return nil
	}
	settings, err := sim.Settings(s.target, p)
	if err != nil {
		return nil
	}
	for _, setting := range settings {
		switch {
		case slices.Contains(s.counts(), setting.Name) && setting.Int != nil:
			p = p.With(setting.Name, strconv.FormatInt(setting.Min+more, 10))
		case slices.Contains(s.counts(), setting.Name):
			p = p.With(setting.Name, "false")
		case setting.Provokes != "" && seed%2 == 0: // half of the worlds are full of trouble
			p = p.With(setting.Name, setting.Provokes)
		}
	}
	p.Why = s.best.Plan.Why
	return p
}

// counts are the settings that say how many processes there are.
func (s *shrinking) counts() []string {
	if s.counted != nil {
		return s.counted
	}
	s.counted = []string{}
	before, err := sim.Cast(s.target, s.best.Plan)
	if err != nil {
		return nil
	}
	settings, err := sim.Settings(s.target, s.best.Plan)
	if err != nil {
		return nil
	}
	for _, setting := range settings {
		other := ""
		switch {
		case ours(setting.Name):
		case setting.Int != nil:
			other = strconv.Itoa(*setting.Int + 1)
		case setting.Bool != nil:
			other = strconv.FormatBool(!*setting.Bool)
		}
		if other == "" {
			continue
		}
		cast, err := sim.Cast(s.target, s.best.Plan.With(setting.Name, other))
		if err == nil && len(cast) != len(before) {
			s.counted = append(s.counted, setting.Name)
		}
	}
	return s.counted
}

// stage is a plan to which deviations are added, and who plays whose part in it.
type stage struct {
	*plan.Plan
	parts map[string]string
	cast  int
}

// stages are where one deviation is looked for in the place of what there is: the
// default run of the configuration that is left, and before that, if there is much, the
// one with all settings at their simplest, and the one with as few processes as there
// can be.
func (s *shrinking) stages() (list []*stage) {
	bare := s.reaching(s.bare())
	if s.much() {
		list = slices.DeleteFunc([]*stage{s.plain(bare), s.narrow(bare)}, func(st *stage) bool { return st == nil })
	}
	cast, err := sim.Cast(s.target, bare)
	if err != nil {
		return nil
	}
	return append(list, &stage{Plan: bare, cast: len(cast)})
}

// smaller reports whether a stage with that many deviations more is less than what is
// left. The seed's order of events, which nobody can name, counts as much as the most
// that is looked for in its place; a standstill of the healed world owes nothing to it.
func (s *shrinking) smaller(st *stage, more int) bool {
	now := s.size()
	if !s.best.ByDefault() && s.best.Result.Violation.Standstill == nil {
		now += 3
	}
	return st.cast+st.Deviations()+more < now
}

// moments are those of a list, by who plays their parts on the stage.
func (st *stage) moments(list []fault.Moment) []fault.Moment {
	if len(st.parts) == 0 {
		return list
	}
	var other []fault.Moment
	for _, m := range list {
		if part, ok := st.parts[m.Call.Process]; ok {
			m.Call.Process = part
		}
		if !slices.Contains(other, m) {
			other = append(other, m)
		}
	}
	return other
}

// fault is a fault by who plays its part on the stage.
func (st *stage) fault(f *fault.Fault) *fault.Fault {
	other := f.Again()
	if part, ok := st.parts[f.At.Process]; ok {
		other.At.Process = part
	}
	return other
}

// narrow is a plan with as few processes as there can be; the first of each role
// plays the parts of all. It returns nil if the plan has no more than those.
func (s *shrinking) narrow(p *plan.Plan) *stage {
	st := s.simpler(p, func(name string) bool { return slices.Contains(s.counts(), name) })
	if st == nil || len(st.parts) == 0 {
		return nil
	}
	return st
}

// plain is a plan whose settings are all at their simplest: what takes several faults
// otherwise, such as attempts that run out, may take one there.
func (s *shrinking) plain(p *plan.Plan) *stage {
	return s.simpler(p, func(name string) bool { return !ours(name) })
}

// simpler is a plan with some settings at their simplest; nil if there can be no such
// world.
func (s *shrinking) simpler(p *plan.Plan, chosen func(name string) bool) *stage {
	before, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	settings, err := sim.Settings(s.target, p)
	if err != nil {
		return nil
	}
	for _, setting := range settings {
		if simplest := setting.Simplest(); simplest != "" && chosen(setting.Name) {
			p = p.With(setting.Name, simplest)
		}
	}
	cast, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	st := &stage{Plan: p, parts: map[string]string{}, cast: len(cast)}
	for _, name := range before {
		i := slices.IndexFunc(cast, func(other string) bool { return role(other) == role(name) })
		if i >= 0 && !slices.Contains(cast, name) {
			st.parts[name] = cast[i]
		}
	}
	return st
}
