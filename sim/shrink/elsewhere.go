package shrink

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

const (
	// maxWorlds is how many seeds' configurations are tried at most.
	maxWorlds = 160
	// maxWorld is how many events one of them may take: most that fail do so early.
	maxWorld = 10_000
	// maxStrays is how many failures of other worlds are reduced in the place of one.
	maxStrays = 3
	// unnamed is what an order of events that is the seed's counts as: as much as the
	// most that is looked for in its place.
	unnamed = 3
)

// elsewhere looks for a world that fails by itself: the default runs of what other
// seeds draw, with fewer processes than what is left has processes and deviations.
// A failure that chance has found by a detour, by a fault that another world does not
// need, ends as what it is. One that comes and goes with the latency is a race that
// happens to be lost there: its plan would not say so, and would not last, so it is
// only kept for want of a better one.
func (s *shrinking) elsewhere() bool {
	return s.inWorlds(s.fewerThan(), s.drawn, func(world *plan.Plan) bool {
		world = byDefault(world)
		world.Seed = plainSeed
		if !s.failsSoon(world) {
			return false
		}
		slow := world.With("sim.latency_min", otherLatency).With("sim.latency_max", otherLatency)
		if s.failsSoon(slow) && s.try(world) {
			return true
		}
		s.tried[world.String()] = true
		if cast := s.castOf(world); s.chance == nil || cast < s.castOf(s.chance) {
			s.chance = world
		}
		return false
	})
}

// byChance takes a race that happens to be lost in another world: in the place of much,
// of a default run, which may owe as much to chance, or of a deviation between two, if
// one alone does it there.
func (s *shrinking) byChance() bool {
	if s.chance == nil || s.size() == 2 && s.best.Plan.Deviations() > 0 || s.castOf(s.chance) >= s.fewerThan() {
		return false
	}
	delete(s.tried, s.chance.String())
	return s.try(s.chance)
}

// fewerThan bounds the processes of a default run in the place of what there is: in
// that of an order that nobody can name it may have as many. A named deviation between
// two tells more than a default run of two does.
func (s *shrinking) fewerThan() int {
	if !s.much() && s.best.Plan.Deviations() > 0 {
		return 2
	}
	return min(s.weight(), s.size()+1)
}

// castOf is how many processes of the system a plan has.
func (s *shrinking) castOf(p *plan.Plan) int {
	cast, err := sim.Cast(s.target, p)
	if err != nil {
		return math.MaxInt
	}
	return len(cast)
}

// otherLatency is the latency by which a default run must fail, too, to owe nothing to
// the usual one.
const otherLatency = "3ms"

// astray looks for a failure of another world, by the order of events that its seed
// draws, which comes to less than what there is.
func (s *shrinking) astray() bool {
	if !s.much() {
		return false
	}
	strays, weight, heavy := 0, s.weight(), s.heavy()
	draw := func(seed uint64, more int64) *world {
		if seed%2 == 0 || heavy || s.best.ByDefault() {
			return s.drawn(seed, more)
		}
		return s.again(seed, more)
	}
	return s.inWorlds(weight-1, draw, func(world *plan.Plan) bool {
		before := *s.best
		if strays == maxStrays || !s.failsSoon(world) || !s.try(world) {
			return false
		}
		if s.weight() < weight {
			return true
		}
		strays++
		if s.toDefault() && s.weight() < weight {
			return true
		}
		*s.best = before
		s.tried[world.String()] = true
		return false
	})
}

