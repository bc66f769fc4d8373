// Package leasesim puts the lease system into simulated universes: its
// configuration, its processes, its bounds and what must hold.
package leasesim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"

	"example.org/lease"
)

// Suite is all that can be asked of the system.
func Suite() harness.Suite {
	return harness.Suite{
		Target: sim.Target{
			Assemble:   func() sim.Assembly { return &system{} },
			Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{&holderRaises{}} },
		},
		Scenarios: []chaos.Scenario{{
			Name: "frozen-holder", Title: "A worker freezes with a raise in hand for longer than its lease.",
			Inject: []chaos.Injection{{Fault: chaos.Pause, At: chaos.At{Step: "raise", Call: "kv.prewrite"}, Leases: 1.5}},
		}},
	}
}

// system is the assembly and, once it has its configuration, the system.
type system struct {
	workers int
	lease.Config
}

func (s *system) Name() string { return "lease" }

func (s *system) Settings() []plan.Setting {
	return []plan.Setting{
		{Name: "lease.workers", Int: &s.workers, Min: 1, Max: 10},
		{Name: "lease.target", Int: &s.Target, Min: 1, Max: 1000},
		{Name: "lease.lease", Duration: &s.Lease, Min: 1e6, Max: 3600e9},
		{Name: "lease.fenced", Bool: &s.Fenced},
	}
}

func (s *system) Draw(d keyed.Draw) {
	s.workers = int(d.Between("workers", 2, 4))
	s.Target = int(d.Between("target", 3, 10))
	s.Lease = 5 * time.Second
}

func (s *system) New() (sim.System, error) { return s, nil }

func (s *system) Programs() []sim.Program {
	var programs []sim.Program
	for i := range s.workers {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Main: s.Run, Restart: time.Second, Expendable: true})
	}
	return programs
}

func (s *system) Prepare(*sim.Stores)            {}
func (s *system) StoreOptions() objstore.Options { return objstore.Options{} }
func (s *system) Region(string) int              { return 0 }
func (s *system) Classify(key string) string     { return key }

func (s *system) Bounds() sim.Bounds {
	return sim.Bounds{RPCTimeout: time.Second, Leases: []time.Duration{s.Lease}}
}

func (s *system) Done(w *sim.World) bool { return counter(w) >= s.Target }

func (s *system) Quiet(*sim.World) bool { return true }

func (s *system) Describe(w *sim.World, sum *sim.Summary) {
	sum.Fields = []plan.Field{{Name: "workers", Value: strconv.Itoa(s.workers)}}
	sum.Outcome, sum.Outcomes = "raised", []sim.Count{{Name: "raised", N: counter(w)}}
	if n := counter(w); n < s.Target {
		sum.Outcome = "unfinished"
		sum.Unfinished = []sim.Unfinished{{Subject: "counter", Shape: "counter too low", Text: fmt.Sprintf("the counter is %d of %d", n, s.Target)}}
	}
}

func counter(w *sim.World) int {
	row, _ := w.Get("counter")
	n, _ := strconv.Atoi(string(row))
	return n
}

// holderRaises: whoever raises the counter holds the lease.
type holderRaises struct{ taken sim.EventRef }

func (i *holderRaises) Name() string { return "holder-raises" }

func (i *holderRaises) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind != sim.EffectCommit {
		return nil
	}
	who := e.Process + "/" + e.Incarnation
	for _, m := range e.Commit.Writes {
		row, _ := w.Get("lease")
		owner, _, _ := strings.Cut(string(row), " ")
		if m.Key == "lease" && m.Op == tikv.OpPut {
			i.taken = e.Ref(who + " took the lease")
		}
		if m.Key == "counter" && owner != who {
			return &sim.Violation{
				Shape: "not the holder", Subject: "counter", First: i.taken, Second: e.Ref(who + " raised the counter"),
				Text: fmt.Sprintf("%s raised the counter to %d while %s held the lease", who, counter(w), owner),
			}
		}
	}
	return nil
}
