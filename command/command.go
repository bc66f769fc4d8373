// Package command is a command line for a simulated system: the gauntlet command
// is this package with the conversion's suite, and a system of somebody else's
// gets the same command in a main of its own:
//
//	package main
//
//	import (
//		"example.org/mine/minesim"
//		"github.com/gauntlet-dst/gauntlet/command"
//	)
//
//	func main() { command.Main(minesim.Suite()) }
//
// # Exit codes
//
//	0  everything held
//	1  an invariant was violated, or what the suite expects was refuted
//	2  the command line, a file or the system's configuration is wrong: one line says how
//	3  inconclusive: the universe, or most of a sweep's, reached its limit of events among
//	   faults, or a scenario never showed what it is about
//	4  one seed gave two different runs
//	5  stuck: in a universe nothing happens any more, because the system blocks for real
//
// # JSON
//
// With --json every line of standard output is one object. Its "type" says which
// keys it has; seeds and hashes are text, "0x" and 16 hex digits, and 16 hex
// digits; times are virtual seconds but for cpu_s.
//
//	universe  seed, arm, fields, events, virtual_s, faults, outcome, inconclusive, hash, violation (null or invariant, rule, blame, shape, text)
//	story     seed, lines
//	races     seed, lines: the races of leases that came close
//	failure   invariant, shape, count, seeds (the first five), plan (a file, or ""), report ("" if it is as one before)
//	placements  schedules, failing (without any fault), singles, pairs (each: tried, of, unchanged, repeated, violations, inconclusive), events, fired, cpu_s, sentence
//	total     seeds, outcomes, violations, inconclusive, events, virtual_s, cpu_s, states, shapes, hashes, fired, marks, shard (i/n), residual (state and shape: estimate, at_most; failure: at_most)
//	moved     file, what, from, to: what is changed of a plan: a call that is made under another name now, or what a search nearby varied
//	nearby    file, runs: a plan that holds as it stands fails with what was moved, which so many runs have found
//	plan      file, seed, text
//	kept      file, seed
//	report    seed, text
//	explanation  seed, blame, columns, rows (event, at_s, process, what, store, deviation, violation), edge (null or first, second, key, missing), neighbours (fault, passes_without, without_breaks, milder, milder_fail, milder_break, bounds), futures (event, at_s, who, what, fails, tried), runs, text
//	scenario  name, title, liveness; when played also seeds, violations, lines, story, missing
//	file      file: what --html, --jsonl or --chrome has written
//	fault     name, about, effect (whether the effect of the call happens: yes, no, maybe, or - for what befalls a process)
//	error     code, text
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/page"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// The exit codes.
const (
	exitHeld = iota
	exitViolated
	exitUsage
	exitInconclusive
	exitNondeterministic
	exitStuck
)

// Main runs the command of a suite with the program's arguments and ends the
// program with one of the exit codes. more are commands of the program's own.
func Main(suite harness.Suite, more ...*cobra.Command) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800) // the live heap is tiny: at 100 the collector takes a quarter of the time
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	self, err := os.Executable()
	if err != nil {
		self = ""
	}
	c := &command{suite: suite, name: name, out: os.Stdout, err: os.Stderr, self: self}
	os.Exit(c.execute(os.Args[1:], more...))
}

// Run runs the command called name with arguments and returns its exit code.
// Progress is shown on stderr if that is a terminal.
func Run(suite harness.Suite, name string, args []string, stdout, stderr io.Writer, more ...*cobra.Command) int {
	c := &command{suite: suite, name: name, out: stdout, err: stderr}
	return c.execute(args, more...)
}

func (c *command) execute(args []string, more ...*cobra.Command) int {
	asJSON := slices.Contains(args, "--json") // also where the flags cannot be read
	root := c.root()
	root.AddCommand(more...)
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return c.code
	}
	code := codeOf(err)
	if asJSON {
		c.print(object{"type": "error", "code": code, "text": err.Error()})
	} else {
		fmt.Fprintf(c.err, "%s: %s\n", c.name, err)
	}
	return code
}

