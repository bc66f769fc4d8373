// Package simtest gives the tests of a system that is written against core/env
// all that this project's own tests have. Three lines in a package's test files
// are enough; suite is the package's own function that returns a
// [harness.Suite]:
//
//	func TestMain(m *testing.M)  { simtest.Main(m, suite()) }
//	func TestSim(t *testing.T)   { simtest.Universes(t) }
//	func TestSeeds(t *testing.T) { simtest.Seeds(t) }
//
// A system with scenarios adds a fourth:
//
//	func TestScenario(t *testing.T) { simtest.Scenarios(t) }
//
// The names of the tests are part of it: without -run, the flags choose the test
// by its name.
//
//	go test ./pkg                     200 universes, every kept plan, every scenario
//	go test ./pkg -seed=42            universe 42 only: its line and its story, or its report
//	go test ./pkg -seeds=1000         a thousand universes, from 1 or from -seed on
//	go test ./pkg -case=FILE          one plan only
//	go test ./pkg -seed=42 -keep      the reduced plan of a failure lands in the suite's folder
//	go test ./pkg -seeds=1000 -chaos=FILE     what a chaos configuration injects, in place of drawn faults
//	go test ./pkg -seeds=1000 -arm=NAME       all with one arm, in place of the drawn ones
//	go test ./pkg -seeds=1000 -stop=NAME      up to the first violation of an invariant
//	go test ./pkg -patience=2m        how long a universe may let nothing happen, in real time
//
// A seed is a decimal number, 0x and hex digits, or a commit's 40 hex digits. The
// variables SIM_SEED and SIM_SEEDS stand for the first two flags, but choose no
// test. A bad flag is one line and exit code 2, and nothing is run.
//
// One universe of 64, and each that fails, runs twice: a different hash fails the
// test. A universe in which nothing happens any more because the system blocks
// for real (a channel, a goroutine, ctx.Done(), an endless loop) fails the test
// after -patience with the task's stack.
package simtest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// The tests that flags choose.
const (
	universesTest = "TestSim"
	seedsTest     = "TestSeeds"
)

var (
	seedFlag      = flag.String("seed", os.Getenv("SIM_SEED"), "the universe to run: decimal, 0x hex, or a commit's 40 hex digits")
	seedsFlag     = flag.String("seeds", os.Getenv("SIM_SEEDS"), "how many consecutive universes to run, from -seed on")
	placedFlag    = flag.String("placements", os.Getenv("SIM_PLACEMENTS"), "how many placements of one fault TestEveryFault tries, and a quarter as many pairs: 2000, or 120 and no pair under -short")
	caseFlag      = flag.String("case", "", "the plan to replay: a file, also relative to the module's root")
	stopFlag      = flag.String("stop", "", "end a sweep at the first violation of this invariant, or of \"any\"")
	keepFlag      = flag.Bool("keep", false, "write the reduced plan of a failing seed to the folder of kept plans")
	armFlag       = flag.String("arm", "", "how all universes order their events, instead of as each draws: elastic, narrow and others, see docs/PLAN.md")
	chaosFlag     = flag.String("chaos", "", "inject what this chaos configuration says, instead of drawn faults: a file, also relative to the module's root")
	unreducedFlag = flag.Bool("unreduced", false, "report failures as they were found, without reducing them")
	patienceFlag  = flag.Duration("patience", harness.Patience, "how long a universe may let nothing happen, in real time; 0 for ever")
)

// session is what the flags come to, checked before any test runs.
type session struct {
	suite harness.Suite
	base  uint64
	count int
	plan  *plan.Plan // of -case
	chaos *harness.Chaos
	// placements is how many of one fault EveryFault tries, 0 for what it does
	// otherwise.
	placements int
	// asked tells that flags say what to run: then what is printed is meant for
	// whoever typed them, with or without -v.
	asked bool
	// chosen is the test that the flags have chosen, and ran whether it was
	// there.
	chosen string
	ran    bool
	out    console
}

// the session of this process; flags are the process's, too.
var current *session

// usualSeeds is how many universes a test runs that nobody says more to.
const usualSeeds = 200

// Main runs a package's tests. Bad flags end the process with one line and
// exit code 2 before any.
func Main(m *testing.M, suite harness.Suite) {
	flag.Parse()
	s := &session{suite: suite, base: 1, count: usualSeeds}
	if err := s.read(); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
	s.choose()
	s.out = openConsole(s.asked)
	current = s
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800) // the live heap is tiny: at 100 the collector takes a quarter of the time
	}
	code := m.Run()
	if s.chosen != "" && !s.ran && code == 0 {
		fmt.Fprintf(os.Stderr, "sim: the flags choose %s, which this package does not have: see the documentation of package simtest\n", s.chosen)
		code = 2
	}
	os.Exit(code)
}

