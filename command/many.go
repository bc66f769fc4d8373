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
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/page"
)

// Commands about many universes, and what there is.

// usualSeeds is how many universes a sweep runs that nobody says more to.
const usualSeeds = 1000

// sharding says which part of a sweep is this process's.
type sharding struct {
	part  string // --shard i/n
	parts int    // --shards n, with JOB_COMPLETION_INDEX
}

// sweeping is what the flags of a sweep say.
type sweeping struct {
	seeds              countFlag
	shards             sharding
	folder, stop, file string
	random             bool // --no-every-fault
}

func (c *command) sweepCommand() *cobra.Command {
	s := sweeping{seeds: usualSeeds}
	cmd := &cobra.Command{
		Use: "sweep", Short: "Place faults as every-fault does, then run many universes; failures are grouped by what broke, and each kind is reduced and explained once", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.sweep(&s) },
	}
	c.addSeed(cmd)
	flags := cmd.Flags()
	flags.Var(&s.seeds, "seeds", "how many consecutive universes, over all shards")
	flags.StringVar(&s.shards.part, "shard", "", "run part i of n only: i/n, from 1/n to n/n")
	flags.IntVar(&s.shards.parts, "shards", 0, "run one part of so many only: the one that the variable JOB_COMPLETION_INDEX names, from 0 on, as Kubernetes sets it in an indexed job")
	flags.StringVar(&s.folder, "out", "", "write the reduced plan of each kind of failure to this folder")
	flags.StringVar(&s.stop, "stop", "", "end at the first violation of this invariant, or of \"any\"")
	flags.StringVar(&s.file, "html", "", "write a page to this file: failures, what was found over time, faults drawn and fired, what was never reached")
	flags.BoolVar(&s.random, "no-every-fault", false, "do not begin with placements of single faults")
	return cmd
}

// A sweep begins with one placement for so many universes, which takes an eighth of
// its time or less, and with one schedule for so many.
const (
	universesPerPlacement = 4
	universesPerSchedule  = 100
)

// begin places faults before a sweep, in its first shard; under a chaos
// configuration nothing else is injected. It reports whether the violation to stop
// at was found.
func (c *command) begin(s *sweeping, base uint64, shard string) (done bool, err error) {
	if s.random || c.chaos != "" || !strings.HasPrefix(shard, "1/") {
		return false, nil
	}
	seeds := int(s.seeds)
	q := harness.Placing{Singles: (seeds + universesPerPlacement - 1) / universesPerPlacement}
	q.Request = harness.Request{Base: base, Count: min(harness.Schedules, 1+seeds/universesPerSchedule), Stop: s.stop, Patience: c.patience}
	out, err := c.placed(q, s.folder)
	return out.Stopped, err
}

func (c *command) sweep(s *sweeping) error {
	if err := keepable("out", s.folder); err != nil {
		return err
	}
	if s.file != "" {
		if err := writable("html", s.file, sweepPage); err != nil {
			return err
		}
	}
	target, chaos, err := c.target()
	if err != nil {
		return err
	}
	base, count, shard, err := s.shards.of(uint64(c.seed), int(s.seeds))
	if err != nil {
		return err
	}
	q := harness.Request{Base: base, Count: count, Stop: s.stop, Patience: c.patience, Progress: c.progress(count)}
	if err := harness.CheckStop(target, q, "--"); err != nil {
		return err
	}
	if done, err := c.begin(s, base, shard); done && s.file == "" || err != nil {
		return err // a page is about a sweep: that has to run, too
	}
	out, err := c.suite.Sweep(target, q, func(*sim.Result) {})
	if err != nil {
		return err
	}
	if err := c.failures(target, out.Failures, s.folder, c.again); err != nil {
		return err
	}
	shown := page.Sweep{Line: strings.Join(append([]string{out.Line()}, out.Residual()...), "; "), Totals: out.Totals, Failures: c.found, Marks: c.suite.Marks}
	c.say(total(out, shard), out.Line())
	injected, err := chaos.Injected(out.Totals)
	if !c.json {
		c.say(nil, append(injected, out.Residual()...)...)
	}
	c.judge(out)
	if err != nil || s.file == "" {
		return err
	}
	if err := replace(s.file, shown.Write); err != nil {
		return err
	}
	c.wrote(s.file)
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
	return c.failures(p.Target, p.Failures, "", func(r *sim.Result) explain.Commands {
		return explain.Commands{Replay: fmt.Sprintf("%s scenarios %s --seed 0x%016x", c.name, s.Name, r.Seed)}
	})
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
