package sim

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// What faults do to processes and to the world: process is a fault.Host.

// standing is a fault that strikes everything for a while.
type standing struct {
	fault *fault.Fault
	until int64
}

// Stand lets the fault strike everything that the process does for that long.
func (p *process) Stand(f *fault.Fault, lasts time.Duration) {
	p.u.stands(f, lasts)
	p.standing = stand(p.standing, f, p.u.sched.now, lasts)
	p.miss(lasts, func() bool {
		return slices.ContainsFunc(p.standing, func(s standing) bool { return s.fault == f })
	})
}

// Everywhere lets the fault strike everything that any process does.
func (p *process) Everywhere(f *fault.Fault, lasts time.Duration) {
	p.u.stands(f, lasts)
	p.u.standing = stand(p.u.standing, f, p.u.sched.now, lasts)
}

// stands tells the history for how long a fault lasts.
func (u *Universe) stands(f *fault.Fault, lasts time.Duration) {
	if u.history != nil {
		u.history.stands(u, f, lasts)
	}
}

// stand adds a fault to those that stand, and forgets those that are over.
func stand(list []standing, f *fault.Fault, now int64, lasts time.Duration) []standing {
	kept := list[:0]
	for _, s := range list {
		if now < s.until {
			kept = append(kept, s)
		}
	}
	return append(kept, standing{f, now + int64(lasts)})
}

// stretch is what work costs that costs its process that long if nothing slows
// it: the latest fault that stretches it does.
func (p *process) stretch(cost int64) int64 {
	for i := len(p.standing) - 1; i >= 0; i-- {
		s := &p.standing[i]
		if p.u.sched.now >= s.until {
			continue
		}
		if stretched := s.fault.Kind.Stretch(cost); stretched != cost {
			p.u.fired(s.fault)
			return stretched
		}
	}
	return cost
}

// Crash ends the process's incarnation at once.
func (p *process) Crash(_ *fault.Fault, k *fault.Crash) {
	u := p.u
	u.note(p, Crashed, "")
	if k.TempLost {
		clear(p.temp)
	}
	u.end(p)
	p.never = k.Never
	if !k.Never {
		u.restartAfter(p, int64(k.Restart))
	}
}

// Pause freezes the process.
func (p *process) Pause(f *fault.Fault, k *fault.Pause) {
	if p.paused {
		return
	}
	u := p.u
	u.note(p, Paused, k.For.String())
	u.stands(f, k.For)
	p.paused = true
	p.suspended = k.Stops
	p.pausedAt = u.sched.now
	if p.rival = ""; k.Until != fault.UntilTime {
		p.rival, p.rivalFrom = f.At.Step, u.sched.now
		u.rivals++
	}
	if k.Until == fault.UntilHeir {
		p.rivalFrom += int64(k.For) / 2
		if t := p.taskNamed(f.At.Task); t != nil && t.before != nil {
			p.rival = t.before.name
		}
	}
	p.resumeAt = u.at(int64(k.For), p, func() { u.resume(p) })
	since := p.pausedAt
	p.miss(k.For, func() bool { return p.paused && p.pausedAt == since })
}

// Terminate ends the process's main context, and crashes it after the grace.
func (p *process) Terminate(_ *fault.Fault, grace time.Duration) {
	u := p.u
	u.note(p, Terminated, "")
	inc := p.inc
	p.root.end(p.program.StopCause)
	u.at(int64(grace), p, func() {
		if p.inc == inc && p.alive {
			u.note(p, Killed, "grace over")
			u.end(p)
			u.restartAfter(p, int64(max(p.program.Restart, time.Second)))
		}
	})
}

// StepClock moves the process's wall clock. That counts once somebody reads it.
func (p *process) StepClock(f *fault.Fault, by time.Duration) {
	p.skew += int64(by)
	p.skewed = f
}

// DriftClock changes the rate of the process's monotonic clock.
func (p *process) DriftClock(f *fault.Fault, ppm int64) {
	p.driftBase, p.began = p.monotonic(p.u.sched.now), p.u.sched.now
	p.driftPPM = ppm
	p.u.hastened = p.u.hastened || ppm > 0
	p.u.fired(f)
}

// restartAfter boots the process's next incarnation later. A stray has one already.
func (u *Universe) restartAfter(p *process, d int64) {
	if p.stray {
		return
	}
	p.restart = u.at(d, p, func() {
		if !p.alive {
			p.boot()
		}
	})
}

// at schedules an act of the world.
func (u *Universe) at(d int64, p *process, do func()) *event {
	id := keyed.Mix(keyed.Mix(u.seed, keyed.HashText(p.program.Name)), uint64(p.inc)<<8^u.events<<20)
	e := &event{when: u.sched.now + d, tie: u.sched.tie(id), pos: -1, kind: evWorld, act: do, id: id}
	u.sched.timers.push(e)
	return e
}
