package executor

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// What faults do to processes and to the world: process is a fault.Host. u.mu is
// held in all of it.

// standing is a fault that strikes everything for a while.
type standing struct {
	fault *fault.Fault
	until time.Duration
}

// Stand lets the fault strike everything that the process does for that long.
func (p *process) Stand(f *fault.Fault, lasts time.Duration) {
	p.standing = append(p.standing, standing{f, p.u.now() + lasts})
}

// Everywhere lets the fault strike everything that any process does.
func (p *process) Everywhere(f *fault.Fault, lasts time.Duration) {
	p.u.standing = append(p.u.standing, standing{f, p.u.now() + lasts})
}

// stretch is what work costs that costs its process that long if nothing slows
// it: the latest fault that stretches it does.
func (p *process) stretch(cost int64) int64 {
	for i := len(p.standing) - 1; i >= 0; i-- {
		s := &p.standing[i]
		if p.u.now() >= s.until {
			continue
		}
		if stretched := s.fault.Kind.Stretch(cost); stretched != cost {
			p.u.court.Fired(s.fault)
			return stretched
		}
	}
	return cost
}

// Crash ends the process's incarnation at once.
func (p *process) Crash(_ *fault.Fault, k *fault.Crash) {
	p.u.court.Note(p.life.actor("", ""), sim.Crashed)
	if k.TempLost {
		clear(p.temp)
	}
	p.end()
	if p.never = k.Never; !k.Never {
		p.restartAfter(k.Restart)
	}
}

// Pause freezes the process.
func (p *process) Pause(f *fault.Fault, k *fault.Pause) {
	in, u := p.life, p.u
	if in.paused {
		return
	}
	u.court.Note(in.actor("", ""), sim.Paused)
	in.paused, in.suspended, in.pausedAt = true, k.Stops, u.now()
	in.pauses++
	if in.rival = ""; k.Until != fault.UntilTime {
		in.rival, in.rivalFrom = f.At.Step, u.now()
	}
	if k.Until == fault.UntilHeir {
		in.rivalFrom += k.For / 2
		if t := u.taskNamed(in, f.At.Task); t != nil && t.before != "" {
			in.rival = t.before
		}
	}
	in.resumeAfter(k.For)
}

// resumeAfter ends the present pause later.
func (in *incarnation) resumeAfter(d time.Duration) {
	pause := in.pauses
	in.u.after(d, func() {
		if in.alive && in.pauses == pause {
			in.resume()
		}
	})
}

// meetRival ends, a little later, the pauses that wait for another process to
// make a call in this step by now.
func (u *universe) meetRival(p *process, cl call) {
	for _, other := range u.processes {
		in := other.life
		if in == nil || !in.paused || other == p || in.rival != fault.Dash(cl.Step) || u.now() < in.rivalFrom {
			continue
		}
		in.rival = ""
		in.resumeAfter(time.Millisecond << (keyed.Mix(cl.id, keyed.ForRival) % 11)) // up to 1 s
	}
}

// Terminate ends the process's main context, and crashes it after the grace.
func (p *process) Terminate(_ *fault.Fault, grace time.Duration) {
	in, u := p.life, p.u
	u.court.Note(in.actor("", ""), sim.Terminated)
	in.cancel(p.program.StopCause)
	u.after(grace, func() {
		if !in.alive {
			return
		}
		u.event(4, "kill")
		u.court.Note(in.actor("", ""), sim.Killed)
		p.end()
		p.restartAfter(max(p.program.Restart, time.Second))
	})
}

// StepClock moves the process's wall clock. That counts once somebody reads it.
func (p *process) StepClock(f *fault.Fault, by time.Duration) {
	p.skew += by
	p.skewed = f
}

// DriftClock changes the rate of the process's monotonic clock.
func (p *process) DriftClock(f *fault.Fault, ppm int64) {
	if in := p.life; in != nil {
		in.driftBase, in.began = in.monotonic(p.u.now()), p.u.now()
	}
	p.driftPPM = ppm
	p.u.court.Fired(f)
}

// taskNamed returns the incarnation's living task of that name, or nil.
func (u *universe) taskNamed(in *incarnation, name string) *task {
	for _, t := range u.tasks {
		if t.in == in && t.name == name {
			return t
		}
	}
	return nil
}