// codeOf tells errors apart; whatever is not the universes' doing is the
// caller's.
func codeOf(err error) int {
	var stuck *sweep.Stuck
	var nondeterministic *sim.Nondeterminism
	switch {
	case errors.As(err, &stuck):
		return exitStuck
	case errors.As(err, &nondeterministic):
		return exitNondeterministic
	}
	return exitUsage
}

// command is one call of the command.
type command struct {
	suite    harness.Suite
	name     string
	out, err io.Writer
	self     string // the program's own file, "" if the program is another one
	code     int

	json     bool
	patience time.Duration
	found    []page.Failure // all kinds of failures so far
	chaos    string
	arm      string
	seed     seedFlag
}

// object is one line of JSON.
type object map[string]any

func (c *command) print(o object) {
	line, err := json.Marshal(o)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	fmt.Fprintf(c.out, "%s\n", line)
}

// say prints a line, or the object in its place with --json.
func (c *command) say(o object, lines ...string) {
	if c.json {
		c.print(o)
		return
	}
	for _, line := range lines {
		fmt.Fprintln(c.out, line)
	}
}

// worse notes an exit code: nondeterminism and violations outweigh what is
// merely inconclusive.
func (c *command) worse(code int) {
	if c.code == exitHeld || code == exitViolated {
		c.code = code
	}
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:                c.name,
		Short:              "Runs " + c.system() + " in simulated universes: each is a function of its seed, faults included.",
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&c.json, "json", false, "print JSON lines (see the documentation of package command)")
	flags.DurationVar(&c.patience, "patience", harness.Patience, "how long a universe may let nothing happen, in real time; 0 for ever")
	root.AddCommand(c.runCommand(), c.sweepCommand(), c.everyFaultCommand(), c.replayCommand(), c.shrinkCommand(), c.explainCommand(), c.keepCommand(), c.scenariosCommand(), c.faultsCommand())
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.patience < 0 {
			return fmt.Errorf("--patience=%s: want 0s (for ever) or more", c.patience)
		}
		return nil
	}
	return root
}

// system is the system's name in plans.
func (c *command) system() string { return c.suite.Target.Assemble().Name() }

// target is the suite's, under the chaos configuration and with the arm if there is
// one.
func (c *command) target() (sim.Target, *harness.Chaos, error) {
	if err := c.suite.Choose(c.arm); err != nil {
		return sim.Target{}, nil, err
	}
	if c.chaos == "" {
		return c.suite.Target, nil, nil
	}
	chaos, err := c.suite.Chaos(c.chaos)
	return chaos.Under(c.suite.Target), chaos, err
}

func (c *command) addSeed(cmd *cobra.Command) {
	c.seed = 1
	cmd.Flags().Var(&c.seed, "seed", "the first universe: decimal, 0x hex, or a commit's 40 hex digits")
	cmd.Flags().StringVar(&c.arm, "arm", "", "how all universes order their events, in place of as each draws: "+strings.Join(sim.Arms(), ", "))
	cmd.Flags().StringVar(&c.chaos, "chaos", "", "inject what this chaos configuration says, in place of drawn faults")
}

// progress is shown on a terminal only.
func (c *command) progress(total int) *harness.Progress {
	if f, ok := c.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return harness.NewProgress(f, total)
	}
	return nil
}

// seedFlag and countFlag are flags that are refused with what is allowed.
type (
	seedFlag  uint64
	countFlag int
)

func (s *seedFlag) String() string { return fmt.Sprintf("0x%x", uint64(*s)) }
func (s *seedFlag) Type() string   { return "seed" }

func (s *seedFlag) Set(text string) error {
	seed, err := harness.Seed(text)
	*s = seedFlag(seed)
	return err
}

func (n *countFlag) String() string { return fmt.Sprint(int(*n)) }
func (n *countFlag) Type() string   { return "count" }

func (n *countFlag) Set(text string) error {
	count, err := harness.Count("--seeds", text)
	*n = countFlag(count)
	return err
}
