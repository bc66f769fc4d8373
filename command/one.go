package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/page"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Commands about one universe: of a seed, or of a plan.

func (c *command) runCommand() *cobra.Command {
	var files exports
	cmd := &cobra.Command{
		Use: "run", Short: "Run one universe, twice, and tell its story or explain its failure", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := files.check(); err != nil {
				return err
			}
			target, r, err := c.universe()
			if err != nil {
				return err
			}
			report, err := c.show(target, r, harness.Reduction, c.replayLine(r))
			if err != nil || !files.wanted() {
				return err
			}
			recorded, err := sim.ReplayRecorded(target, r.Plan)
			if err != nil {
				return err
			}
			return c.write(&files, page.Timeline{Run: recorded, Report: report})
		},
	}
	c.addSeed(cmd)
	files.add(cmd)
	return cmd
}

// universe runs the universe of --seed, twice.
func (c *command) universe() (sim.Target, *sim.Result, error) {
	target, _, err := c.target()
	if err != nil {
		return target, nil, err
	}
	var only *sim.Result
	_, err = sweep.Run(target, sweep.Options{Base: uint64(c.seed), Count: 1, Patience: c.patience, Again: 1}, func(r *sim.Result) bool {
		only = r
		return true
	})
	return target, only, err
}

// replayLine runs the universe of r again.
func (c *command) replayLine(r *sim.Result) string {
	line := fmt.Sprintf("%s run --seed 0x%016x", c.name, r.Seed)
	if c.chaos != "" {
		line += " --chaos " + c.chaos
	}
	return line
}

// show prints a run's line, and its story or its report, whose text it returns.
func (c *command) show(target sim.Target, r *sim.Result, runs int, replay string) (string, error) {
	c.say(universe(r), r.Line())
	switch {
	case r.Violation != nil:
		c.worse(exitViolated)
		report, err := harness.Explain(target, r, runs, c.patience, replay, "")
		if err != nil {
			return "", err
		}
		text := report.String()
		c.say(object{"type": "report", "seed": hex(r.Seed), "text": text}, text)
		return text, nil
	case r.Inconclusive:
		c.worse(exitInconclusive)
	}
	lines, err := harness.Story(target, r)
	if err != nil {
		return "", err
	}
	c.say(object{"type": "story", "seed": hex(r.Seed), "lines": lines}, lines...)
	return strings.Join(lines, "\n"), nil
}

func (c *command) replayCommand() *cobra.Command {
	return &cobra.Command{
		Use: "replay FILE...", Short: "Replay plans; one that says `expect NAME` is to fail, but its exit code says so all the same", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			for _, file := range files {
				r, err := c.replay(file)
				if err != nil {
					return err
				}
				if _, err := c.show(c.suite.Target, r, 0, c.name+" replay "+file); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// replay runs a plan, which is read from a file.
func (c *command) replay(file string) (*sim.Result, error) {
	p, err := harness.Plan(file)
	if err != nil {
		return nil, err
	}
	r, moves, err := harness.Replay(c.suite.Target, p, c.patience)
	for _, m := range moves {
		c.say(object{"type": "moved", "file": file, "fault": m.Fault.Name(), "from": m.From.String(), "to": m.To.String()}, "sim: moved: "+m.String())
	}
	return r, err
}

func (c *command) shrinkCommand() *cobra.Command {
	return c.about("shrink", "Print the plan of a failure without the faults that it does not need", nil, func(_ sim.Target, report *explain.Report, file string) error {
		c.say(object{"type": "plan", "file": file, "seed": hex(report.Seed), "text": report.Reduced.Plan.String()}, trim(report.Reduced.Plan.String()))
		return nil
	})
}

func (c *command) explainCommand() *cobra.Command {
	var files exports
	cmd := c.about("explain", "Explain a failure: what broke, which faults it needs, the steps that matter", files.check, func(target sim.Target, report *explain.Report, _ string) error {
		c.say(object{"type": "report", "seed": hex(report.Seed), "text": report.String()}, report.String())
		if !files.wanted() {
			return nil
		}
		failing := report.Reduced.Result
		passing, how, err := neighbour(target, failing)
		if err != nil {
			return err
		}
		return c.write(&files, page.Timeline{Run: failing, Report: report.String(), Passing: passing, How: how})
	})
	files.add(cmd)
	return cmd
}

func (c *command) keepCommand() *cobra.Command {
	var folder string
	cmd := c.about("keep", "Write the reduced plan of a failure to the folder of kept plans", nil, func(_ sim.Target, report *explain.Report, _ string) error {
		name, err := c.keep(folder, report)
		if err == nil {
			c.say(object{"type": "kept", "seed": hex(report.Seed), "file": name}, "sim: kept "+name)
		}
		return err
	})
	cmd.Flags().StringVar(&folder, "out", "", "the folder; the suite's if it is not given")
	return cmd
}

// keep writes a plan to the folder, or to the suite's if that is "".
func (c *command) keep(folder string, report *explain.Report) (string, error) {
	if folder == "" {
		return c.suite.Keep(report)
	}
	return harness.Keep(folder, report)
}

// about is a command about one failure: of a plan or of --seed. check, unless it
// is nil, refuses what is wrong before anything runs.
func (c *command) about(name, short string, check func() error, do func(target sim.Target, report *explain.Report, file string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " [FILE]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if check != nil {
				if err := check(); err != nil {
					return err
				}
			}
			target, file := c.suite.Target, ""
			var r *sim.Result
			var err error
			if len(files) == 1 {
				if cmd.Flags().Changed("seed") {
					return fmt.Errorf("want either a plan's file or --seed, not both")
				}
				file = files[0]
				r, err = c.replay(file)
			} else {
				target, r, err = c.universe()
			}
			if err != nil {
				return err
			}
			if r.Violation == nil {
				return fmt.Errorf("nothing failed: %s", r.Line())
			}
			replay := c.replayLine(r)
			if file != "" {
				replay = c.name + " replay " + file
			}
			report, err := harness.Explain(target, r, harness.Reduction, c.patience, replay, "")
			if err != nil {
				return err
			}
			return do(target, report, file)
		},
	}
	c.addSeed(cmd)
	return cmd
}

// relative is a file's name from the working directory on, if that is shorter.
func relative(name string) string {
	here, err := os.Getwd()
	if err != nil {
		return name
	}
	if short, err := filepath.Rel(here, name); err == nil && len(short) < len(name) {
		return short
	}
	return name
}
