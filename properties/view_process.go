package properties

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// process is one process as the world saw it.
type process struct {
	name, incarnation string   // the newest one
	strays            []string // incarnations that live on beside it
	alive, draining   bool
	since             sim.Moment    // of the last boot
	gone              sim.Moment    // of the last end
	freed             time.Duration // when it had heard that an attempt of it ended
}

// strike is one fault that fired.
type strike struct {
	fault *fault.Fault
	at    time.Duration
}

// takeProcess follows the processes' lives, and the faults.
func takeProcess(v *view, e *sim.Effect) {
	if e.Happened == sim.FaultFired {
		v.faults = append(v.faults, strike{fault: e.Fault, at: e.At})
		return
	}
	p := v.processes[e.Process]
	if p == nil {
		p = &process{name: e.Process}
		v.processes[e.Process] = p
	}
	if p.incarnation != "" && p.incarnation != e.Incarnation && e.Happened != sim.Booted {
		p.stray(e)
		return
	}
	switch e.Happened {
	case sim.Booted:
		if p.alive {
			p.strays = append(p.strays, p.incarnation)
		}
		p.incarnation, p.alive, p.draining, p.since = e.Incarnation, true, false, e.Moment()
	case sim.Crashed, sim.Exited, sim.Killed:
		p.alive, p.gone = false, e.Moment()
	case sim.Terminated:
		p.draining = true
	}
}

// stray notes what befalls an incarnation that has a successor: it matters when it ends.
func (p *process) stray(e *sim.Effect) {
	switch e.Happened {
	case sim.Crashed, sim.Exited, sim.Killed:
		p.strays = slices.DeleteFunc(p.strays, func(inc string) bool { return inc == e.Incarnation })
		p.gone = e.Moment()
	}
}

// lives reports whether an incarnation is alive, as far as the world has told,
// and if not, when it ended.
func (v *view) lives(name, incarnation string) (alive bool, gone sim.Moment) {
	p := v.processes[name]
	if p == nil {
		return true, sim.Moment{}
	}
	return p.alive && p.incarnation == incarnation || slices.Contains(p.strays, incarnation), p.gone
}

// controlled returns since when a process that reaps, merges and controls has
// been up: it knows nothing of what it has not watched. ok is false while none is.
func (v *view) controlled() (since time.Duration, ok bool) {
	for _, name := range v.cfg.Controllers {
		p := v.processes[name]
		if p == nil { // nothing has befallen it
			return 0, true
		}
		if !p.alive || p.draining {
			continue
		}
		if !ok || p.since.At < since {
			since, ok = p.since.At, true
		}
	}
	return since, ok
}
