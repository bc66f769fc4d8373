// Package search chooses what befalls a universe that is drawn from a seed.
package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Options set a part of what runs are drawn from. The zero value sets nothing.
type Options struct {
	// Budget is how many faults a run has at most, beside what its modes
	// inject; 0 means as drawn, up to 12 and the bursts of those that are aimed.
	Budget int
	// Kinds are the names of the only kinds of faults there are; none means all.
	Kinds []string
	// Aims are the names of the only kinds that runs aim; none means as drawn
	// among all.
	Aims []string
	// Everywhere lets runs meet faults at all steps from the beginning on; else
	// most runs spare most of them.
	Everywhere bool
}

// Check refuses names that no kind of fault has.
func (o Options) Check() error {
	for _, name := range slices.Concat(o.Kinds, o.Aims) {
		if _, ok := fault.Named(name); !ok {
			return fmt.Errorf("search: no fault is called %q; known: %s", name, strings.Join(fault.Names(), ", "))
		}
	}
	if o.Budget < 0 {
		return fmt.Errorf("search: a budget of %d faults; want 0 or more", o.Budget)
	}
	return nil
}

func (o Options) allows(k *fault.Info) bool {
	return len(o.Kinds) == 0 || slices.Contains(o.Kinds, k.Name)
}

// Draw returns who injects faults into a run: its swarm and its spot, if it has
// them.
func Draw(d keyed.Draw, scale fault.Scale, o Options) []fault.Injector {
	var injectors []fault.Injector
	if s := newSwarm(d, scale, o); s != nil {
		injectors = append(injectors, s)
	}
	if s := newSpot(d, scale, o); s != nil {
		injectors = append(injectors, s)
	}
	return injectors
}

// swarm draws faults as a universe goes along. Which kinds, how many and how
// often is itself drawn for each run (swarm testing, Groce et al., 2012): runs
// that leave most kinds out find what a uniform mix hides. Each decision is
// keyed by the call that it is about, so the faults of a run can be written down
// as a plan and taken away one by one.
type swarm struct {
	scale  fault.Scale
	budget int
	rate   uint64 // of 2^32 per call; operations with effects are likelier
	kinds  []*fault.Info
	only   *fault.Info // for a run that has none, or none that strikes
	// aims are faults of one kind at a few calls of a few protocol steps, each
	// step as likely as another: the moments at which protocols are decided are
	// few, and what befalls them must last, past a lease or past all patience.
	aims      int
	aim       *fault.Info
	aimChance uint64 // of 2^32 per such call
	aimSteps  int    // permille of the steps
	aimFirst  int    // the first of the calls that are aimed at
	// Most runs spare most steps, and many spare the beginning: else a small
	// budget is spent before the first unit is claimed, on what every process
	// does first and does all the time.
	steps int        // permille of the steps that meet faults; 0 for all
	from  uint64     // the event from which on they do
	where keyed.Draw // which steps
	// A run in which nothing was changed by the hungry event takes what comes, whatever
	// the step: a system with few calls, or without steps, would else meet nothing.
	hungry uint64
	met    int          // faults
	last   *fault.Fault // of them
	sated  bool         // one of them has changed something
	missed int          // calls that no kind of the run could strike
	most   int          // faults that the run may still meet, if it is limited; else below 0
	// A burst strikes the calls of one site in a row: what clients repeat by
	// themselves matters only if that fails, too.
	burst uint64 // key of the site
	left  int    // of the burst
}

// newSwarm draws the swarm of a run; nil for a run without one.
func newSwarm(d keyed.Draw, scale fault.Scale, o Options) *swarm {
	s := &swarm{scale: scale}
	s.scale.MayDie = d.Chance("expendable", 300)
	switch size := d.Intn("budget", 100); {
	case size < 5: // what goes wrong without any fault is found here
		return nil
	case size < 90: // most bugs need few faults, and few are easy to explain
		s.budget = 1 + d.Intn("small", 3)
	default:
		s.budget = 4 + d.Intn("large", 9)
	}
	s.where = d.Sub("where")
	s.hungry = uint64(d.LogBetween("hungry", 20, 300))
	if d.Chance("hungry late", 150) { // large systems are still starting then
		s.hungry = uint64(d.LogBetween("hungry", 20, 3000))
	}
	if s.most = -1; o.Budget > 0 {
		s.most = o.Budget
	}
	s.rate = uint64(1<<32) / uint64(d.LogBetween("rate", 60, 4000))
	if d.Chance("late", 500) {
		s.from = uint64(d.LogBetween("from", 50, 2000))
	}
	if d.Chance("some steps", 700) {
		s.steps = int(d.LogBetween("steps", 50, 150))
		s.rate = uint64(1<<32) / uint64(d.LogBetween("rate there", 4, 200))
	}
	for _, k := range fault.Kinds() {
		if o.allows(k) && d.Chance("kind/"+k.Name, k.Share) {
			s.kinds = append(s.kinds, k)
		}
	}
	if d.Chance("aim", 550) {
		s.drawAim(d, o)
	}
	if s.only = onlyKind(d, o); len(s.kinds) == 0 {
		s.kinds = []*fault.Info{s.only}
	}
	if o.Budget > 0 {
		s.aims = min(s.aims, o.Budget)
		s.budget = min(s.budget, o.Budget-s.aims)
	}
	if o.Everywhere {
		s.steps, s.from = 0, 0
	}
	return s
}

// onlyKind is what a swarm has that drew nothing: one of the kinds that most
// failures need.
func onlyKind(d keyed.Draw, o Options) *fault.Info {
	names := []string{"crash", "pause", "partition", "lose-reply", "delay"}
	if len(o.Kinds) > 0 {
		names = o.Kinds
	}
	only, _ := fault.Named(names[d.Intn("only", len(names))])
	return only
}

