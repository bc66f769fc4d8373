package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// TB is what a script needs of a test; *testing.T is one.
type TB interface {
	Helper()
	Name() string
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Script is one universe driven by hand: a test says what befalls which
// process, and lets time pass in between. The test's goroutine is the
// scheduler: nothing moves but in Until, Advance and Settle, so a script has no
// races and never sleeps. Every invariant of the target judges it, as it judges
// a seed's universe; the first violation ends the test with the same report.
//
// There are no faults but the script's. Messages take no time, and no clock
// drifts: time passes only where the system sleeps, waits or works (one second
// a frame), and at the same instant what was sent first comes first. What a task
// draws from env.Rand is always the same number, so that a change of the system
// in one place does not shift all later times. A script is as deterministic as a
// seed.
type Script struct {
	t      TB
	u      *Universe
	plan   *Plan
	spawns int
}

// scriptSeed keys what a script leaves open: jitter, and the order of events at
// the same instant.
const scriptSeed = 1

// scriptEvents bounds one Until or Advance, against loops that take no time.
const scriptEvents = 1_000_000

// NewScript assembles the target's system and boots its processes, which have
// not yet moved when it returns. The target's Vary, Rules and Calm are not
// used, and its Assembly is not drawn. When the test ends the universe does.
func NewScript(t TB, target Target) *Script {
	t.Helper()
	assembly := target.Assemble()
	system, err := assembly.New()
	if err != nil {
		t.Fatalf("script: %v", err)
	}
	u := newUniverse(scriptSeed, Config{Arm: "narrow", FrameTime: time.Second, MaxInFlight: system.Bounds().MaxInFlight}, system)
	u.recorder, u.steady = &recorder{}, true
	u.observeBy(target.Invariants(assembly, system))
	s := &Script{t: t, u: u, plan: planOf(scriptSeed, assembly, &u.config)}
	t.Cleanup(u.shutdown)
	for _, p := range u.processes {
		p.boot()
	}
	return s
}

// World is what the invariants see, as of the last effect whose order is final:
// it lags behind while a transaction that began earlier is undecided.
func (s *Script) World() *World { return &s.u.world }

// Trace returns everything that was recorded so far, in order. It must not be
// changed.
func (s *Script) Trace() []TraceEvent { return s.u.recorder.events }

// Effects returns what became true in the stores so far, in the order in which
// it happened: invariants may not have been shown the last ones yet. It must
// not be changed.
func (s *Script) Effects() []Effect { return s.u.recorder.effects }

// Until lets events happen until the condition holds, which is asked first and
// then after every event. The test fails if it takes longer than the system's
// bound for settling, or if nothing is left to happen.
func (s *Script) Until(condition func() bool) {
	s.t.Helper()
	until := s.u.now + int64(s.u.bounds.Settle)
	limit := s.u.events + scriptEvents
	for !condition() {
		switch {
		case s.u.now >= until:
			s.stuck("not reached within %s (virtual)", s.u.bounds.Settle)
		case s.u.events >= limit:
			s.stuck("not reached within %d events", scriptEvents)
		case !s.u.step():
			s.stuck("not reached, and nothing is left to happen")
		}
		s.check()
	}
}

// Advance lets everything happen that happens within d of virtual time.
func (s *Script) Advance(d time.Duration) {
	s.t.Helper()
	until := s.u.now + int64(d)
	limit := s.u.events + scriptEvents
	for s.u.due(until) && s.u.step() {
		s.check()
		if s.u.events >= limit {
			s.stuck("more than %d events within %s (virtual)", scriptEvents, d)
		}
	}
	s.u.now = max(s.u.now, until)
}

// due reports whether something happens no later than the given time.
func (u *Universe) due(until int64) bool {
	m, t := u.messages.head(), u.timers.head()
	return m != nil && m.when <= until || t != nil && t.when <= until
}

// Settle lets what is due happen, lifts every fault, brings back every process
// that crashed, and lets the system finish and clean up; then the invariants
// have their last word. Nothing strikes after it.
func (s *Script) Settle() {
	s.t.Helper()
	s.Advance(0)
	u := s.u
	if u.runSettle() {
		u.runQuiesce()
	}
	s.check()
	u.finalOrder()
	u.settled()
	s.check()
}

// check ends the test with a report if something has been violated.
func (s *Script) check() {
	if s.u.violation == nil {
		return
	}
	s.t.Helper()
	result := s.u.result(s.plan)
	report := Report{
		Seed: s.u.seed, Reduced: &Reduced{Plan: s.plan, Result: result},
		Replay: "go test -run '^" + strings.ReplaceAll(s.t.Name(), "/", "$/^") + "$'", trace: s.u.recorder.events,
	}
	s.t.Fatalf("\n%s", scripted.Replace(report.String()))
}

// scripted leaves out of a report what is said of faults in plans, but means
// nothing in a script.
var scripted = strings.NewReplacer(
	" for="+untilTold.String(), "", ": "+untilTold.String(), "", "/- - - - #0 phase=before", "", "/- - - - #0", "",
)

// stuck ends the test because the script and the system have parted ways.
func (s *Script) stuck(format string, args ...any) {
	s.t.Helper()
	s.u.fail(&Violation{Invariant: "script", Text: fmt.Sprintf(format, args...) + "; " + s.u.waiting()})
	s.check()
}

// Process is the handle to one process of a script.
type Process struct {
	s *Script
	p *process
}

// Process returns the handle to the named process. The test fails if there is
// none.
func (s *Script) Process(name string) *Process {
	s.t.Helper()
	for _, p := range s.u.processes {
		if p.program.Name == name {
			return &Process{s, p}
		}
	}
	s.t.Fatalf("script: no process %q", name)
	return nil
}

func (p *Process) name() string { return p.p.program.Name }

// Alive reports whether an incarnation of the process runs.
func (p *Process) Alive() bool { return p.p.alive }

// Quiet reports whether no task of the process is calling a store or computing.
func (p *Process) Quiet() bool {
	for _, t := range p.p.tasks {
		if t.where.op != opSleep && t.where.op != opWait {
			return false
		}
	}
	return true
}

// untilTold is how long a fault lasts that ends when the script says so, or
// with the healing.
const untilTold = maxFaultTime

// inject adds a fault by the script's own hand, outside of any call.
func (p *Process) inject(f Fault) *Fault {
	f.At = Anchor{Process: p.name(), Task: "-", Step: "-", Class: "-"}
	p.s.u.faults = append(p.s.u.faults, &f)
	return &f
}

// act lets a fault befall the process at once.
func (p *Process) act(f Fault) {
	p.s.t.Helper()
	if !p.p.alive {
		p.s.stuck("%s of %s, which is dead", f.Kind, p.name())
	}
	p.s.u.acts = append(p.s.u.acts, act{fault: p.inject(f), proc: p.p, inc: p.p.inc})
	p.s.u.performActs()
	p.s.check()
}

// Pause freezes the process until Resume: replies and timers wait for it, time
// does not.
func (p *Process) Pause() {
	p.s.t.Helper()
	p.act(Fault{Kind: Pause, For: untilTold})
}

// Suspend freezes the process until Resume, and its monotonic clock with it, as
// when its machine is suspended: afterwards nothing tells it how long it was.
func (p *Process) Suspend() {
	p.s.t.Helper()
	p.act(Fault{Kind: Pause, For: untilTold, Stops: true})
}

// Resume lets a paused or suspended process go on: first with what it was about
// to do, then its timers fire that have run out.
func (p *Process) Resume() {
	p.s.t.Helper()
	if !p.p.paused {
		p.s.stuck("cannot resume %s: it is not paused", p.name())
	}
	p.s.u.resume(p.p)
	p.s.check()
}

// Crash ends the process's incarnation at once; its memory is lost, its scratch
// space is kept. It stays away until Restart.
func (p *Process) Crash() {
	p.s.t.Helper()
	p.act(Fault{Kind: Crash, For: untilTold})
}

// Restart boots the next incarnation of a process that crashed or exited.
func (p *Process) Restart() {
	p.s.t.Helper()
	if p.p.alive {
		p.s.stuck("cannot restart %s: it runs", p.name())
	}
	if p.p.restart != nil {
		p.s.u.timers.remove(p.p.restart)
	}
	p.p.boot()
	p.s.check()
}

// Terminate asks the process to stop, as SIGTERM does, and ends it if it is
// still there after the grace; then it comes back after a second.
func (p *Process) Terminate(grace time.Duration) {
	p.s.t.Helper()
	p.act(Fault{Kind: Terminate, For: grace})
}

// Partition cuts the process off from the services, both ways, until Heal;
// from all of them if none is named. What is on its way still arrives.
func (p *Process) Partition(services ...Service) {
	if len(services) == 0 {
		services = []Service{AllServices}
	}
	for _, service := range services {
		p.s.u.cut(p.p, p.inject(Fault{Kind: Partition, Service: service, For: untilTold}))
	}
}

// Heal ends the process's partitions.
func (p *Process) Heal() { p.p.links = [serviceCount]link{} }

// Slow makes the process's work take factor times as long from its next frame
// on; 1 is its normal speed.
func (p *Process) Slow(factor int) {
	p.p.slow = slowness{}
	if factor > 1 {
		f := p.inject(Fault{Kind: Slow, Factor: int64(factor), For: untilTold})
		p.p.slow = slowness{factor: f.Factor, until: p.s.u.now + int64(f.For), fault: f}
	}
}

// Skew steps the process's wall clock.
func (p *Process) Skew(by time.Duration) {
	f := p.inject(Fault{Kind: Skew, For: by})
	p.p.skew += int64(f.For)
	p.p.skewed = f
}

// Saw fails the test unless some transaction of the process was refused with
// the class of err when it was committed: in one of the steps, if any is named.
func (p *Process) Saw(err error, steps ...env.Step) {
	p.s.t.Helper()
	var seen []string
	for _, o := range p.s.u.outcomes {
		if o.process != p.name() {
			continue
		}
		if o.class == env.ClassOf(err) && (len(steps) == 0 || slices.Contains(steps, env.Step(o.step))) {
			return
		}
		seen = append(seen, o.step+": "+o.class.String())
	}
	p.s.stuck("%s never saw %q, but [%s]", p.name(), env.ClassOf(err), strings.Join(seen, ", "))
}

// Job is something that a script lets a process do.
type Job struct {
	done bool
	err  error
}

// Returned reports whether the job has returned; Err is what it returned.
func (c *Job) Returned() bool { return c.done }
func (c *Job) Err() error     { return c.err }

// Do lets the process, which must be running, call fn in a task of its own.
// Nothing of it happens before the script moves on.
func (p *Process) Do(name string, fn func(ctx context.Context, e *env.Env) error) *Job {
	p.s.t.Helper()
	if !p.p.alive {
		p.s.stuck("cannot let %s do anything: it is dead", p.name())
	}
	p.s.spawns++
	c := &Job{}
	ctx := p.p.child(&simCtx{scope: p.p.root})
	g := &group{p: p.p, ctx: ctx, running: 1}
	p.p.spawn(name+strconv.Itoa(p.s.spawns), ctx, g, func(ctx context.Context) error {
		c.err = fn(ctx, p.p.env)
		c.done = true
		return nil
	})
	return c
}
