package suite

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
)

// Scenario is the conversion with a chaos scenario played on it and no other
// faults: a world that is large enough for the story, drawn but for what the
// story needs, and judged by every invariant and by what the scenario's
// liveness clause says in addition. tell, if not nil, is told the facts of a
// universe, one line each, the first of every kind.
func Scenario(s chaos.Scenario, tell func(string)) sim.Target {
	t := Target()
	t.Calm = true
	t.Vary = func(c *sim.Config, a sim.Assembly) {
		// Bounds are in virtual time, which is elastic else, and supposes that
		// replies mostly come before their time-outs.
		c.Arm = "narrow"
		c.LatencyMin, c.LatencyMax = min(c.LatencyMin, time.Millisecond), min(c.LatencyMax, 20*time.Millisecond)
		stage(s, a.(*conversion.Config))
		c.WorkTime = min(c.WorkTime, frameTime)
		if t := frameTimes[s.Name]; t != 0 {
			c.WorkTime = t
		}
	}
	t.Inject = func(a sim.Assembly) []fault.Injector {
		c := a.(*conversion.Config)
		story, err := inject.Scenario(s, inject.Stage{Processes: roles(c), StaleAfter: c.Core.StaleAfter})
		if err != nil {
			panic(err) // the scenarios are part of the program
		}
		return []fault.Injector{story}
	}
	all := t.Invariants
	t.Invariants = func(a sim.Assembly, system sim.System) []sim.Invariant {
		c := system.(*conversion.System)
		f := &facts{tell: tell}
		return append(all(a, system), f, &liveness{scenario: s.Name, system: c, facts: f})
	}
	return t
}

// frameTime is what a frame costs at most, as the scenarios' bounds suppose.
const frameTime = 200 * time.Millisecond

// frameTimes are what a frame costs where work, not waiting, must take the
// time: so that a straggler matters, and that a batch outlasts a deployment.
var frameTimes = map[string]time.Duration{"slow-worker": 300 * time.Millisecond, "rolling-restart": 600 * time.Millisecond}

// keepsItsUnits are the scenarios in which an owner that lives and beats is never reaped.
var keepsItsUnits = map[string]bool{"slow-worker": true, "clock-skew": true}

// stage pins what the story needs and leaves the rest as it was drawn: units
// that are uploaded in several parts with checkpoints in between, sources that
// are read in several pieces, and nothing else that could go wrong.
func stage(s chaos.Scenario, c *conversion.Config) {
	c.Workers = max(c.Workers, s.Workers)
	c.Batches, c.Sources, c.Recordings = s.Batches, 2, max(s.Units, 2)
	c.Frames = max(c.Frames, 40)
	c.PoisonPercent, c.EmptyPercent, c.CancelPercent, c.ResubmitPercent, c.TersePercent = 0, 0, 0, 0, 0
	c.MissingPercent, c.OverlapPercent, c.ComebackPercent, c.Linger = 0, 0, 0, 0
	c.ForeignPercent, c.RevisePercent, c.MeddlePercent = 0, 0, 0
	k := &c.Core
	k.UnitTimeout = core.DefaultConfig().UnitTimeout
	// A story fails attempts on purpose: a batch that allows for one would end with it.
	k.BackoffLimit = max(k.BackoffLimit, core.DefaultConfig().BackoffLimit)
	if keepsItsUnits[s.Name] {
		// A claim that waits for the locks of who crashed may land when its lease, counted
		// from before, is over, and is given up: here a lease outlasts any try.
		k.StaleAfter = max(k.StaleAfter, k.FenceMargin+2*k.OpTimeout)
	}
	k.PartSize, k.MultipartAbove = min(k.PartSize, 200), min(k.MultipartAbove, 200)
	k.CheckpointFrames = min(k.CheckpointFrames, 4)
	k.ReadChunk = min(k.ReadChunk, 400)
	c.NoConditional = false
	for _, in := range s.Inject {
		switch in.Fault {
		case chaos.WeakObjects:
			c.NoConditional = true
		case chaos.Terminate:
			c.RestartAfter = in.Restart
		}
	}
	c.WorkloadSeed = enough(s, *c)
}

// enough finds a workload seed, from the drawn one on, with as much work as the
// story needs. One that has enough stays: a configuration is varied twice, before
// the system is assembled and after.
func enough(s chaos.Scenario, c conversion.Config) uint64 {
	for range 10_000 {
		spec := c.Workload()
		fits := len(spec.Batches) == s.Batches
		for k := range spec.Batches {
			b := &spec.Batches[k]
			fits = fits && b.Units() >= s.Units && (b.Parallelism == 0 || b.Parallelism >= 2)
		}
		if fits {
			break
		}
		c.WorkloadSeed++
	}
	return c.WorkloadSeed
}

// roles returns the processes that play a role: the workers have them all
// unless the configuration splits them.
func roles(c *conversion.Config) func(role string) []string {
	return func(role string) []string {
		var workers, others []string
		for i := range c.Workers {
			workers = append(workers, fmt.Sprintf("w%d", i))
		}
		if c.Split {
			others = []string{"c0", "c1"}
		}
		switch {
		case role == "client":
			return []string{"client"}
		case role == "worker" || !c.Split:
			return workers
		case role == "":
			return append(workers, others...)
		}
		return others
	}
}
