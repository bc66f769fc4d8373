package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/search"
)

// Target is a system under test with what must hold of it.
type Target struct {
	// Assemble returns a fresh configuration to draw or to set.
	Assemble func() Assembly
	// Invariants returns fresh invariants for a universe of the system.
	Invariants func(Assembly, System) []Invariant
	// Vary, if set, changes a drawn configuration before the system is
	// assembled; tests use it to pin what they are about.
	Vary func(*Config, Assembly)
	// Inject, if set, returns who injects faults beside the drawn ones, fresh
	// for every universe.
	Inject func(Assembly) []fault.Injector
	// Search sets a part of what faults are drawn from.
	Search search.Options
	// Arm, if set, orders the events of all universes that seeds draw, in the place of
	// the arm that each would draw: one of [Arms].
	Arm string
	// Calm leaves the drawn faults out.
	Calm bool
	// Events, if set, is after how many events a run is given up: it is then
	// inconclusive. What is tried only to see whether it fails like another run
	// need not go on for much longer than that one did.
	Events uint64
	// Hasty calls a healed system stuck after a quarter of the time, or a twentieth of the
	// events, that it may take. What is tried only to see whether it stands still like
	// another run need not do so for as long; what is reported must.
	Hasty bool
	// Pulse, if set, shows a watchdog how far the one universe is that runs.
	Pulse *Pulse
}

// Result is what one run came to.
type Result struct {
	Seed    uint64
	Summary Summary
	Arm     string
	// Events counts delivered requests and replies, fired timers and resumed
	// tasks; Virtual is the virtual time that passed.
	Events  uint64
	Virtual time.Duration
	// Injected are all faults of the run, those of its modes included, Fired those
	// that changed the outcome or order of a call.
	Injected, Fired []*fault.Fault
	// Ordered are the orderings that held something.
	Ordered []*fault.Ordering
	// Marks counts the interesting things that happened.
	Marks map[string]int
	// States are the abstract states seen, as the invariants name them; a
	// state may stand twice.
	States []uint64
	// Shapes are hashes of what happened in those states: which step of the protocol
	// led from which state to which, and which kind of fault fired in which. A shape
	// may stand twice.
	Shapes []uint64
	// Hash covers the whole run: equal hashes mean equal runs.
	Hash uint64
	// Violation is nil if everything held.
	Violation *Violation
	// Inconclusive is set when the chaos phase ran into its limit.
	Inconclusive bool
	// Plan replays the run: its configuration and every fault injected.
	Plan *plan.Plan

	// Trace is every event of a recorded run, and History the run in full; nil of
	// others.
	Trace   []TraceEvent
	History *History
}

// Run runs the universe of a seed.
func Run(target Target, seed uint64) (*Result, error) {
	u, p, err := target.universe(seed)
	if err != nil {
		return nil, err
	}
	return u.run(p), nil
}

// universe draws a seed's configuration and faults.
func (target Target) universe(seed uint64) (*Universe, *plan.Plan, error) {
	assembly := target.Assemble()
	assembly.Draw(keyed.New(seed, "system"))
	var config Config
	if target.Vary != nil {
		target.Vary(&config, assembly)
	}
	system, err := assembly.New()
	if err != nil {
		return nil, nil, fmt.Errorf("seed 0x%x draws a bad configuration: %w", seed, err)
	}
	bounds, err := system.Bounds().complete()
	if err != nil {
		return nil, nil, fmt.Errorf("seed 0x%x: %w", seed, err)
	}
	config.draw(keyed.New(seed, "sim"), bounds, target.Arm)
	if !target.Calm {
		if err := target.Search.Check(); err != nil {
			return nil, nil, err
		}
		config.drawModes(keyed.New(seed, "modes"), target.Search, &bounds)
	}
	if target.Vary != nil {
		target.Vary(&config, assembly)
	}
	if armNamed(config.Arm) == nil {
		return nil, nil, fmt.Errorf("no arm is called %q; known: %s", config.Arm, strings.Join(Arms(), ", "))
	}
	u := newUniverse(seed, config, system, bounds)
	u.pulse = target.Pulse
	if target.Inject != nil {
		u.injectors = target.Inject(assembly)
	}
	if !target.Calm {
		u.injectors = append(u.injectors, search.Draw(keyed.New(seed, "chaos"), bounds.scale(), target.Search)...)
	}
	u.injectModes()
	u.judge.observeBy(target.Invariants(assembly, system))
	return u, planOf(seed, assembly, &u.config), nil
}