func (s *session) read() (err error) {
	if *seedFlag != "" {
		if s.base, err = harness.Seed(*seedFlag); err != nil {
			return err
		}
		s.count = 1
	}
	if *seedsFlag != "" {
		if s.count, err = harness.Count("-seeds", *seedsFlag); err != nil {
			return err
		}
	}
	if *placedFlag != "" {
		if s.placements, err = harness.Count("-placements", *placedFlag); err != nil {
			return err
		}
	}
	if *caseFlag != "" {
		if given("seed") || given("seeds") {
			return errors.New("-case says all of its universe: want either -case, or -seed and -seeds")
		}
		if s.plan, err = harness.Plan(*caseFlag); err != nil {
			return err
		}
	}
	if *patienceFlag < 0 {
		return fmt.Errorf("-patience=%s: want 0s (for ever) or more", *patienceFlag)
	}
	if err := s.suite.Choose(*armFlag); err != nil {
		return err
	}
	if *chaosFlag != "" {
		s.chaos, err = s.suite.Chaos(*chaosFlag)
	}
	return err
}

// given reports whether a flag was given, not its variable.
func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// choose selects the test that the flags are about, unless -run or a benchmark
// does.
func (s *session) choose() {
	name := ""
	switch {
	case given("case"):
		name = seedsTest
	case given("seed"), given("seeds"):
		name = universesTest
	}
	s.asked = name != ""
	for _, other := range []string{"test.run", "test.bench", "test.fuzz", "test.list"} {
		if f := flag.Lookup(other); f != nil && f.Value.String() != "" {
			return
		}
	}
	if name != "" && flag.Set("test.run", "^"+name+"$") == nil {
		s.chosen = name
	}
}

// session returns what the flags came to, for a test.
func start(t *testing.T) *session {
	t.Helper()
	if current == nil {
		t.Fatal("simtest: TestMain must call simtest.Main")
	}
	if t.Name() == current.chosen {
		current.ran = true
	}
	return current
}

// say prints lines that a person asked for.
func (s *session) say(lines ...string) {
	if len(lines) > 0 {
		fmt.Fprintln(s.out.out, strings.Join(lines, "\n"))
	}
}

func (s *session) request() harness.Request {
	return harness.Request{Base: s.base, Count: s.count, Stop: *stopFlag, Patience: *patienceFlag}
}

// command is what to type to run a test with flags: the package, as it is named
// from the module's root, and -run only where the flags do not choose the test.
func command(test, flags string) string {
	here, err := os.Getwd()
	if err != nil {
		here = "."
	}
	dir, err := filepath.Rel(harness.Root(), here)
	if err != nil {
		dir = "."
	}
	pkg := "."
	if dir != "." {
		pkg = "./" + filepath.ToSlash(dir)
	}
	if test != universesTest && test != seedsTest {
		flags = "-run '^" + test + "$' " + flags
	}
	return "go test " + pkg + " " + flags
}

// again runs the universe of a seed again, keeps it, and explains it.
func (s *session) again(test string, seed uint64) harness.Commands {
	flags, explained := "", ""
	for _, f := range [][2]string{{"seed", fmt.Sprintf("0x%016x", seed)}, {"arm", *armFlag}, {"chaos", *chaosFlag}} {
		if name, value := f[0], f[1]; value != "" {
			flags += " -" + name + "=" + value
			explained += " --" + name + " " + value
		}
	}
	replay := command(test, flags[1:])
	paste := harness.Commands{Replay: replay, Keep: replay + " -keep"}
	if test == universesTest { // a scenario's universe is not the seed's
		paste.Explain = s.explainLine(explained[1:])
	}
	return paste
}

// explainLine has the suite's command explain a universe or a plan; "" if it has none.
func (s *session) explainLine(what string) string {
	if s.suite.Command == "" {
		return ""
	}
	return s.suite.Command + " explain " + what
}

// explain reduces a failing run and renders its report; with -keep it also
// writes the reduced plan.
func (s *session) explain(t *testing.T, target sim.Target, r *sim.Result, runs int, paste harness.Commands) {
	t.Helper()
	if *unreducedFlag {
		runs = 0
	}
	report, err := s.suite.Explain(target, r, runs, *patienceFlag, paste)
	if err != nil {
		t.Fatal(err)
	}
	if t.Name() == universesTest {
		if err := harness.Afresh(report, os.Args[0], "-test.run=^"+seedsTest+"$", "-test.v", "-case="); err != nil {
			t.Fatal(err)
		}
	}
	if paste.Keep != "" && *keepFlag {
		name, err := s.suite.Keep(report)
		if err != nil {
			t.Error(err)
		} else {
			s.say("sim: kept " + name)
		}
	}
	t.Error("\n" + report.String())
}
