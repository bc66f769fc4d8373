package command

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/page"
)

// Commands about many universes, and what there is.

// usualSeeds is how many universes a sweep runs that nobody says more to.
const usualSeeds = 1000

// maxFailures is how many kinds of failures a sweep reduces and explains.
const maxFailures = 20

// sharding says which part of a sweep is this process's.
type sharding struct {
	part  string // --shard i/n
	parts int    // --shards n, with JOB_COMPLETION_INDEX
}

func (c *command) sweepCommand() *cobra.Command {
	var shards sharding
	var folder, stop, file string
	seeds := countFlag(usualSeeds)
	cmd := &cobra.Command{
		Use: "sweep", Short: "Run many universes; failures are grouped by what broke, and each kind is reduced and explained once", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.sweep(int(seeds), shards, folder, stop, file) },
	}
	c.addSeed(cmd)
	flags := cmd.Flags()
	flags.Var(&seeds, "seeds", "how many consecutive universes, over all shards")
	flags.StringVar(&shards.part, "shard", "", "run part i of n only: i/n, from 1/n to n/n")
	flags.IntVar(&shards.parts, "shards", 0, "run one part of so many only: the one that the variable JOB_COMPLETION_INDEX names, from 0 on, as Kubernetes sets it in an indexed job")
	flags.StringVar(&folder, "out", "", "write the reduced plan of each kind of failure to this folder")
	flags.StringVar(&stop, "stop", "", "end at the first violation of this invariant")
	flags.StringVar(&file, "html", "", "write a page to this file: failures, what was found over time, faults drawn and fired, what was never reached")
	return cmd
}

func (c *command) sweep(seeds int, shards sharding, folder, stop, file string) error {
	if file != "" {
		if err := writable("html", file, sweepPage); err != nil {
			return err
		}
	}
	target, chaos, err := c.target()
	if err != nil {
		return err
	}
	base, count, shard, err := shards.of(uint64(c.seed), seeds)
	if err != nil {
		return err
	}
	q := harness.Request{Base: base, Count: count, Stop: stop, Patience: c.patience, Progress: c.progress(count)}
	out, err := c.suite.Sweep(target, q, func(*sim.Result) {})
	if err != nil {
		return err
	}
	shown := page.Sweep{Line: out.Line(), Totals: out.Totals, Marks: c.suite.Marks}
	for i, f := range out.Failures {
		if i == maxFailures {
			c.say(object{"type": "error", "code": exitViolated, "text": "too many kinds of failures"}, fmt.Sprintf("sim: %d more kinds of failures are not explained", len(out.Failures)-i))
		}
		explained := page.Failure{Invariant: f.Invariant, Shape: f.Shape, Count: f.Count, Seeds: f.Seeds, Text: f.First.Violation.Text}
		if i < maxFailures {
			if err := c.failure(target, f, folder, &explained); err != nil {
				return err
			}
		}
		shown.Failures = append(shown.Failures, explained)
	}
	c.say(total(out, shard), out.Line())
	injected, err := chaos.Injected(out.Totals)
	if !c.json {
		c.say(nil, injected...)
	}
	c.judge(out)
	if err != nil || file == "" {
		return err
	}
	if err := replace(file, shown.Write); err != nil {
		return err
	}
	c.wrote(file)
	return nil
}

// judge turns what a sweep came to into the exit code.
func (c *command) judge(out *harness.Outcome) {
	for _, unmet := range out.Unmet {
		c.worse(exitViolated)
		c.say(object{"type": "error", "code": exitViolated, "text": unmet.Error()}, "sim: "+unmet.Error())
	}
	switch {
	case out.Totals.Violations > 0:
		c.worse(exitViolated)
	case 2*out.Inconclusive > out.Seeds:
		c.worse(exitInconclusive)
	}
}

// failure reduces and explains one kind of failure; shown, unless it is nil, takes
// what a page says of it.
func (c *command) failure(target sim.Target, f *harness.Failure, folder string, shown *page.Failure) error {
	report, err := harness.Explain(target, f.First, harness.Reduction, c.patience, c.replayLine(f.First), "")
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
	seeds := make([]string, len(f.Seeds))
	for i, seed := range f.Seeds {
		seeds[i] = hex(seed)
	}
	lines := []string{report.String(), fmt.Sprintf("sim: %d universes failed like this: %s", f.Count, strings.Join(seeds, " "))}
	if f.Count > len(seeds) {
		lines[1] += " ..."
	}
	if kept != "" {
		lines = append(lines, kept)
	}
	if shown != nil {
		shown.Report, shown.Plan, shown.Needed = report.String(), name, report.Reduced.Minimal
		for _, fault := range report.Reduced.Result.Fired {
			shown.Faults = append(shown.Faults, fault.String())
		}
	}
	c.say(object{"type": "failure", "invariant": f.Invariant, "shape": f.Shape, "count": f.Count, "seeds": seeds, "plan": name, "report": report.String()}, lines...)
	return nil
}

