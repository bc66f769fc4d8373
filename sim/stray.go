package sim

import (
	"slices"
	"time"
)

// Two living incarnations of one name. A supervisor that does not hear of a process
// takes it for dead and starts it anew elsewhere, under its name: as when somebody
// deletes a StatefulSet's pod by force whose node does not answer, or when a spot
// machine comes back that was given up. The first incarnation, the stray, lives on
// beside its successor until somebody stops it.

// miss lets the process be replaced after the plan's time, if it is still as it is
// now: frozen, cut off or slow.
func (p *process) miss(lasts time.Duration, still func() bool) {
	u := p.u
	after := u.config.ReplaceAfter
	if after == 0 || lasts <= after || p.program.Client || p.stray {
		return
	}
	inc := p.inc
	u.at(int64(after), p, func() {
		if u.phase == chaosPhase && p.alive && p.inc == inc && !p.stray && still() {
			p.replace()
		}
	})
}

// replace boots the process's next incarnation on another machine, with a right clock
// and an empty temp dir, and lets this one go astray.
func (p *process) replace() {
	u := p.u
	next := &process{u: u, index: p.index, program: p.program, inc: p.inc, temp: map[string][]byte{}}
	p.stray = true
	u.processes[p.index] = next
	u.strays = append(u.strays, p)
	u.Mark("two_incarnations")
	next.boot()
	u.at(int64(u.config.StrayFor), p, p.stop)
}

// stop ends a stray, if it still lives.
func (p *process) stop() {
	if p.alive {
		p.u.note(p, Crashed, "its successor lives")
		p.u.end(p)
	}
}

// everybody are the processes, and the strays.
func (u *Universe) everybody() []*process {
	if len(u.strays) == 0 {
		return u.processes
	}
	return slices.Concat(u.processes, u.strays)
}
