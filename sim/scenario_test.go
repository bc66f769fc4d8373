package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// A scenario's run is written down like any other: its plan replays it, without
// the scenario.
func TestScenarioPlansReplay(t *testing.T) {
	for _, s := range chaos.Scenarios() {
		target := suite.Scenario(s, nil)
		seeds := uint64(5)
		if testing.Short() {
			seeds = 1
		}
		for seed := uint64(1); seed <= seeds; seed++ {
			run, err := sim.Run(target, seed)
			require.NoError(t, err)
			replayed, err := sim.Replay(target, run.Plan)
			require.NoError(t, err)
			require.Equal(t, run.Hash, replayed.Hash, "scenario %s, seed %d", s.Name, seed)
		}
	}
}

// What a scenario judges beyond the invariants bites: a world that breaks it is
// found.
func TestScenarioBites(t *testing.T) {
	cases := []struct {
		scenario, clause string
		worsen           func(s *chaos.Scenario)
	}{
		{"slow-worker", "straggler", func(s *chaos.Scenario) {
			s.Inject[0].Count, s.Inject[0].Factor = chaos.All, 40
		}},
		{"storage-failure", "attempt consumed", func(s *chaos.Scenario) {
			s.Inject[0] = chaos.Injection{Fault: chaos.Crash, Role: "worker", Restart: time.Second, At: chaos.At{Step: "convert", Call: chaos.Work}}
		}},
		{"partition-tikv", "queue rebuild", func(s *chaos.Scenario) {
			s.Inject = append(s.Inject[:1:1], chaos.Injection{Fault: chaos.Crash, Role: "worker", Count: chaos.All, Restart: time.Hour, At: chaos.At{Step: "convert", Call: chaos.Work}})
		}},
	}
	if testing.Short() {
		cases = cases[1:] // slow work makes long universes
	}
	for _, c := range cases {
		t.Run(c.scenario, func(t *testing.T) {
			s, ok := chaos.LookupScenario(c.scenario)
			require.True(t, ok)
			c.worsen(&s)
			found := 0
			_, err := sweep.Run(suite.Scenario(s, nil), sweep.Options{Base: 1, Count: 20}, func(r *sim.Result) bool {
				if r.Violation != nil {
					require.Equal(t, "scenario-liveness", r.Violation.Invariant, r.Violation.Text)
					require.Equal(t, c.clause, r.Violation.Shape, r.Violation.Text)
					found++
				}
				return found == 0 || !testing.Short()
			})
			require.NoError(t, err)
			require.Positive(t, found)
		})
	}
}