// of returns the part of a sweep that is this process's, and its name.
func (s sharding) of(base uint64, count int) (first uint64, n int, name string, err error) {
	i, parts := 1, 1
	switch {
	case s.part != "" && s.parts != 0:
		return 0, 0, "", fmt.Errorf("want either --shard or --shards, not both")
	case s.part != "":
		a, b, ok := strings.Cut(s.part, "/")
		var errs [2]error
		i, errs[0] = strconv.Atoi(a)
		parts, errs[1] = strconv.Atoi(b)
		if !ok || errs[0] != nil || errs[1] != nil || i < 1 || parts < 1 || i > parts {
			return 0, 0, "", fmt.Errorf("--shard=%s: want i/n with i from 1 to n", s.part)
		}
	case s.parts < 0:
		return 0, 0, "", fmt.Errorf("--shards=%d: want a whole number from 1", s.parts)
	case s.parts > 0:
		index := os.Getenv("JOB_COMPLETION_INDEX")
		i, err = strconv.Atoi(index)
		if err != nil || i < 0 || i >= s.parts {
			return 0, 0, "", fmt.Errorf("JOB_COMPLETION_INDEX=%s: with --shards=%d want a whole number from 0 to %d", index, s.parts, s.parts-1)
		}
		i, parts = i+1, s.parts
	}
	if parts > count {
		return 0, 0, "", fmt.Errorf("%d shards of %d universes: want at most one shard for each", parts, count)
	}
	from := int64(count) * int64(i-1) / int64(parts)
	to := int64(count) * int64(i) / int64(parts)
	return base + uint64(from), int(to - from), fmt.Sprintf("%d/%d", i, parts), nil
}

func (c *command) scenariosCommand() *cobra.Command {
	var list bool
	seeds := countFlag(harness.ScenarioSeeds)
	cmd := &cobra.Command{
		Use: "scenarios [NAME...]", Short: "Play scenarios, all of them or those named, or list them",
		RunE: func(_ *cobra.Command, names []string) error { return c.scenarios(names, int(seeds), list) },
	}
	c.seed = 1
	cmd.Flags().Var(&c.seed, "seed", "the first universe")
	cmd.Flags().Var(&seeds, "seeds", fmt.Sprintf("how many universes for each, at least %d", harness.ScenarioSeeds))
	cmd.Flags().BoolVar(&list, "list", false, "list them without playing")
	return cmd
}

func (c *command) scenarios(names []string, seeds int, list bool) error {
	chosen, err := c.named(names)
	if err != nil {
		return err
	}
	for _, s := range chosen {
		if list {
			c.say(object{"type": "scenario", "name": s.Name, "title": s.Title, "liveness": s.Liveness}, fmt.Sprintf("%-22s %s", s.Name, s.Title))
			continue
		}
		if err := c.play(s, seeds); err != nil {
			return err
		}
	}
	return nil
}

// named picks scenarios by their names, all for none.
func (c *command) named(names []string) ([]chaos.Scenario, error) {
	if len(names) == 0 {
		return c.suite.Scenarios, nil
	}
	var chosen []chaos.Scenario
	var known []string
	for _, s := range c.suite.Scenarios {
		known = append(known, s.Name)
	}
	for _, name := range names {
		found := len(chosen)
		for _, s := range c.suite.Scenarios {
			if s.Name == name {
				chosen = append(chosen, s)
			}
		}
		if found == len(chosen) {
			return nil, fmt.Errorf("no scenario %q; known: %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}

func (c *command) play(s chaos.Scenario, seeds int) error {
	count := max(seeds, harness.ScenarioSeeds)
	p, err := c.suite.Play(s, harness.Request{Base: uint64(c.seed), Count: count, Patience: c.patience, Progress: c.progress(count)})
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range p.Missing {
		missing = append(missing, m.Error())
		c.worse(exitInconclusive)
	}
	o := object{"type": "scenario", "name": s.Name, "title": s.Title, "liveness": s.Liveness, "seeds": p.Seeds, "violations": p.Totals.Violations, "lines": p.Lines, "story": p.Story, "missing": missing}
	lines := []string{fmt.Sprintf("scenario %s: %s", s.Name, strings.TrimPrefix(p.Line(), "sim: total "))}
	for _, line := range p.Lines {
		lines = append(lines, "  "+line)
	}
	for _, m := range missing {
		lines = append(lines, "  MISSING: "+m)
	}
	if len(p.Story) > 0 {
		lines = append(lines, fmt.Sprintf("  in seed %s, for one:", hex(p.Best)))
	}
	for _, line := range p.Story {
		lines = append(lines, "    "+line)
	}
	c.say(o, lines...)
	c.judge(p.Outcome)
	for _, f := range p.Failures {
		if err := c.failure(p.Target, f, "", nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) faultsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "faults", Short: "List the kinds of faults: what each does, and whether the effect of the call that it meets happens", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, k := range fault.Kinds() {
				c.say(object{"type": "fault", "name": k.Name, "about": k.About, "effect": k.Effect}, fmt.Sprintf("%-18s effect: %-6s %s", k.Name, k.Effect, k.About))
			}
			return nil
		},
	}
}
