package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// scenarioSeeds is how many universes a scenario is played in, unless -seeds
// asks for more.
const scenarioSeeds = 200

// TestScenario plays each chaos scenario and fails if anything is violated, if
// a fault that it injects never struck, or if a fact that it is about was never
// observed.
func TestScenario(t *testing.T) {
	for _, s := range chaos.Scenarios() {
		t.Run(s.Name, func(t *testing.T) { playScenario(t, s) })
	}
}

// A scenario's run is written down like any other: its plan replays it, without
// the scenario.
func TestScenarioPlansReplay(t *testing.T) {
	for _, s := range chaos.Scenarios() {
		target := suite.Scenario(s, nil)
		for seed := uint64(1); seed <= 5; seed++ {
			run, err := sim.Run(target, seed)
			require.NoError(t, err)
			replayed, err := sim.Replay(target, run.Plan)
			require.NoError(t, err)
			require.Equal(t, run.Hash, replayed.Hash, "scenario %s, seed %d", s.Name, seed)
		}
	}
}

func playScenario(t *testing.T, s chaos.Scenario) {
	target := suite.Scenario(s, nil)
	options := sweep.Options{Base: baseSeed, Count: max(seedCount, scenarioSeeds)}
	best, told := uint64(0), -1
	before := cpuSeconds()
	totals, err := sweep.Run(target, options, func(r *sim.Result) bool {
		if r.Violation != nil {
			t.Error("\n" + report(t, target, r, fmt.Sprintf("go test ./sim -run '^TestScenario/%s$' -seed=0x%016x", s.Name, r.Seed)))
			return false
		}
		if n := observed(s, r.Marks); n > told {
			best, told = r.Seed, n
		}
		return true
	})
	require.NoError(t, err)
	fmt.Printf("scenario %s: %s\n", s.Name, strings.TrimPrefix(totals.Line(cpuSeconds()-before), "sim: total "))
	for i, in := range s.Inject {
		name := inject.Name(s, i)
		if in.Fault != chaos.WeakObjects { // a property of the whole run
			n := totals.Marks[inject.MarkPrefix+name]
			fmt.Printf("  injected %-44s %6d times in %3d seeds\n", name, n, totals.MarkSeeds[inject.MarkPrefix+name])
			require.NotZero(t, n, "%s was never injected", name)
		}
	}
	for _, mark := range s.Observe {
		fmt.Printf("  observed %-44s %6d times in %3d seeds\n", mark, totals.Marks[mark], totals.MarkSeeds[mark])
		require.NotZero(t, totals.Marks[mark], "%s: never seen that %s", s.Name, chaos.MarkMeaning(mark))
	}
	require.GreaterOrEqual(t, totals.Seeds, scenarioSeeds)
	require.NoError(t, published.Judge(totals))
	tellStory(t, s, best)
}

// observed counts how many of the scenario's facts a run has shown.
func observed(s chaos.Scenario, marks map[string]int) (n int) {
	for _, mark := range s.Observe {
		if marks[mark] > 0 {
			n++
		}
	}
	return n
}

// tellStory prints what happened in the universe that showed most.
func tellStory(t *testing.T, s chaos.Scenario, seed uint64) {
	var lines []string
	_, err := sim.Run(suite.Scenario(s, func(line string) { lines = append(lines, line) }), seed)
	require.NoError(t, err)
	fmt.Printf("  in seed 0x%016x, for one:\n    %s\n", seed, strings.Join(lines, "\n    "))
	require.True(t, slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "s  fault ") }), "no fault struck")
}

// What a scenario judges beyond the invariants bites: a world that breaks it is
// found.
func TestScenarioBites(t *testing.T) {
	for _, c := range []struct {
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
	} {
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
				return true
			})
			require.NoError(t, err)
			require.Positive(t, found)
		})
	}
}
