// Package suite puts the conversion and everything that must hold of it
// together: what tests, fuzzing and commands run.
package suite

import (
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Target is the conversion, judged by every invariant.
func Target() sim.Target {
	return sim.Target{
		Assemble: func() sim.Assembly { return &conversion.Config{} },
		Invariants: func(_ sim.Assembly, system sim.System) []sim.Invariant {
			return properties.All(known(system.(*conversion.System)))
		},
	}
}

// Refinement is the conversion, judged by the executable model alone.
func Refinement() sim.Target {
	target := Target()
	target.Invariants = func(_ sim.Assembly, system sim.System) []sim.Invariant {
		return properties.OnlyModel(known(system.(*conversion.System)))
	}
	return target
}

// Conversion is the conversion with all that can be asked of it, for tests and
// commands: 80 % of the batches are published even among faults, the scenarios
// are those of package chaos.
func Conversion() harness.Suite {
	return harness.Suite{
		Rules:     "core/RULES.md",
		Command:   "go run ./cmd/gauntlet",
		Target:    Target(),
		Small:     small,
		Expect:    []sweep.Expectation{{Outcome: "published", AtLeast: 0.8}},
		Catalogue: protocol.Catalogue(),
		Marks:     properties.Marks(),
		Scenarios: chaos.Scenarios(),
		Stage:     Scenario,
	}
}

// quantum is what the simulator may round a message's way up to.
const quantum = 10 * time.Millisecond

// known is what the invariants may know of a system: what it was asked for,
// and its times.
func known(s *conversion.System) properties.Config {
	k := &s.Config().Core
	c := properties.Config{
		Workload:  *s.Workload(),
		Heartbeat: k.Heartbeat, StaleAfter: k.StaleAfter, ScannerLease: k.ScannerLease, FenceMargin: k.FenceMargin,
		Poll: k.WorkerPoll, ReapEvery: k.ReapEvery, ControlEvery: k.ControlEvery,
		ScanEvery: k.ScanEvery, MergePoll: k.MergePoll, JanitorEvery: k.JanitorEvery,
		UnitBackoff: k.UnitBackoff, UnitBackoffMax: k.UnitBackoffMax, OpTimeout: k.OpTimeout, StorageTimeout: k.StorageTimeout,
		BackoffMax: k.StorageBackoffMax, BreakerOpen: k.BreakerOpen, MaxInFlight: k.MaxInFlight,
		UnitTimeout: k.UnitTimeout, DrainTimeout: k.DrainTimeout, WatchFor: k.WatchFor, TTL: s.Config().TTL,
		MaxAttempts: k.MaxAttempts, BackoffLimit: k.BackoffLimit, Shards: k.Shards, Slots: k.Slots,
		BreakerFailures: k.BreakerFailures, BreakerSuccesses: k.BreakerSuccesses, MaxLatency: s.Bounds().MaxLatency + quantum,
		ConflictTries: k.ConflictTries, ConflictBackoff: k.ConflictBackoff,
		CheckpointEvery: k.CheckpointEvery, PartsInFlight: k.PartsInFlight,
		Probe: k.Store.Probe, Page: k.Page,
		PartSize: k.PartSize, MultipartAbove: k.MultipartAbove, ReadChunk: k.ReadChunk,
	}
	for _, p := range s.Programs() {
		if strings.HasPrefix(p.Name, "w") {
			c.Workers = append(c.Workers, p.Name)
		} else if !p.Client {
			c.Controllers = append(c.Controllers, p.Name)
		}
	}
	if c.Controllers == nil { // every process plays every role
		c.Controllers = c.Workers
	}
	return c
}
