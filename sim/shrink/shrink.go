// Package shrink makes a failing run as small as it can be: a configuration, and
// few named deviations from its default run. What is left is what the failure
// needs, and each deviation's absence is tried.
package shrink

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Shrunk is a failing plan with what was not needed taken away.
type Shrunk struct {
	Plan   *plan.Plan
	Result *sim.Result
	// Runs is how many universes it took, and Events how many events they had.
	Runs   int
	Events uint64
	// Minimal tells that every deviation left is necessary: the plan without any
	// one of them doesn't fail this way. Each was tried.
	Minimal bool
	// Afresh tells that a process of its own came to the same run; who starts
	// processes says so.
	Afresh bool
	// Processes are the system's, without the workload's clients.
	Processes int
	// Notes say of faults which deadline of the system their magnitude crosses.
	Notes []string
}

// maxEvents bounds what one reduction may cost: about five seconds of processor
// time at the usual speed of universes. It counts events, not time, so that every
// machine reduces a failure to the same plan.
const maxEvents = 2_500_000

// Failure shrinks a failing run as long as the failure keeps its identity: the
// same invariant and the same shape, whatever the names and times. limit bounds
// the runs; with 0 the plan stays as it is.
func Failure(target sim.Target, failing *sim.Result, limit int) (*Shrunk, error) {
	s := newShrinking(target, failing, limit)
	settings, err := sim.Settings(target, failing.Plan)
	if err != nil {
		return nil, err
	}
	restated := s.restated(settings)
	if limit > 0 && (s.hastily(restated) || s.try(restated)) {
		s.unfold()
		s.shrink()
		s.certify()
	}
	cast, err := sim.Cast(target, s.best.Plan)
	if err != nil {
		return nil, err
	}
	s.best.Runs, s.best.Events, s.best.Processes = s.runs, s.events, len(cast)
	return s.best, nil
}

type shrinking struct {
	target  sim.Target
	want    [2]string
	best    *Shrunk
	runs    int
	limit   int
	events  uint64
	budget  uint64                 // of events
	share   uint64                 // at how many events a pass of a search ends, if it is not 0
	most    uint64                 // events that a candidate may have; 0 for what the best lets it have
	tried   map[string]bool        // plans that don't fail this way
	heard   map[string]*run        // plans whose moments are known
	surveys map[string]*sim.Survey // plans whose calls are known
	// searched has the deviations and processes that search has found nothing for.
	searched map[string]bool
	worlds   map[[2]uint64]*world // what seeds draw
	chance   *plan.Plan           // another world that fails by the latency that it happens to have
	trail    []*plan.Plan         // of a hasty reduction: see remember
	trailed  [3]int               // the size of the last of them
	counted  []string             // settings that say how many processes there are
	sized    *plan.Plan           // whose processes are cast
	cast     int
}

func newShrinking(target sim.Target, failing *sim.Result, limit int) *shrinking {
	s := &shrinking{
		target: target, limit: limit, budget: maxEvents, want: failing.Violation.Identity(),
		best: &Shrunk{Plan: failing.Plan.Clone(), Result: failing}, worlds: map[[2]uint64]*world{},
	}
	s.forget()
	s.best.Plan.Faults = slices.Clone(failing.Plan.Faults)
	return s
}

// forget drops what runs have come to.
func (s *shrinking) forget() {
	s.tried, s.searched, s.chance = map[string]bool{}, map[string]bool{}, nil
	s.heard, s.surveys = map[string]*run{}, map[string]*sim.Survey{}
}

// long is how many events a standstill has of which few plans can be tried by the bound
// that counts.
const long = maxEvents / 25

// large is how many events a run has that is made smaller before anything is looked for
// in the place of what there is: else there is room for few attempts.
const large = maxEvents / 250

// hastily reduces a long standstill by a shorter bound than the one that counts: else
// each plan that is tried takes the whole of it. What is left must stand still in the
// same way for the whole bound, by which it is reduced a little further, and certified;
// or else what was left before. If none does, all begins anew, and hastily reports false.
func (s *shrinking) hastily(restated *plan.Plan) bool {
	if s.best.Result.Violation.Standstill == nil || s.best.Result.Events < long {
		return false
	}
	first := *s.best
	s.target.Hasty = true
	if s.try(restated) {
		s.unfold()
		s.shrink()
	}
	s.target.Hasty = false
	trail, notes := s.trail, s.best.Notes
	s.forget()
	s.best = &first
	s.limit, s.budget = s.limit+s.runs, s.events+maxEvents
	for back, p := range slices.Backward(trail) {
		if len(trail)-back > maxBack {
			break
		}
		if s.try(p) {
			if back == len(trail)-1 {
				s.best.Notes = notes
			}
			s.budget = s.events + maxEvents/2
			return true
		}
	}
	return false
}

// maxBack is how many sizes of a hasty reduction are tried by the whole bound.
const maxBack = 4