// Replay runs a plan: its configuration, its faults and no others.
func Replay(target Target, p *plan.Plan) (*Result, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	return u.run(p.Clone()), nil
}

func (target Target) replay(p *plan.Plan) (*Universe, error) {
	assembly := target.Assemble()
	var config Config
	if err := p.Apply(assembly.Name(), append(config.Settings(), assembly.Settings()...)); err != nil {
		return nil, err
	}
	if config.LatencyMax < config.LatencyMin {
		return nil, p.Wrong("set sim.latency_max", errors.New("sim.latency_max is below sim.latency_min"))
	}
	system, err := assembly.New()
	if err != nil {
		return nil, p.Wrong("system", err)
	}
	bounds, err := system.Bounds().complete()
	if err != nil {
		return nil, p.Wrong("system", err)
	}
	u := newUniverse(p.Seed, config, system, bounds)
	u.pulse, u.most, u.hasty = target.Pulse, target.Events, target.Hasty
	for _, f := range p.Faults {
		if err := u.checkFault(f); err != nil {
			return nil, p.WrongFault(f, err)
		}
		planned := f.Again()
		planned.Listed = true
		u.faults = append(u.faults, planned)
	}
	u.injectors = []fault.Injector{inject.Anchored(u.faults)}
	u.injectModes()
	var planned []*fault.Ordering
	for _, o := range p.Orders {
		if err := u.checkOrder(o); err != nil {
			return nil, p.WrongOrder(o, err)
		}
		planned = append(planned, o.Again())
	}
	if len(planned) > 0 {
		u.orders, u.held = newOrders(planned), true
	}
	u.judge.observeBy(target.Invariants(assembly, system))
	return u, nil
}

// ReplayRecorded replays a plan and keeps every event in the result's Trace and
// History.
func ReplayRecorded(target Target, p *plan.Plan) (*Result, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	u.recorder, u.history = &recorder{}, newHistorian(u)
	return u.run(p.Clone()), nil
}

// Replayable reports what keeps a plan from being replayed, without running it.
func Replayable(target Target, p *plan.Plan) error {
	_, err := target.replay(p)
	return err
}

// Settings returns the settings of a plan's system, bound to its values.
func Settings(target Target, p *plan.Plan) ([]plan.Setting, error) {
	assembly := target.Assemble()
	settings := append((&Config{}).Settings(), assembly.Settings()...)
	return settings, p.Apply(assembly.Name(), settings)
}

// planOf is the plan of a universe without its faults.
func planOf(seed uint64, assembly Assembly, config *Config) *plan.Plan {
	return plan.Of(seed, assembly.Name(), append(config.Settings(), assembly.Settings()...))
}

// injectModes lets the run's modes inject faults, beside all others.
func (u *Universe) injectModes() {
	if modes := u.config.Modes.Injector(); modes != nil {
		u.injectors = append(u.injectors, modes)
	}
}

// Draft returns the plan of a seed without any fault or mode: its configuration
// alone.
func Draft(target Target, seed uint64) (*plan.Plan, error) {
	target.Calm = true
	_, p, err := target.universe(seed)
	return p, err
}

// Unfold returns the plan of a run with what its modes injected as faults of its own,
// and without the modes: the same run.
func Unfold(r *Result) *plan.Plan {
	var config Config
	config.calm()
	p := r.Plan.Clone()
	for _, s := range config.Modes.Settings() {
		p = p.With(s.Name, s.String())
	}
	p.Faults = nil
	for _, f := range r.Injected {
		single := f.Again()
		single.Ambient = false
		p.Faults = append(p.Faults, single)
	}
	return p
}

// Anchors replays a plan and returns the anchor of every call that passed the
// doorway before the world was healed, in order: the places for faults.
func Anchors(target Target, p *plan.Plan) ([]fault.Anchor, error) {
	survey, err := Explore(target, p)
	if err != nil {
		return nil, err
	}
	anchors := make([]fault.Anchor, len(survey.Calls))
	for i := range survey.Calls {
		anchors[i] = survey.Calls[i].Anchor()
	}
	return anchors, nil
}

