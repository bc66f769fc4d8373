package shrink

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// ours are the settings that passes of their own are about.
func ours(name string) bool {
	return name == "sim.arm" || strings.HasPrefix(name, "sim.latency") || strings.HasPrefix(name, "sim.chaos")
}

// simple is a setting that could have a simpler value.
type simple struct {
	name, value string
	towards     []string
}

// simplifiable lists the settings that are not at their simplest.
func (s *shrinking) simplifiable() []simple {
	settings, err := sim.Settings(s.target, s.best.Plan)
	if err != nil {
		return nil
	}
	var list []simple
	for _, setting := range settings {
		if value := setting.Simplest(); value != "" && !ours(setting.Name) {
			list = append(list, simple{setting.Name, value, setting.Towards()})
		}
	}
	return list
}

// maxConfigure is the share of the events, in percent, that simpler settings may take
// at a time.
const maxConfigure = 20

// configure gives settings their simplest values: first the sizes of the world,
// one by one, then all others at once or in large pieces.
func (s *shrinking) configure() {
	s.resize()
	left, limit := s.simplifiable(), s.events+maxEvents*maxConfigure/100
	drop(left, func(kept []simple) bool {
		if s.events > limit {
			return false
		}
		s.most = s.noLonger()
		candidate := s.best.Plan
		for _, item := range left {
			if !slices.ContainsFunc(kept, func(k simple) bool { return k.name == item.name }) {
				candidate = candidate.With(item.name, item.value)
			}
		}
		return s.tryRecast(candidate)
	})
	s.most = 0
}

// noLonger is how many events a simpler configuration may take: one that takes many
// more than the best is no simpler.
func (s *shrinking) noLonger() uint64 { return s.best.Result.Events*5/4 + 200 }

// resize makes numbers smaller.
func (s *shrinking) resize() bool {
	smaller, limit := false, s.events+maxEvents*maxConfigure/100
	for _, item := range s.simplifiable() {
		if s.events > limit {
			break
		}
		if len(item.towards) == 0 && !isNumber(item.value) {
			continue
		}
		if s.most = s.noLonger(); slices.Contains(s.counts(), item.name) {
			s.most = 0
		}
		for _, value := range append([]string{item.value}, item.towards...) {
			if s.tryRecast(s.best.Plan.With(item.name, value)) {
				smaller = true
				break
			}
		}
	}
	s.most = 0
	return smaller
}

func isNumber(text string) bool { return strings.Trim(text, "0123456789") == "" }

// tryRecast tries a configuration. Where it lacks processes that deviations name,
// those that there are play their parts.
func (s *shrinking) tryRecast(candidate *plan.Plan) bool {
	cast, err := sim.Cast(s.target, candidate)
	if err != nil {
		return false
	}
	var missing, free []string
	named := candidate.Actors()
	before, err := sim.Cast(s.target, s.best.Plan)
	if err != nil {
		return false
	}
	for _, name := range named {
		if slices.Contains(before, name) && !slices.Contains(cast, name) {
			missing = append(missing, name)
		}
	}
	for _, name := range cast {
		if !slices.Contains(named, name) {
			free = append(free, name)
		}
	}
	for _, name := range cast { // two parts may be one's
		if slices.Contains(named, name) {
			free = append(free, name)
		}
	}
	return s.tryParts(candidate, missing, free, map[string]string{})
}

// tryParts tries every way to give the parts of the missing to those that are free.
func (s *shrinking) tryParts(candidate *plan.Plan, missing, free []string, parts map[string]string) bool {
	if len(missing) == 0 {
		return s.try(candidate.Recast(parts))
	}
	for i, name := range free {
		if plan.Role(name) != plan.Role(missing[0]) {
			continue
		}
		parts[missing[0]] = name
		if s.tryParts(candidate, missing[1:], slices.Delete(slices.Clone(free), i, i+1), parts) {
			return true
		}
	}
	return false
}

// rename lets the first processes of each role play in the deviations, in the
// order in which these name them.
func (s *shrinking) rename() {
	cast, err := sim.Cast(s.target, s.best.Plan)
	if err != nil {
		return
	}
	parts, next := map[string]string{}, map[string]int{}
	changed := false
	for _, name := range s.best.Plan.Actors() {
		var alike []string
		for _, other := range cast {
			if plan.Role(other) == plan.Role(name) {
				alike = append(alike, other)
			}
		}
		if !slices.Contains(alike, name) {
			continue // a client
		}
		parts[name] = alike[next[plan.Role(name)]]
		next[plan.Role(name)]++
		changed = changed || parts[name] != name
	}
	if changed {
		s.try(s.best.Plan.Recast(parts))
	}
}

// truncate lets the chaos phase end early: what comes after it is long where
// something stands still.
func (s *shrinking) truncate() {
	if s.try(s.best.Plan.With("sim.chaos_for", "0s")) {
		return
	}
	lasts, _ := s.chaosFor()
	for parts := time.Duration(64); parts > 1; parts /= 4 {
		if s.try(s.best.Plan.With("sim.chaos_for", readable(lasts/parts).String())) {
			return
		}
	}
}