// drawAim lets the run aim one kind of fault, if there is one that may be aimed.
func (s *swarm) drawAim(d keyed.Draw, o Options) {
	aim := aimedKind(d, o)
	if aim == nil {
		return
	}
	s.aim = aim
	s.budget = d.Intn("beside the aim", 2)
	s.aims = 1 + d.Intn("aims", 4)/2
	s.aimFirst = 1
	if d.Chance("aim late", 200) {
		s.aimFirst = int(d.LogBetween("aim first", 2, 64))
	}
	s.aimChance = uint64(1<<32) / uint64(d.LogBetween("aim chance", 2, 30))
	s.aimSteps = int(d.LogBetween("aim steps", 50, 200)) * max(s.aim.Aim.Spread, 1)
}

// aimedKind chooses among the kinds by their weights; nil if none may be aimed.
func aimedKind(d keyed.Draw, o Options) *fault.Info {
	var lots []*fault.Info
	for _, k := range fault.Kinds() {
		if !o.allows(k) || len(o.Aims) > 0 && !slices.Contains(o.Aims, k.Name) {
			continue
		}
		for range k.Aim.Weight {
			lots = append(lots, k)
		}
	}
	if len(lots) == 0 {
		return nil
	}
	return lots[d.Intn("aim kind", len(lots))]
}

// rareFrom is the event from which on a step that is entered for the first time
// counts as a rare one, an ending mostly: few runs get there, so more of them
// aim at it.
const rareFrom = 500

// hungryChance is how likely a call meets a fault in a run that is hungry, of
// 2^32: one of four, so that it is not always the very next.
const hungryChance = 1 << 30

// patience is after how many calls that no kind of the run can strike a hungry run
// takes another kind.
const patience = 16

// Strike decides whether a call meets a fault, and which.
func (s *swarm) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if s.left > 0 && c.Key == s.burst && s.most != 0 {
		s.left--
		s.most--
		return append(faults, fault.Draw(s.aim, keyed.Of(keyed.Mix(keyed.Mix(c.ID, keyed.ForAim), uint64(c.Op))), &s.scale, c))
	}
	if s.most == 0 {
		return faults
	}
	if s.aims > 0 && s.aimsAt(c) && s.aim.CanStrike(c.Op, c.Client) {
		if h := keyed.Mix(c.ID, keyed.ForAim); h&(1<<32-1) < s.aimChance {
			s.aims--
			f := fault.DrawAimed(s.aim, keyed.Of(keyed.Mix(h, uint64(c.Op))), &s.scale, c)
			if burst := s.aim.Aim.Burst; burst > 0 {
				s.burst, s.left = c.Key, keyed.Of(h).Intn("burst", burst)
			}
			return append(faults, s.strike(c, f))
		}
	}
	hungry := s.isHungry(c)
	chance := uint64(hungryChance)
	if !hungry {
		if s.budget == 0 || c.Event < s.from || s.steps > 0 && !s.where.Chance(c.Step, s.steps) {
			return faults
		}
		chance = s.chance(c)
	}
	h := keyed.Mix(c.ID, keyed.ForFault)
	if h&(1<<32-1) >= chance {
		return faults
	}
	var able [64]*fault.Info
	kinds := able[:0]
	for _, k := range s.kinds {
		if c.Op != ops.Step && k.CanStrike(c.Op, c.Client) || c.Op == ops.Step && k.Strikes(c.Op) && !(c.Client && k.SparesClients) {
			kinds = append(kinds, k)
		}
	}
	if s.missed++; hungry && len(kinds) == 0 && s.missed > patience && s.only.CanStrike(c.Op, c.Client) {
		kinds = append(kinds, s.only)
	}
	if len(kinds) == 0 {
		return faults
	}
	d := keyed.Of(keyed.Mix(h, uint64(c.Op)))
	if !hungry { // what a hungry run takes is beside its budget: that is for later
		s.budget--
	}
	return append(faults, s.strike(c, fault.Draw(kinds[d.Intn("kind", len(kinds))], d, &s.scale, c)))
}

// settling is how many events a fault has to change something.
const settling = 75

// enough is how many faults a hungry run meets at most, should none of them change
// anything.
const enough = 4

// isHungry reports whether the run takes what comes.
func (s *swarm) isHungry(c *fault.Crossing) bool {
	s.sated = s.sated || s.last != nil && s.last.Fired > 0 || s.met > enough
	return !s.sated && c.Event > s.hungry
}

// chance is how likely a call meets a fault, of 2^32.
func (s *swarm) chance(c *fault.Crossing) uint64 {
	chance := s.rate
	if c.Op.HasEffect() || c.Op == ops.Get {
		chance *= 4
	}
	// What a process does for the first times is where protocols are decided;
	// what it does for the hundredth time is polling.
	switch {
	case c.Nth <= 2:
		chance *= 12
	case c.Nth <= 6:
		chance *= 3
	}
	return chance
}

func (s *swarm) strike(c *fault.Crossing, f *fault.Fault) *fault.Fault {
	s.last = f
	s.hungry = max(s.hungry, c.Event+settling)
	s.most--
	s.met++
	return f
}

// aimsAt reports whether the run's aim may strike such a call: one of three of
// its site, in a step that the run aims at.
func (s *swarm) aimsAt(c *fault.Crossing) bool {
	if !s.aim.Aim.At(c.Op) {
		return false
	}
	if !c.Op.IsRequest() { // work: any of it
		return true
	}
	steps := s.aimSteps
	if c.StepEntered > rareFrom {
		steps *= 3
	}
	return c.Step != "" && c.Nth >= s.aimFirst && c.Nth < s.aimFirst+3 && s.where.Chance(c.Step, steps)
}
