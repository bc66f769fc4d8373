// Package script drives one universe by hand: a test says what befalls which
// process, and lets time pass in between.
package script

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// TB is what a script needs of a test; *testing.T is one.
type TB interface {
	Helper()
	Name() string
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Script is one universe driven by hand: a test says what befalls which
// process, and lets time pass in between. The test's goroutine is the
// scheduler: nothing moves but in Until, Advance and Settle, so a script has no
// races and never sleeps. Every invariant of the target judges it, as it judges
// a seed's universe; the first violation ends the test with the same report. A test
// that fails by what it requires itself is followed by that report, too: of what
// happened until then.
//
// There are no faults but the script's. Messages take no time, and no clock
// drifts: time passes only where the system sleeps, waits or works (one second
// a piece), and at the same instant what was sent first comes first. What a task
// draws from env.Rand is always the same number, so that a change of the system
// in one place does not shift all later times. A script is as deterministic as a
// seed.
type Script struct {
	t        TB
	u        *sim.Universe
	tells    string
	reported bool
	spawns   int
	// waiting are the triggers that were set: those that have not fired are named
	// when the script waits in vain.
	waiting []*Trigger
}

// maxEvents bounds one Until or Advance, against loops that take no time.
const maxEvents = 1_000_000

// New assembles the target's system and boots its processes, which have not yet
// moved when it returns. The target's Vary, Inject and Calm are not used, and
// its Assembly is not drawn. When the test ends the universe does.
func New(t TB, target sim.Target) *Script {
	t.Helper()
	u, err := sim.Boot(target)
	if err != nil {
		t.Fatalf("script: %v", err)
	}
	t.Cleanup(u.Shutdown)
	s := &Script{t: t, u: u}
	t.Cleanup(s.account)
	return s
}

// Tells sets what the script tells, in a sentence: its report says so under the
// first line. Nothing is said by default.
func (s *Script) Tells(sentence string) { s.tells = sentence }

// World is what the invariants see, as of the last effect whose order is final:
// it lags behind while a transaction that began earlier is undecided.
func (s *Script) World() *sim.World { return s.u.World() }

// Trace returns everything that was recorded so far, in order. It must not be
// changed.
func (s *Script) Trace() []sim.TraceEvent { return s.u.Trace() }

// Effects returns what became true in the stores so far, in the order in which
// it happened: invariants may not have been shown the last ones yet. It must
// not be changed.
func (s *Script) Effects() []sim.Effect { return s.u.Effects() }

// Inject adds an injector beside the script's triggers: for what befalls many
// calls.
func (s *Script) Inject(i fault.Injector) { s.u.Inject(i) }

// Until lets events happen until the condition holds, which is asked first and
// then after every event. The test fails if it takes longer than the system's
// bound for settling, or if nothing is left to happen.
func (s *Script) Until(condition func() bool) {
	s.t.Helper()
	until := s.u.Now() + s.u.SettleBound()
	limit := s.u.Events() + maxEvents
	for !condition() {
		switch {
		case s.u.Now() >= until:
			s.fail("not reached within %s (virtual)", s.u.SettleBound())
		case s.u.Events() >= limit:
			s.fail("not reached within %d events", maxEvents)
		case !s.u.Step():
			s.fail("not reached, and nothing is left to happen")
		}
		s.check()
	}
}

// Advance lets everything happen that happens within d of virtual time.
func (s *Script) Advance(d time.Duration) {
	s.t.Helper()
	until := s.u.Now() + d
	limit := s.u.Events() + maxEvents
	for s.u.StepUntil(until) {
		s.check()
		if s.u.Events() >= limit {
			s.fail("more than %d events within %s (virtual)", maxEvents, d)
		}
	}
	s.u.Wait(until)
}

// Settle lets what is due happen, lifts every fault, brings back every process
// that crashed, and lets the system finish and clean up; then the invariants
// have their last word. Nothing strikes after it.
func (s *Script) Settle() {
	s.t.Helper()
	s.Advance(0)
	s.u.Settle()
	s.check()
}

// check ends the test with a report if something has been violated.
func (s *Script) check() {
	if !s.u.Failed() {
		return
	}
	s.t.Helper()
	s.reported = true
	s.t.Fatalf("\n%s", s.report())
}

// account reports what happened in a test that has failed by what it requires itself.
func (s *Script) account() {
	if s.reported || !s.t.Failed() {
		return
	}
	s.u.Fail(&sim.Violation{Invariant: "script", Text: "what the test requires, above, has not come about"})
	s.t.Logf("\n%s", s.report())
}

// report tells what has been violated, and how it came to that.
func (s *Script) report() string {
	result := s.u.Result()
	report := explain.Of(&shrink.Shrunk{Plan: result.Plan, Result: result}, s.u.Trace())
	report.Tells = s.tells
	report.Replay = "go test -run '^" + strings.ReplaceAll(s.t.Name(), "/", "$/^") + "$'"
	return scripted.Replace(report.String())
}

// scripted leaves out of a report what is said of faults in plans, but means
// nothing in a script.
var scripted = strings.NewReplacer(
	" for="+untilTold.String(), "", " restart="+untilTold.String(), "", ": "+untilTold.String(), "", "/- - - - #0 phase=before", "", "/- - - - #0", "",
)

// fail ends the test because the script and the system have parted ways.
func (s *Script) fail(format string, args ...any) {
	s.t.Helper()
	s.u.Fail(&sim.Violation{Invariant: "script", Text: fmt.Sprintf(format, args...) + s.unreached() + "; " + s.u.Waiting()})
	s.check()
}

// unreached says of each trigger that has not fired who has reached its step.
func (s *Script) unreached() string {
	text := ""
	for _, t := range s.waiting {
		if t.Fired() {
			continue
		}
		reached := map[string]time.Duration{}
		for _, e := range s.u.Trace() {
			if e.Level == sim.TraceCall && e.Step == t.rule.Step {
				reached[e.Process] = e.At
			}
		}
		text += fmt.Sprintf("; %s waits for %s in %s", t.rule.Kind.Info().Name, t.p.Name(), t.rule.Step)
		for _, name := range slices.Sorted(maps.Keys(reached)) {
			text += fmt.Sprintf(", where %s was last at %.3fs", name, reached[name].Seconds())
		}
		if len(reached) == 0 {
			text += ", which nobody has reached"
		}
	}
	return text
}

// Process is the handle to one process of a script.
type Process struct {
	sim.Process
	s *Script
}

// Process returns the handle to the named process. The test fails if there is
// none.
func (s *Script) Process(name string) *Process {
	s.t.Helper()
	p, ok := s.u.Process(name)
	if !ok {
		s.t.Fatalf("script: no process %q", name)
	}
	return &Process{p, s}
}

// untilTold is how long a fault lasts that ends when the script says so, or
// with the healing.
const untilTold = fault.MaxTime

// befall lets a fault befall the process, which must be alive, at once.
func (p *Process) befall(k fault.Kind) {
	p.s.t.Helper()
	if !p.Alive() {
		p.s.fail("%s of %s, which is dead", k.Info().Name, p.Name())
	}
	p.Befall(k)
	p.s.check()
}

// Pause freezes the process until Resume: replies and timers wait for it, time
// does not.
func (p *Process) Pause() {
	p.s.t.Helper()
	p.befall(&fault.Pause{For: untilTold})
}

// Resume lets a paused or suspended process go on: first with what it was about
// to do, then its timers fire that have run out.
func (p *Process) Resume() {
	p.s.t.Helper()
	if !p.Paused() {
		p.s.fail("cannot resume %s: it is not paused", p.Name())
	}
	p.Process.Resume()
	p.s.check()
}

// Crash ends the process's incarnation at once; its memory is lost, its scratch
// space is kept. It stays away until Restart.
func (p *Process) Crash() {
	p.s.t.Helper()
	p.befall(&fault.Crash{Restart: untilTold})
}

// Restart boots the next incarnation of a process that crashed or exited.
func (p *Process) Restart() {
	p.s.t.Helper()
	if p.Alive() {
		p.s.fail("cannot restart %s: it runs", p.Name())
	}
	p.Process.Restart()
	p.s.check()
}

// Terminate asks the process to stop, as SIGTERM does, and ends it if it is
// still there after the grace; then it comes back after a second.
func (p *Process) Terminate(grace time.Duration) {
	p.s.t.Helper()
	p.befall(&fault.Terminate{Grace: grace})
}

// Partition cuts the process off from the services, both ways, until Heal;
// from all of them if none is named. What is on its way still arrives.
func (p *Process) Partition(services ...ops.Service) {
	if len(services) == 0 {
		services = []ops.Service{ops.Every}
	}
	for _, service := range services {
		p.Befall(&fault.Partition{Service: service, For: untilTold})
	}
}

// Heal ends the process's partitions.
func (p *Process) Heal() { p.Lift((&fault.Partition{}).Info()) }

// Slow makes the process's work take factor times as long from its next piece
// on; 1 is its normal speed.
func (p *Process) Slow(factor int) {
	p.Lift((&fault.Slow{}).Info())
	if factor > 1 {
		p.Befall(&fault.Slow{Factor: int64(factor), For: untilTold})
	}
}

// Skew steps the process's wall clock.
func (p *Process) Skew(by time.Duration) { p.Befall(&fault.Skew{By: by}) }

// Saw fails the test unless some transaction of the process was refused with
// the class of err when it was committed: in one of the steps, if any is named.
func (p *Process) Saw(err error, steps ...env.Step) {
	p.s.t.Helper()
	var seen []string
	for _, o := range p.Outcomes() {
		if o.Class == env.ClassOf(err) && (len(steps) == 0 || slices.Contains(steps, o.Step)) {
			return
		}
		seen = append(seen, string(o.Step)+": "+o.Class.String())
	}
	p.s.fail("%s never saw %q, but [%s]", p.Name(), env.ClassOf(err), strings.Join(seen, ", "))
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
	if !p.Alive() {
		p.s.fail("cannot let %s do anything: it is dead", p.Name())
	}
	p.s.spawns++
	c := &Job{}
	p.Process.Do(name+strconv.Itoa(p.s.spawns), func(ctx context.Context, e *env.Env) {
		c.err = fn(ctx, e)
		c.done = true
	})
	return c
}
