package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/page"
)

// maxFailures is how many kinds of failures are reduced and explained at once.
const maxFailures = 20

// failures reduces and explains each kind of failure that was not explained before,
// and collects them for a page; again is what to type for one of them.
func (c *command) failures(target sim.Target, all []*harness.Failure, folder string, again func(*sim.Result) explain.Commands) error {
	for i, f := range all {
		if i == maxFailures {
			c.say(object{"type": "error", "code": exitViolated, "text": "too many kinds of failures"}, fmt.Sprintf("sim: %d more kinds of failures are not explained", len(all)-i))
		}
		shown := page.Failure{Invariant: f.Invariant, Shape: f.Shape, Count: f.Count, Seeds: f.Seeds, Text: f.First.Violation.Text}
		switch known := c.explained(f); {
		case known:
			c.say(failureOf(f, "", ""), fmt.Sprintf("sim: %s failed as above, by %s (%s): %s", universes(f.Count), f.Invariant, f.Shape, strings.Join(seedsOf(f), " ")))
		case i < maxFailures:
			if err := c.failure(target, f, folder, again(f.First), &shown); err != nil {
				return err
			}
		}
		c.found = append(c.found, shown)
	}
	return nil
}

// explained reports whether a failure of this kind was explained before.
func (c *command) explained(f *harness.Failure) bool {
	return slices.ContainsFunc(c.found, func(p page.Failure) bool { return p.Invariant == f.Invariant && p.Shape == f.Shape && p.Report != "" })
}

// failure reduces and explains one kind of failure; shown takes what a page says
// of it.
func (c *command) failure(target sim.Target, f *harness.Failure, folder string, paste explain.Commands, shown *page.Failure) error {
	report, err := c.shrunk(target, f.First, harness.Reduction, paste)
	if err != nil {
		return err
	}
	name, kept := "", ""
	if folder != "" {
		if name, err = harness.Keep(folder, report); err != nil {
			kept = "sim: not kept: " + err.Error()
		} else {
			name = relative(name)
			kept = "sim: kept " + name
		}
	}
	lines := []string{report.String(), fmt.Sprintf("sim: %s failed like this: %s", universes(f.Count), strings.Join(seedsOf(f), " "))}
	if f.Count > len(f.Seeds) {
		lines[1] += " ..."
	}
	if kept != "" {
		lines = append(lines, kept)
	}
	shown.Report, shown.Plan, shown.Needed = report.String(), name, report.Reduced.Minimal
	for _, fault := range report.Reduced.Result.Fired {
		shown.Faults = append(shown.Faults, fault.String())
	}
	c.say(failureOf(f, name, report.String()), lines...)
	return nil
}

// failureOf is a kind of failure as an object.
func failureOf(f *harness.Failure, file, report string) object {
	return object{"type": "failure", "invariant": f.Invariant, "shape": f.Shape, "count": f.Count, "seeds": seedsOf(f), "plan": file, "report": report}
}

// universes says how many there are.
func universes(n int) string {
	if n == 1 {
		return "1 universe"
	}
	return fmt.Sprintf("%d universes", n)
}

// seedsOf are the first of a failure's seeds.
func seedsOf(f *harness.Failure) []string {
	seeds := make([]string, len(f.Seeds))
	for i, seed := range f.Seeds {
		seeds[i] = hex(seed)
	}
	return seeds
}