// remember keeps of a hasty reduction the last plan of each size.
func (s *shrinking) remember() {
	if !s.target.Hasty {
		return
	}
	size := [3]int{len(s.best.Plan.Orders), len(s.best.Plan.Faults), s.size()}
	if n := len(s.trail); n > 0 && size == s.trailed {
		s.trail = s.trail[:n-1]
	}
	s.trail, s.trailed = append(s.trail, s.best.Plan), size
}

// restated is the plan with the settings of today: a kept one may be older.
func (s *shrinking) restated(settings []plan.Setting) *plan.Plan {
	old := s.best.Plan
	p := plan.Of(old.Seed, old.System, settings)
	p.Faults, p.Orders, p.Why = old.Faults, old.Orders, old.Why
	return p
}

// unfold writes out what modes injected, so that single faults of it can go. Where
// that is not the same run the modes stay, as settings like others.
func (s *shrinking) unfold() {
	if slices.ContainsFunc(s.best.Result.Injected, func(f *fault.Fault) bool { return f.Ambient }) {
		s.try(sim.Unfold(s.best.Result))
	}
}

// shrink makes the passes until none finds anything, those first that make the
// others cheaper.
func (s *shrinking) shrink() {
	drawn := s.best.Plan.Faults
	s.truncate()
	least := uint64(8)
	if s.target.Hasty {
		least = 40
	}
	if !s.within(least, s.small) && !s.tryPlainSeed(s.bare()) && !s.within(maxConfigure, s.provoke) && !s.tryPlainSeed(byDefault(s.best.Plan)) {
		switch standstill := s.best.Result.Violation.Standstill != nil; {
		case s.heavy() && standstill:
			s.within(least, s.halts)
		case s.heavy():
			_ = s.within(shares[2], s.elsewhere) || s.within(shares[2], s.astray)
		}
		s.dropFaults()
		if events := s.best.Result.Events; events > large && events < long {
			s.resize()
		}
		_ = s.anyOf(drawn) || s.search()
	}
	s.dropFaults()
	s.anyOf(drawn)
	s.within(shares[0], s.trade) // simpler settings may leave no room
	s.configure()
	for again := true; again && !s.spent(); {
		again = s.drop()
		again = s.weaken() || again
		events := s.best.Result.Events
		s.resize()
		again = again || s.best.Result.Events < events-events/10
		again = s.plainSeed() || again
		again = s.search() || again
		if !again {
			s.magnitudes()
			s.rename()
			again = s.drop() // what one fault needs no more may be what another one was for
		}
	}
	if s.spent() { // what is left is told as well as what is found in time
		s.budget = s.events + maxEvents/20
		s.magnitudes()
	}
	s.end()
}

// shares are how much of all events, in percent, one pass of a search may take: each
// pass looks a little before any looks for long. What was tried is not tried again.
var shares = []uint64{2, 4, 8}

// search makes the passes that look for something else in the place of the
// deviations and processes that there are. They take long: they are made again
// only for others than those that they were made for in vain.
func (s *shrinking) search() bool {
	cast, err := sim.Cast(s.target, s.best.Plan)
	if err != nil {
		return false
	}
	key := fmt.Sprint(cast, s.best.ByDefault(), s.best.Plan.Faults, s.best.Plan.Orders)
	if s.searched[key] {
		return false
	}
	found := s.soon(s.rounds)
	s.searched[key] = !found
	return found || s.byChance()
}

// rounds are the passes of a search.
func (s *shrinking) rounds() bool {
	for round, share := range shares {
		if round == len(shares)-1 && !s.best.ByDefault() && s.byChance() {
			return true // a race that happens to be lost is better than an order without a name
		}
		for _, pass := range []func() bool{s.trade, s.elsewhere, s.astray, s.single, s.noOrder, s.race, s.inOrder, s.fewer, s.beside, s.raceBeside} {
			if s.spent() {
				return false
			}
			if s.within(share, pass) {
				return true
			}
		}
	}
	return false
}

// within makes a pass that may take so many percent of all events. A twentieth of them
// is left for what comes last: magnitudes and names.
func (s *shrinking) within(share uint64, pass func() bool) bool {
	s.share = min(s.events+maxEvents*share/100, s.budget-maxEvents/20)
	defer func() { s.share = 0 }()
	return pass()
}

// spent reports whether all runs or events are spent, or those of the present pass.
func (s *shrinking) spent() bool {
	return s.runs >= s.limit || s.events >= s.budget || s.share > 0 && s.events >= s.share
}

// room is how many events a candidate may have: one that fails only much later
// than the best is no smaller.
func (s *shrinking) room() uint64 {
	if s.runs == 0 {
		return 0
	}
	if s.most > 0 {
		return s.most
	}
	if s.share > 0 {
		return s.best.Result.Events*3/2 + 1000
	}
	return 2*s.best.Result.Events + 2000
}

