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
			report, err := c.show(target, r, harness.Reduction, c.again(r))
			if err == nil && r.Violation == nil && !target.Calm {
				r, report, err = c.closeRaces(target, r, report)
			}
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
	_, err = sweep.Run(target, sweep.Options{Base: uint64(c.seed), Count: 1, LeaseRaces: true, Patience: c.patience, Again: 1}, func(r *sim.Result) bool {
		only = r
		return true
	})
	return target, only, err
}

// closeRaces tells the races that came close in a universe that held, and reports
// the schedule that makes one of them happen and fails, if there is one.
func (c *command) closeRaces(target sim.Target, r *sim.Result, story string) (*sim.Result, string, error) {
	lines, failing, err := harness.Races(target, r)
	if err != nil || len(lines) == 0 {
		return r, story, err
	}
	c.say(object{"type": "races", "seed": hex(r.Seed), "lines": lines}, lines...)
	if failing == nil {
		return r, story, nil
	}
	report, err := c.show(target, failing, harness.Reduction, explain.Commands{Replay: c.line("run", r)}) // the universe itself has held
	return failing, report, err
}

// again runs the universe of r again, or explains it.
func (c *command) again(r *sim.Result) explain.Commands {
	return explain.Commands{Replay: c.line("run", r), Explain: c.line("explain", r)}
}

// line names a command about the universe of r.
func (c *command) line(name string, r *sim.Result) string {
	line := fmt.Sprintf("%s %s --seed 0x%016x", c.name, name, r.Seed)
	if c.arm != "" {
		line += " --arm " + c.arm
	}
	if c.chaos != "" {
		line += " --chaos " + c.chaos
	}
	return line
}

// show prints a run's line, and its story or its report, whose text it returns.
func (c *command) show(target sim.Target, r *sim.Result, runs int, paste explain.Commands) (string, error) {
	c.say(universe(r), r.Line())
	switch {
	case r.Violation != nil:
		c.worse(exitViolated)
		report, err := c.shrunk(target, r, runs, paste)
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

// shrunk reduces a failing run.
func (c *command) shrunk(target sim.Target, r *sim.Result, runs int, paste explain.Commands) (*explain.Report, error) {
	report, err := c.suite.Explain(target, r, runs, c.patience, paste)
	if err != nil {
		return nil, err
	}
	return report, c.afresh(report)
}

// afresh replays what is left of a failure in a process of its own.
func (c *command) afresh(report *explain.Report) error {
	if c.self == "" {
		return nil
	}
	return harness.Afresh(report, c.self, "replay", "")
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
				if _, err := c.show(c.suite.Target, r, 0, explain.Commands{Replay: c.name + " replay " + file, Explain: c.name + " explain " + file}); err != nil {
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
	replayed, err := harness.Replay(c.suite.Target, p, c.patience)
	if err != nil {
		return nil, err
	}
	for _, m := range replayed.Moves {
		c.say(object{"type": "moved", "file": file, "what": m.What, "from": m.From, "to": m.To}, "sim: moved: "+m.String())
	}
	if replayed.Nearby > 0 {
		c.say(object{"type": "nearby", "file": file, "runs": replayed.Nearby}, replayed.Advice())
	}
	return replayed.Result, nil
}

func (c *command) shrinkCommand() *cobra.Command {
	return c.about("shrink", "Print the plan of a failure without what it does not need: a configuration, and few deviations from its default run", func(report *explain.Report, file string) error {
		c.say(object{"type": "plan", "file": file, "seed": hex(report.Seed), "text": report.Reduced.Plan.String()}, trim(report.Reduced.Plan.String()))
		return nil
	})
}

func (c *command) explainCommand() *cobra.Command {
	var files exports
	cmd := c.aboutFailure("explain", "Explain a failure: what led to it, the nearest runs that pass, from where on it could not be avoided", files.check, func(f failure) error {
		x, err := c.suite.Explanation(f.target, f.result, harness.Reduction, c.patience, explain.Commands{Replay: f.replay})
		if err != nil {
			return err
		}
		if err := c.afresh(x.Report); err != nil {
			return err
		}
		c.say(explanation(x), x.String())
		if !files.wanted() {
			return nil
		}
		shown, err := pageOf(f.target, x)
		if err != nil {
			return err
		}
		return c.write(&files, shown)
	})
	files.add(cmd)
	return cmd
}

func (c *command) keepCommand() *cobra.Command {
	var folder string
	cmd := c.about("keep", "Write the reduced plan of a failure to the folder of kept plans", func(report *explain.Report, _ string) error {
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

// about is a command about one failure, which is reduced first.
func (c *command) about(name, short string, do func(report *explain.Report, file string) error) *cobra.Command {
	return c.aboutFailure(name, short, nil, func(f failure) error {
		report, err := c.shrunk(f.target, f.result, harness.Reduction, explain.Commands{Replay: f.replay})
		if err != nil {
			return err
		}
		return do(report, f.file)
	})
}

// failure is a universe that failed.
type failure struct {
	target sim.Target
	result *sim.Result
	file   string // of its plan, or ""
	replay string // the command that shows it again
}

// aboutFailure is a command about one failure: of a plan or of a seed. check, unless
// it is nil, refuses what is wrong before anything runs.
func (c *command) aboutFailure(name, short string, check func() error, do func(failure) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " [SEED|FILE]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != nil {
				if err := check(); err != nil {
					return err
				}
			}
			f, err := c.failed(cmd, args)
			if err != nil {
				return err
			}
			if f.result.Violation == nil {
				return fmt.Errorf("nothing failed: %s", f.result.Line())
			}
			return do(f)
		},
	}
	c.addSeed(cmd)
	return cmd
}

// failed runs what the arguments name: a plan's file, or a seed if there is no such
// file, or the universe of --seed.
func (c *command) failed(cmd *cobra.Command, args []string) (f failure, err error) {
	f.target = c.suite.Target
	if len(args) == 1 {
		if cmd.Flags().Changed("seed") {
			return f, fmt.Errorf("want either a plan's file or a seed, not both")
		}
		if seed, isSeed := bareSeed(args[0]); isSeed {
			c.seed = seedFlag(seed)
			args = nil
		}
	}
	if len(args) == 0 {
		f.target, f.result, err = c.universe()
		if err == nil {
			f.replay = c.line("run", f.result)
		}
		return f, err
	}
	f.file, f.replay = args[0], c.name+" replay "+args[0]
	f.result, err = c.replay(f.file)
	return f, err
}

// bareSeed reads an argument as a seed, unless it is a file's name.
func bareSeed(text string) (uint64, bool) {
	if _, err := os.Stat(text); err == nil {
		return 0, false
	}
	seed, err := harness.Seed(text)
	return seed, err == nil
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
