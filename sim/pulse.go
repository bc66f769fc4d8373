package sim

import "sync/atomic"

// Pulse shows a running universe from outside: a watchdog, which is the only
// reader, looks at it from another goroutine and in real time. A universe whose
// system blocks for real (a channel, a mutex, a loop that never calls a seam)
// has no pulse any more. It tells the universe nothing and is told no time, so
// it leaves the run as it is.
type Pulse struct {
	task   atomic.Pointer[task]
	events atomic.Uint64
}

// pulseEvery is how many events pass between two beats, a power of two. With the
// task stored at each resumption (0.56 an event) a universe under watch spends
// about 2.3 ns an event on its pulse, of some 550: 0.4 %.
const pulseEvery = 16

// Look returns a number that rises as events happen, and who was given the
// processor last: "" if nobody was yet.
func (p *Pulse) Look() (events uint64, process, task string) {
	t := p.task.Load()
	if t == nil {
		return p.events.Load(), "", ""
	}
	return p.events.Load(), t.proc.program.Name, t.name
}