// fails runs a candidate and returns its result if it fails in the same way.
func (s *shrinking) fails(candidate *plan.Plan) *sim.Result {
	if s.spent() || slices.ContainsFunc(candidate.Orders, waitsForItself) {
		return nil
	}
	text := candidate.String()
	if s.tried[text] {
		return nil
	}
	target := s.target
	target.Events = s.room()
	result, err := sim.Replay(target, candidate)
	if err != nil { // a configuration that there cannot be
		s.tried[text] = true
		return nil
	}
	s.runs++
	s.events += result.Events
	if result.Violation == nil || result.Violation.Identity() != s.want {
		s.tried[text] = true
		return nil
	}
	return result
}

// waitsForItself: two parts of an ordering may have become one's. It would hold its
// moment back until the world is healed.
func waitsForItself(o *fault.Ordering) bool { return o.Hold == o.After }

// try keeps a candidate if it fails in the same way.
func (s *shrinking) try(candidate *plan.Plan) bool {
	result := s.fails(candidate)
	if result == nil {
		return false
	}
	kept := candidate.Clone()
	kept.Expects(result.Violation.Identity())
	s.best.Plan, s.best.Result = kept, result
	s.remember()
	return true
}

// tryFaults and tryOrders try the plan with other deviations.
func (s *shrinking) tryFaults(faults []*fault.Fault) bool {
	candidate := s.best.Plan.Clone()
	candidate.Faults = faults
	return s.try(candidate)
}

func (s *shrinking) tryOrders(orders []*fault.Ordering) bool {
	candidate := s.best.Plan.Clone()
	candidate.Orders = orders
	return s.try(candidate)
}

// drop takes deviations away. It reports whether any was not needed, as the other
// passes do.
func (s *shrinking) drop() bool {
	fewer := s.dropFaults()
	return s.dropOrders() || fewer
}

func (s *shrinking) dropFaults() bool {
	return drop(s.best.Plan.Faults, s.tryFaults)
}

func (s *shrinking) dropOrders() bool {
	return drop(s.best.Plan.Orders, s.tryOrders)
}

// drop takes away what is not needed of a list, large pieces first (ddmin, Zeller
// and Hildebrandt, 2002), until no single item can be spared.
func drop[T any](list []T, fails func([]T) bool) bool {
	if len(list) == 0 {
		return false
	}
	if fails(nil) {
		return true
	}
	smaller := false
	for size := (len(list) + 1) / 2; size >= 1; {
		found := false
		for to := len(list); to > 0; { // what comes last is often what matters: early pieces go together
			from := max(to-size, 0)
			if without := slices.Delete(slices.Clone(list), from, to); fails(without) {
				list, found = without, true
			}
			to = from
		}
		smaller = smaller || found
		if size == 1 && !found {
			break
		}
		size = max(min(size, len(list))/2, 1)
	}
	return smaller
}

// weaken puts milder faults in the place of those that are left.
func (s *shrinking) weaken() bool {
	smaller := false
	for i := 0; i < len(s.best.Plan.Faults); i++ {
		for _, weaker := range fault.Weaker(s.best.Plan.Faults[i]) {
			candidate := slices.Clone(s.best.Plan.Faults)
			candidate[i] = weaker
			if s.tryFaults(candidate) {
				smaller = true
				i--
				break
			}
		}
	}
	return smaller
}

// certify takes each deviation away once more. It may take a few runs when all others
// are spent: what is left is few. Only a plan that was reduced to its end is called
// minimal.
func (s *shrinking) certify() {
	s.limit += s.limit / 10
	s.budget = max(s.budget, s.events) + maxEvents/10
	for s.drop() {
	}
	p := s.best.Plan
	needed := func(without *plan.Plan) bool { return s.fails(without) == nil && s.tried[without.String()] }
	for i := range p.Faults {
		without := p.Clone()
		without.Faults = slices.Delete(slices.Clone(p.Faults), i, i+1)
		if !needed(without) {
			return
		}
	}
	for i := range p.Orders {
		without := p.Clone()
		without.Orders = slices.Delete(slices.Clone(p.Orders), i, i+1)
		if !needed(without) {
			return
		}
	}
	s.best.Minimal = p.Deviations() > 0 || !s.spent()
}

// Certificate says in one line what the plan's minimality rests on.
func (r *Shrunk) Certificate() string {
	n := r.Plan.Deviations()
	switch {
	case r.Runs == 0:
		return "not reduced"
	case !r.Minimal:
		return fmt.Sprintf("reduced as far as %d runs of %d events go", r.Runs, r.Events)
	}
	text := fmt.Sprintf("1-minimal: without any one of these %d it does not fail this way", n)
	switch n {
	case 0:
		text = "the default run fails"
	case 1:
		text = "1-minimal: without it it does not fail this way"
	}
	if !r.ByDefault() {
		text += "; the order of its events is the seed's"
	}
	if r.Afresh {
		text += "; the same in a fresh process"
	}
	return text + fmt.Sprintf("; %d runs, %d events", r.Runs, r.Events)
}

// ByDefault reports whether the plan runs by the default schedule, so that it
// names what the order of events owes to chance.
func (r *Shrunk) ByDefault() bool { return armOf(r.Plan) == sim.DefaultArm }