// heavy reports whether there is no room to take deviations away one by one: then the
// failure is looked for in other worlds before anything else, which are small.
func (s *shrinking) heavy() bool {
	return s.best.Result.Events*uint64(s.best.Plan.Deviations()) > maxEvents/2
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

// inWorlds tries worlds, one for each seed, that have fewer processes than a number.
func (s *shrinking) inWorlds(processes int, draw func(seed uint64, more int64) *world, try func(*plan.Plan) bool) bool {
	for seed := uint64(1); seed <= maxWorlds; seed++ {
		// As few of each process as there can be, and for some one more.
		for more := range int64(1 + seed%2) {
			if s.spent() {
				return false
			}
			if w := draw(seed, more); w != nil && w.cast < processes && try(w.Plan) {
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

// weight is a size in which an order of events that nobody can name counts, too. A
// standstill of the healed world owes nothing to it.
func (s *shrinking) weight() int {
	if s.best.ByDefault() || s.best.Result.Violation.Standstill != nil {
		return s.size()
	}
	return s.size() + unnamed
}

// world is a configuration, and how many processes it has.
type world struct {
	*plan.Plan
	cast int
}

// drawn is what a seed draws, without a fault. Every other has most numbers at their
// simplest, so that it takes few events; those that are left as they are lose more races.
func (s *shrinking) drawn(seed uint64, more int64) *world {
	key := [2]uint64{seed, uint64(more)}
	w, known := s.worlds[key]
	if !known {
		w = s.world(s.draft(seed), seed, more)
		s.worlds[key] = w
	}
	return w
}

func (s *shrinking) draft(seed uint64) *plan.Plan {
	p, err := sim.Draft(s.target, seed)
	if err != nil {
		return nil
	}
	if p.Why = s.best.Plan.Why; seed%2 == 0 {
		return p
	}
	d := keyed.New(seed, "simple")
	return s.set(p, func(setting *plan.Setting) string {
		if setting.Int == nil || strings.HasPrefix(setting.Name, "sim.") || !d.Chance(setting.Name, 750) {
			return ""
		}
		return setting.Simplest()
	})
}

// again is the best plan's configuration, without a fault, with another seed.
func (s *shrinking) again(seed uint64, more int64) *world {
	p := s.best.Plan.Clone()
	p.Seed, p.Faults, p.Orders = seed, nil, nil
	return s.world(p, seed, more)
}

// world is a plan with that many more processes of each kind than the fewest, and
// with some of what makes work go wrong by itself; nil if there can be no such world.
func (s *shrinking) world(p *plan.Plan, seed uint64, more int64) *world {
	d := keyed.New(seed, "trouble")
	p = s.set(p, func(setting *plan.Setting) string {
		switch {
		case slices.Contains(s.counts(), setting.Name) && setting.Int != nil:
			return strconv.FormatInt(setting.Min+more, 10)
		case slices.Contains(s.counts(), setting.Name):
			return "false"
		case s.provokes(setting) && d.Chance(setting.Name, 333):
			return setting.Provokes
		}
		return ""
	})
	if p == nil {
		return nil
	}
	cast, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	return &world{p, len(cast)}
}

// set is a plan with some settings changed; value returns "" for those that stay. It
// returns nil if there can be no such world, or was none.
func (s *shrinking) set(p *plan.Plan, value func(*plan.Setting) string) *plan.Plan {
	if p == nil {
		return nil
	}
	settings, err := sim.Settings(s.target, p)
	if err != nil {
		return nil
	}
	other := p.Clone()
	other.Settings = slices.Clone(p.Settings)
	for i := range settings {
		text := value(&settings[i])
		if at := slices.IndexFunc(other.Settings, func(f plan.Field) bool { return f.Name == settings[i].Name }); at >= 0 && text != "" {
			other.Settings[at].Value = text
		}
	}
	return other
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
// one with all settings at their simplest, the one with as few processes as there can
// be, and those with one more.
func (s *shrinking) stages() (list []*stage) {
	bare := s.reaching(s.bare())
	if s.much() {
		list = slices.DeleteFunc([]*stage{s.plain(bare), s.narrow(bare)}, func(st *stage) bool { return st == nil })
		list = append(list, s.couples(bare)...)
	}
	cast, err := sim.Cast(s.target, bare)
	if err != nil {
		return nil
	}
	return append(list, &stage{Plan: bare, cast: len(cast)})
}

// provoked are stages on which the work itself goes wrong, if there is much: there one
// fault strikes at what else takes some more to come to. With already they are those
// alone by what goes wrong now and then in what is left.
func (s *shrinking) provoked(already bool) (list []*stage) {
	if !s.much() {
		return nil
	}
	settings, err := sim.Settings(s.target, s.best.Plan)
	if err != nil {
		return nil
	}
	bare := s.reaching(s.bare())
	for _, setting := range settings {
		if !s.provokes(&setting) || already && setting.Simplest() == "" {
			continue
		}
		if st := s.plain(bare); st != nil && s.smaller(st, 1) {
			st.Plan = st.With(setting.Name, setting.Provokes)
			list = append(list, st)
		}
	}
	return list
}

// smaller reports whether a stage with that many deviations more is less than what is
// left.
func (s *shrinking) smaller(st *stage, more int) bool {
	return st.cast+st.Deviations()+more < s.weight()
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

// narrow is a plan with as few processes as there can be; those that are left play the
// parts of all. It returns nil if the plan has no more than those.
func (s *shrinking) narrow(p *plan.Plan) *stage {
	st := s.simpler(p, s.fewest)
	if st == nil || len(st.parts) == 0 {
		return nil
	}
	return st
}

// couples are a plan with one process more of one kind than as few as there can be,
// where that is fewer than it has: those that meet need two, whatever else there is.
func (s *shrinking) couples(p *plan.Plan) (list []*stage) {
	before, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	for _, name := range s.counts() {
		st := s.simpler(p, func(setting *plan.Setting) string {
			if setting.Name == name && setting.Int != nil {
				return strconv.FormatInt(setting.Min+1, 10)
			}
			return s.fewest(setting)
		})
		if st != nil && st.cast > 1 && st.cast < len(before) {
			list = append(list, st)
		}
	}
	return list
}

// fewest is the value of a setting with which there are the fewest processes; "" for
// others.
func (s *shrinking) fewest(setting *plan.Setting) string {
	if !slices.Contains(s.counts(), setting.Name) {
		return ""
	}
	return setting.Simplest()
}

// plain is a plan whose settings are all at their simplest: what takes several faults
// otherwise, such as attempts that run out, may take one there.
func (s *shrinking) plain(p *plan.Plan) *stage {
	return s.simpler(p, func(setting *plan.Setting) string {
		if ours(setting.Name) {
			return ""
		}
		return setting.Simplest()
	})
}

// simpler is a plan with some settings at other values; nil if there can be no such
// world.
func (s *shrinking) simpler(p *plan.Plan, value func(*plan.Setting) string) *stage {
	before, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	p = s.set(p, value)
	if p == nil {
		return nil
	}
	cast, err := sim.Cast(s.target, p)
	if err != nil {
		return nil
	}
	return &stage{Plan: p, parts: s.casting(before, cast), cast: len(cast)}
}

// casting says who plays the parts of processes that there are no more: those that
// deviations name choose first. A process of the same role plays a part before one of
// another, and one that has no part yet before one that has.
func (s *shrinking) casting(before, cast []string) map[string]string {
	parts, taken := map[string]string{}, map[string]bool{}
	first := slices.DeleteFunc(s.best.Plan.Actors(), func(name string) bool { return !slices.Contains(before, name) })
	for _, name := range first {
		taken[name] = true
	}
	for _, name := range slices.Concat(first, before) {
		if slices.Contains(cast, name) || parts[name] != "" || len(cast) == 0 {
			continue
		}
		rank := func(other string) (n int) {
			if plan.Role(other) != plan.Role(name) {
				n = 2
			}
			if taken[other] {
				n++
			}
			return n
		}
		part := slices.MinFunc(cast, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
		parts[name], taken[part] = part, true
	}
	return parts
}
