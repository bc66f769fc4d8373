package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/runner"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
)

// sideBySide plays each scenario in simulated universes, too, and prints what it
// came to there and on real processes.
func sideBySide(out io.Writer, scenarios []chaos.Scenario, results []runner.Result, universes int, seed uint64) error {
	s := suite.Conversion()
	for _, scenario := range scenarios {
		play, err := s.Play(scenario, harness.Request{Base: seed, Count: max(universes, harness.ScenarioSeeds)})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s: %s\n", scenario.Name, scenario.Title)
		line := fmt.Sprintf("%d universes, %d violations", play.Seeds, play.Totals.Violations)
		if len(play.Missing) > 0 {
			line += ", not all of it seen"
		}
		fmt.Fprintf(out, "  simulation      %s\n", line)
		for _, line := range play.Lines {
			fmt.Fprintf(out, "                  %s\n", line)
		}
		at := slices.IndexFunc(results, func(r runner.Result) bool { return r.Scenario == scenario.Name })
		if at < 0 {
			fmt.Fprintf(out, "  real processes  not run\n")
			continue
		}
		r := &results[at]
		if r.Skipped != "" {
			fmt.Fprintf(out, "  real processes  skipped: %s\n", r.Skipped)
			continue
		}
		fmt.Fprintf(out, "  real processes  %s\n", r.Row())
		for _, text := range r.Injected {
			fmt.Fprintf(out, "                  %s\n", text)
		}
		if len(r.Seen) > 0 {
			fmt.Fprintf(out, "                  observed %s\n", strings.Join(r.Seen, ", "))
		}
		if len(r.Counted) > 0 {
			fmt.Fprintf(out, "                  counted  %s\n", strings.Join(r.Counted, ", "))
		}
	}
	return nil
}
