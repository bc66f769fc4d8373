package sim

import (
	"context"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// A universe driven by hand: package sim/script lets a test say what befalls
// which process, and how far time goes.

// handSeed keys what a script leaves open: jitter, and the order of events at
// the same instant.
const handSeed = 1

// Boot assembles the target's system in a steady universe, and boots its
// processes, which have not yet moved when it returns. Messages take no time,
// no clock drifts, one piece of work takes a second, what was sent first comes
// first at the same instant, and what a task draws from env.Rand is always the
// same number. Every event is recorded. The target's Vary, Inject and Calm are
// not used, and its Assembly is not drawn. Shutdown must be called in the end.
func Boot(target Target) (*Universe, error) {
	assembly := target.Assemble()
	system, err := assembly.New()
	if err != nil {
		return nil, err
	}
	bounds, err := system.Bounds().complete()
	if err != nil {
		return nil, err
	}
	config := Config{Arm: narrowArm, WorkTime: time.Second, MaxInFlight: bounds.MaxInFlight, LockGC: 10 * time.Minute}
	config.calm()
	u := newUniverse(handSeed, config, system, bounds)
	u.recorder, u.history = &recorder{}, newHistorian(u)
	u.steady, u.sched.steady, u.most = true, true, target.Events
	u.judge.observeBy(target.Invariants(assembly, system))
	u.plan = planOf(handSeed, assembly, &u.config)
	for _, p := range u.processes {
		p.boot()
	}
	return u, nil
}

// World is what the invariants see, as of the last effect whose order is final:
// it lags behind while a transaction that began earlier is undecided.
func (u *Universe) World() *World { return &u.world }

// Trace returns everything that was recorded so far, in order. It must not be
// changed.
func (u *Universe) Trace() []TraceEvent { return u.recorder.events }

// Effects returns what became true in the stores so far, in the order in which
// it happened: invariants may not have been shown the last ones yet. It must
// not be changed.
func (u *Universe) Effects() []Effect { return u.recorder.effects }

// Now is the virtual time since the universe began, Events the number of events
// that have happened.
func (u *Universe) Now() time.Duration { return time.Duration(u.sched.now) }
func (u *Universe) Events() uint64     { return u.events }

// Step lets one event happen. It reports false when none is left.
func (u *Universe) Step() bool { return u.step() }

// StepUntil is Step for what happens no later than the given time.
func (u *Universe) StepUntil(at time.Duration) bool { return u.sched.due(at) && u.step() }

// Wait lets time pass in which nothing happens.
func (u *Universe) Wait(until time.Duration) { u.sched.now = max(u.sched.now, int64(until)) }

// SettleBound is how long after healing everything must be done.
func (u *Universe) SettleBound() time.Duration { return u.bounds.Settle }

// Settle lifts every fault, brings back every process that crashed, lets the
// system finish and clean up, and gives the invariants their last word, unless the
// target's bound on events is reached before.
func (u *Universe) Settle() {
	if u.runSettle() {
		u.runQuiesce()
	}
	if u.judge.violation == nil && !u.spent() {
		u.judge.close()
		u.judge.settled()
	}
}

// Inject adds an injector.
func (u *Universe) Inject(i fault.Injector) { u.injectors = append(u.injectors, i) }

// Fail ends the universe with a violation, unless it has failed before.
func (u *Universe) Fail(v *Violation) { u.judge.fail(v) }

// Failed reports whether something was violated.
func (u *Universe) Failed() bool { return u.judge.violation != nil }

// Result is what the universe has come to so far.
func (u *Universe) Result() *Result { return u.result(u.plan) }

// Waiting says what the tasks wait for.
func (u *Universe) Waiting() string { return u.waiting() }

// Shutdown ends every process.
func (u *Universe) Shutdown() { u.shutdown() }

// Process is a process of a universe that is driven by hand.
type Process struct{ p *process }

// Process returns the named process. It reports false if there is none.
func (u *Universe) Process(name string) (Process, bool) {
	for _, p := range u.processes {
		if p.program.Name == name {
			return Process{p}, true
		}
	}
	return Process{}, false
}

// Name is the process's name.
func (p Process) Name() string { return p.p.program.Name }

// Alive reports whether an incarnation of the process runs, Paused whether it
// is frozen.
func (p Process) Alive() bool  { return p.p.alive }
func (p Process) Paused() bool { return p.p.paused }

// Quiet reports whether no task of the process is calling a store or computing.
// What the client of TiKV does behind its callers' backs does not count: it may go
// on for minutes, and nobody waits for it.
func (p Process) Quiet() bool {
	for _, t := range p.p.tasks {
		if !t.idle() && !t.behind() {
			return false
		}
	}
	return true
}

// Befall lets a fault befall the process at once, outside of any call. The
// process must be alive.
func (p Process) Befall(k fault.Kind) {
	u := p.p.u
	f := &fault.Fault{Kind: k, At: fault.Anchor{Process: p.Name(), Task: "-", Step: "-", Class: "-"}, Listed: true}
	u.faults = append(u.faults, f)
	if _, moment := k.Moment(); !moment {
		k.Befall(p.p, f)
		return
	}
	u.acts = append(u.acts, act{fault: f, proc: p.p, inc: p.p.inc})
	u.performActs()
}

// Lift ends what stands around the process of that kind of fault.
func (p Process) Lift(kind *fault.Info) {
	kept := p.p.standing[:0]
	for _, s := range p.p.standing {
		if s.fault.Kind.Info() != kind {
			kept = append(kept, s)
		}
	}
	p.p.standing = kept
}

// Resume lets a paused process go on: first with what it was about to do, then
// its timers fire that have run out.
func (p Process) Resume() { p.p.u.resume(p.p) }

// Restart boots the next incarnation of a process that is dead.
func (p Process) Restart() {
	if p.p.restart != nil {
		p.p.u.sched.timers.remove(p.p.restart)
	}
	p.p.boot()
}

// Outcome is what one Commit returned other than success.
type Outcome struct {
	Step  env.Step
	Class env.Class
}

// Outcomes are what the process's commits returned so far, success aside.
func (p Process) Outcomes() []Outcome {
	var mine []Outcome
	for _, o := range p.p.u.outcomes {
		if o.process == p.Name() {
			mine = append(mine, Outcome{env.Step(o.step), o.class})
		}
	}
	return mine
}

// Do lets the process, which must be alive, call fn in a task of its own. The
// name must be new in the incarnation. Nothing of it happens before the next
// event.
func (p Process) Do(name string, fn func(ctx context.Context, e *env.Env)) {
	ctx := p.p.child(&simCtx{scope: p.p.root})
	g := &group{p: p.p, ctx: ctx, running: 1}
	p.p.spawn(strings.TrimSpace(name), ctx, g, func(ctx context.Context) error {
		fn(ctx, p.p.env)
		return nil
	})
}