func (s *shrinking) chaosFor() (time.Duration, error) {
	return time.ParseDuration(setting(s.best.Plan, "sim.chaos_for"))
}

// reaching is the plan with a chaos phase that lasts beyond the violation, since
// no deviation reaches what comes after the healing. A standstill is one of the
// healed system: there the plan stays as it is.
func (s *shrinking) reaching(p *plan.Plan) *plan.Plan {
	lasts, err := s.chaosFor()
	violation := s.best.Result.Violation
	if err != nil || violation.Standstill != nil || violation.At < lasts {
		return p
	}
	return p.With("sim.chaos_for", readable(2*violation.At+time.Second).String())
}

// small begins with the least that there can be: the default runs of as few processes as
// possible, with all other settings at their simplest or as they are, and with work that
// goes wrong by itself.
func (s *shrinking) small() bool {
	if s.size() == 1 {
		return false
	}
	bare := s.bare()
	settings, err := sim.Settings(s.target, bare)
	if err != nil {
		return false
	}
	if s.best.Result.Violation.Standstill == nil { // what fails by itself does so early
		s.most = min(s.room(), maxWorld)
		defer func() { s.most = 0 }()
	}
	for _, st := range []*stage{s.plain(bare), s.narrow(bare)} {
		if st == nil {
			continue
		}
		if s.tryPlainSeed(st.Plan) {
			return true
		}
		for _, setting := range settings {
			if s.provokes(&setting) && s.tryPlainSeed(st.With(setting.Name, setting.Provokes)) {
				return true
			}
		}
	}
	return false
}

// trade puts one process more of one kind in the place of all others, or more of
// something else in the place of processes: what several do beside each other one may do
// that has room for as many.
func (s *shrinking) trade() bool {
	if slices.ContainsFunc(s.couples(s.best.Plan), func(st *stage) bool { return s.try(st.Plan.Recast(st.parts)) }) {
		return true
	}
	st := s.narrow(s.best.Plan)
	if st == nil || s.target.Hasty { // to have more to do looks like standing still
		return false
	}
	settings, err := sim.Settings(s.target, st.Plan)
	if err != nil {
		return false
	}
	gone := s.size() - s.best.Plan.Deviations() - st.cast
	for _, setting := range settings {
		if setting.Int == nil || ours(setting.Name) || slices.Contains(s.counts(), setting.Name) {
			continue
		}
		for _, more := range slices.Compact([]int{gone, 1}) {
			value := *setting.Int + more
			if more > 0 && int64(value) <= setting.Max && s.try(st.With(setting.Name, strconv.Itoa(value)).Recast(st.parts)) {
				return true
			}
		}
	}
	return false
}

// provokes reports whether the setting may let the work itself go wrong. Where the
// target varies what is drawn, a scenario's for one, it pins on purpose what would.
func (s *shrinking) provokes(setting *plan.Setting) bool {
	return setting.Provokes != "" && s.target.Vary == nil
}

// provoke lets the work itself go wrong, where a setting can bring that about, in
// the place of whatever made it go wrong: of faults, and of chance.
func (s *shrinking) provoke() bool {
	settings, err := sim.Settings(s.target, s.best.Plan)
	if err != nil {
		return false
	}
	for _, setting := range settings {
		if !s.provokes(&setting) || setting.Provokes == setting.String() {
			continue
		}
		provoked := s.bare().With(setting.Name, setting.Provokes)
		if s.tryPlainSeed(provoked) || s.try(provoked) || s.try(s.reaching(provoked)) {
			return true
		}
	}
	return false
}

// end lets the chaos phase end when the violation has come.
func (s *shrinking) end() {
	lasts, err := s.chaosFor()
	if at := readable(s.best.Result.Violation.At); err == nil && at < lasts {
		s.try(s.best.Plan.With("sim.chaos_for", at.String()))
	}
}

// soon makes a search in a chaos phase that ends with the violation: there are fewer calls
// to strike, and what takes no longer is looked for. The phase is as long again for what
// comes after the search.
func (s *shrinking) soon(search func() bool) bool {
	before, lasts := *s.best, setting(s.best.Plan, "sim.chaos_for")
	if before.Result.Violation.Standstill == nil {
		s.end()
	}
	if search() {
		s.try(s.best.Plan.With("sim.chaos_for", lasts))
		return true
	}
	*s.best = before
	return false
}

// steps are what durations are rounded to.
var steps = []time.Duration{
	10 * time.Minute, time.Minute, 10 * time.Second, time.Second, 100 * time.Millisecond, 10 * time.Millisecond,
	time.Millisecond, 100 * time.Microsecond, 10 * time.Microsecond, time.Microsecond,
}

// readable rounds a duration up, by a twentieth at most.
func readable(d time.Duration) time.Duration {
	for _, step := range steps {
		if d >= 20*step {
			return (d + step - 1) / step * step
		}
	}
	return d
}