// Survey is a run with all that must be known of it to place faults in it.
type Survey struct {
	Result *Result
	// Calls are those that passed the doorway before the world was healed, in
	// order. Their Scope is nil.
	Calls []fault.Crossing
	// Scale is what the system's times are.
	Scale fault.Scale
}

// Explore replays a plan and returns the run with its calls.
func Explore(target Target, p *plan.Plan) (*Survey, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	s := &Survey{Scale: u.bounds.scale()}
	u.passed = func(c *fault.Crossing) {
		call := *c
		call.Scope = nil // it would keep the whole universe
		s.Calls = append(s.Calls, call)
	}
	s.Result = u.run(p.Clone())
	return s, nil
}

// checkFault refuses faults for processes that the system does not have.
func (u *Universe) checkFault(f *fault.Fault) error {
	if err := u.checkProcess(f.At.Process); err != nil {
		return err
	}
	i := slices.IndexFunc(u.processes, func(p *process) bool { return p.program.Name == f.At.Process })
	if !f.Kind.Info().CanStrike(f.At.Op, u.processes[i].program.Client) {
		return fmt.Errorf("%s cannot strike %s of %s", f.Name(), f.At.Op, f.At.Process)
	}
	return nil
}

// run takes a universe through its phases.
func (u *Universe) run(p *plan.Plan) (r *Result) {
	defer func() {
		if what := recover(); what != nil {
			r = u.caught(p, what)
		}
	}()
	for _, p := range u.processes {
		p.boot()
	}
	inconclusive := u.runChaos()
	if u.judge.violation == nil && u.runSettle() {
		u.runQuiesce()
		if u.judge.violation == nil && !u.spent() {
			u.judge.close()
			u.judge.settled()
		}
	}
	r = u.result(p)
	r.Inconclusive = inconclusive || r.Violation == nil && u.spent()
	u.shutdown()
	return r
}

// runChaos lets faults happen until the work is done or the phase's time or
// events are up. It reports whether it ran out of events.
func (u *Universe) runChaos() bool {
	for u.judge.violation == nil {
		if u.sched.now >= int64(u.config.ChaosFor) || u.ask(u.system.Done) {
			return false
		}
		if u.events >= uint64(u.config.ChaosEvents) || u.spent() {
			return true
		}
		if u.sched.idleUntil(u.config.ChaosFor) {
			u.sched.now = max(u.sched.now, int64(u.config.ChaosFor)) // one long sleep must not last past the phase
			return false
		}
		if !u.step() {
			return false // everything waits for the world: heal it
		}
	}
	return false
}

// spent reports whether the run has had all the events that it may.
func (u *Universe) spent() bool { return u.most > 0 && u.events >= u.most }

// settleEvents bounds the settle phase of up to settleProcesses processes: a timer
// storm would never reach its bound in virtual time. Each further process has its
// share: 32 that work off what an outage left have more to do than that.
const (
	settleEvents    = 400_000
	settleProcesses = 16
	// A system that progresses has that many times more of them.
	progressEvents = 10
	// What a hasty run has in the place of them, and of the bound in time.
	hastyTime, hastyEvents = 4, 20
)

// settleFor is how long the settle phase may take.
func (u *Universe) settleFor() time.Duration {
	if u.hasty {
		return u.bounds.Settle / hastyTime
	}
	return u.bounds.Settle
}

// settleEvents is how many events the settle phase may have in the first quarter
// of its bound.
func (u *Universe) settleEvents() uint64 {
	events := settleEvents / settleProcesses * uint64(max(len(u.processes), settleProcesses))
	if u.hasty {
		return events / hastyEvents
	}
	return events
}

// paced is how many events the settle phase may have had by now: who is busy for
// the whole bound storms no more than who is busy for a quarter of it. A hasty run
// does not wait for that.
func (u *Universe) paced() uint64 {
	events, quarter := u.settleEvents(), u.settleFor()/4
	elapsed := time.Duration(u.sched.now - u.healedAt)
	if u.hasty || elapsed <= quarter {
		return events
	}
	return events * uint64(elapsed.Milliseconds()) / uint64(max(quarter.Milliseconds(), 1))
}

