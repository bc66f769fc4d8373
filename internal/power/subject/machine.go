package main

import (
	"time"

	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// action is one step of rapid's state machine. A process that it strikes is one of
// the system's, clients aside.
type action struct {
	What    string // of whats
	Process int
	For     time.Duration
}

var whats = []string{"wait", "wait", "wait", "events", "events", "pause", "resume", "crash", "restart", "drain"}

var actions = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
	return action{
		What:    rapid.SampledFrom(whats).Draw(t, "what"),
		Process: rapid.IntRange(0, 7).Draw(t, "process"),
		For:     time.Duration(rapid.Int64Range(1, 400).Draw(t, "seconds")) * time.Second,
	}
}), 4, 40)

// machineEvents bounds what happens between two actions.
const machineEvents = 5000

// machineBound ends a universe that has this many events. Some wait days for leaks,
// under a bug that hides them for ever, and what is driven by hand keeps its trace:
// one took 24 GB. It is then no kill.
const machineBound = 1_000_000

// machine lets rapid say what happens: processes are paused, killed, drained and
// brought back between stretches of time. Nothing draws the order of events: what
// was sent first arrives first, at once.
func machine(seed uint64) (*sim.Result, error) {
	target := suite.Target()
	target.Events = machineBound
	assemble := target.Assemble
	target.Assemble = func() sim.Assembly {
		a := assemble()
		a.Draw(keyed.New(seed, "system"))
		bearWork(a.(*conversion.Config))
		return a
	}
	u, err := sim.Boot(target)
	if err != nil {
		return nil, err
	}
	defer u.Shutdown()
	workers := processes(u)
	for _, a := range actions.Example(int(seed & (1<<62 - 1))) {
		if u.Failed() {
			break
		}
		a.do(u, workers[a.Process%len(workers)])
	}
	if !u.Failed() {
		u.Settle()
	}
	r := u.Result()
	r.Seed = seed
	return r, nil
}

// bearWork lets attempts last long enough for a universe that is driven by hand, in
// which each frame takes a second: else they time out by themselves, which no fault
// explains, and the correct core fails by runs-once and outcomes-justified.
func bearWork(c *conversion.Config) {
	c.Core.UnitTimeout = max(c.Core.UnitTimeout, time.Duration(3*c.Frames)*time.Second)
}

// processes are the names that the conversion gives to what is no client.
func processes(u *sim.Universe) (list []sim.Process) {
	for _, name := range []string{"w0", "w1", "w2", "w3", "c0", "c1", "c2"} {
		if p, ok := u.Process(name); ok {
			list = append(list, p)
		}
	}
	return list
}

func (a action) do(u *sim.Universe, p sim.Process) {
	switch {
	case a.What == "wait":
		end := u.Now() + a.For
		n := 0
		for n < machineEvents && !u.Failed() && u.StepUntil(end) {
			n++
		}
		if n < machineEvents {
			u.Wait(end)
		}
	case a.What == "events":
		for n := a.For / time.Second; n > 0 && !u.Failed() && u.Step(); n-- {
		}
	case a.What == "restart" && !p.Alive():
		p.Restart()
	case a.What == "resume" && p.Alive() && p.Paused():
		p.Resume()
	case !p.Alive() || p.Paused():
	case a.What == "pause":
		p.Befall(&fault.Pause{For: a.For})
	case a.What == "crash":
		p.Befall(&fault.Crash{Restart: a.For})
	case a.What == "drain":
		p.Befall(&fault.Terminate{Grace: 30 * time.Second})
	}
}
