package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
)

// ScenarioSeeds is how many universes a scenario is played in at least: enough
// for each of its facts to be observed.
const ScenarioSeeds = 200

// Play is what a scenario came to over many universes.
type Play struct {
	*Outcome
	Scenario chaos.Scenario
	// Target is what was run, for replays and reports.
	Target sim.Target
	// Lines say how often each fault was injected and each fact observed.
	Lines []string
	// Missing says what the scenario is about and never happened.
	Missing []error
	// Best is the seed of the universe that showed most, and Story its facts.
	Best  uint64
	Story []string
}

// Play plays a scenario until its first violation, on the suite's Stage. Without
// one, a role is played by the processes whose names begin with it, or by all but
// the clients if none does, and leases are the shortest of the system's bounds.
func (s *Suite) Play(scenario chaos.Scenario, q Request) (*Play, error) {
	stage := s.Stage
	if stage == nil {
		stage = s.plainStage
	}
	p := &Play{Scenario: scenario, Target: stage(scenario, nil)}
	told := -1
	q.Stop = AnyStop
	var err error
	p.Outcome, err = s.Sweep(p.Target, q, func(r *sim.Result) {
		if n := observed(scenario, r.Marks); n > told {
			p.Best, told = r.Seed, n
		}
	})
	if err != nil || len(p.Failures) > 0 {
		return p, err
	}
	p.count()
	return p, p.tell(stage)
}

// plainStage is the target with a scenario's faults and no others.
func (s *Suite) plainStage(scenario chaos.Scenario, _ func(string)) sim.Target {
	target := s.Target
	target.Calm = true
	target.Inject = func(a sim.Assembly) []fault.Injector {
		system, err := a.New()
		if err != nil {
			return nil // the universe says so itself
		}
		stage := inject.Stage{Processes: func(role string) []string { return playing(system.Programs(), role) }}
		if leases := system.Bounds().Leases; len(leases) > 0 {
			stage.StaleAfter = slices.Min(leases)
		}
		played, err := inject.Scenario(scenario, stage)
		if err != nil {
			panic(err) // the scenarios are part of the program
		}
		return []fault.Injector{played}
	}
	return target
}

// playing names the processes that play a role.
func playing(programs []sim.Program, role string) (named []string) {
	var others []string
	for _, p := range programs {
		if role != "" && strings.HasPrefix(p.Name, role) {
			named = append(named, p.Name)
		}
		if !p.Client {
			others = append(others, p.Name)
		}
	}
	if len(named) > 0 {
		return named
	}
	return others
}

// count says how often each thing happened that the scenario is about.
func (p *Play) count() {
	for i, in := range p.Scenario.Inject {
		if in.Fault == chaos.WeakObjects {
			continue // a property of the whole run
		}
		name := inject.Name(p.Scenario, i)
		mark := inject.MarkPrefix + name
		p.Lines = append(p.Lines, fmt.Sprintf("injected %-44s %6d times in %3d seeds", name, p.Marks[mark], p.MarkSeeds[mark]))
		if p.Marks[mark] == 0 {
			p.Missing = append(p.Missing, fmt.Errorf("%s: %s was never injected", p.Scenario.Name, name))
		}
	}
	for _, mark := range p.Scenario.Observe {
		p.Lines = append(p.Lines, fmt.Sprintf("observed %-44s %6d times in %3d seeds", mark, p.Marks[mark], p.MarkSeeds[mark]))
		if p.Marks[mark] == 0 {
			p.Missing = append(p.Missing, fmt.Errorf("%s: never seen that %s", p.Scenario.Name, chaos.MarkMeaning(mark)))
		}
	}
}

// tell hears the story of the universe that showed most.
func (p *Play) tell(stage func(chaos.Scenario, func(string)) sim.Target) error {
	told := stage(p.Scenario, func(line string) { p.Story = append(p.Story, line) })
	if _, err := sim.Run(told, p.Best); err != nil {
		return err
	}
	if len(p.Story) > 0 && !slices.ContainsFunc(p.Story, func(line string) bool { return strings.Contains(line, "s  fault ") }) {
		p.Missing = append(p.Missing, fmt.Errorf("%s: no fault struck", p.Scenario.Name))
	}
	return nil
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