// runSettle heals the world and gives the system its bound to finish. It
// reports whether it did. In the second half of the bound a probe watches, which
// can tell in the end what kind of standstill it is.
func (u *Universe) runSettle() bool {
	if u.spent() {
		return false
	}
	u.heal()
	u.judge.fresh = true // ask once even if nothing changes any more
	half := u.sched.now + int64(u.settleFor())/2
	until := u.sched.now + int64(u.settleFor())
	for u.judge.violation == nil && !u.spent() {
		if u.ask(u.system.Done) {
			return true
		}
		had, most := u.events-u.healedEvent, u.paced()
		if u.sched.now < half && had < most/2 {
			if !u.step() {
				u.judge.fail(u.standstill(Deadlock, nil))
			}
			continue
		}
		if u.judge.probe == nil {
			u.judge.probe = u.watch()
		}
		switch {
		case u.sched.now >= until:
			u.judge.fail(u.standstill(NotDone, u.judge.probe))
		case had >= most && !u.judge.probe.progressing(had, most):
			u.judge.fail(u.standstill(u.judge.probe.exhausted(), u.judge.probe))
		case !u.judge.probe.step():
			u.judge.fail(u.standstill(Deadlock, u.judge.probe))
		}
	}
	return false
}

// runQuiesce lets the system clean up.
func (u *Universe) runQuiesce() {
	u.phase, u.judge.fresh = quiescePhase, true
	until := u.sched.now + int64(u.bounds.Quiesce)
	for u.judge.violation == nil && !u.spent() && u.sched.now < until && (u.sched.now < u.zombies || !u.ask(u.system.Quiet)) && u.step() {
	}
}

// ask puts a question about the world to the system, if the world has changed
// since the last one.
func (u *Universe) ask(question func(*World) bool) bool {
	if !u.judge.fresh {
		return false
	}
	u.judge.fresh = false
	return question(&u.world)
}

// markTraits counts what the object store's traits did since then.
func (u *Universe) markTraits(prefix string, now, then objstore.Shown) {
	for trait, n := range now {
		if n > then[trait] {
			u.world.marks[prefix+objstore.Trait(trait).String()] = n - then[trait]
		}
	}
}

func (u *Universe) result(p *plan.Plan) *Result {
	for _, startTS := range u.undetermined {
		if slices.Contains(u.committed, startTS) {
			u.Mark("undetermined_applied")
		} else {
			u.Mark("undetermined_not_applied")
		}
	}
	u.markTraits("prepared_", u.prepared, objstore.Shown{})
	u.markTraits("store_", u.objects.Shown(), u.prepared)
	u.hash = keyed.Fold(u.hash, u.kv.Digest())
	u.hash = keyed.Fold(u.hash, u.objects.Digest())
	r := &Result{
		Seed: u.seed, Arm: u.config.Arm, Events: u.events, Virtual: time.Duration(u.sched.now),
		Fired: u.world.Faults(), Ordered: u.ordered, Marks: u.world.marks, Hash: u.hash, Violation: u.judge.violation, States: u.world.states, Shapes: u.world.shapes,
		Plan: p,
	}
	r.Injected = u.faults
	p.Faults = slices.DeleteFunc(slices.Clone(u.faults), func(f *fault.Fault) bool { return f.Ambient })
	if u.judge.violation != nil {
		p.Expects(u.judge.violation.Identity())
	}
	u.system.Describe(&u.world, &r.Summary)
	if u.recorder != nil {
		r.Trace = u.recorder.events
	}
	if u.history != nil {
		r.History = &u.history.History
	}
	return r
}

// shutdown unwinds every task. That is no part of the run.
func (u *Universe) shutdown() {
	u.history = nil
	for _, p := range u.everybody() {
		if p.alive {
			u.end(p)
		}
	}
	for _, c := range u.idle {
		c.retire()
	}
	u.idle = nil
}

// Line is the run's summary, one line.
func (r *Result) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sim: seed=0x%016x arm=%s", r.Seed, r.Arm)
	for _, f := range r.Summary.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	outcome := r.Summary.Outcome
	if r.Violation != nil {
		outcome = "violation:" + r.Violation.Invariant
	}
	fmt.Fprintf(&b, " events=%d virtual=%s faults=%d outcome=%s hash=%016x",
		r.Events, r.Virtual.Round(time.Millisecond), len(r.Fired), outcome, r.Hash)
	return b.String()
}
