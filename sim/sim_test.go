package sim_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

var (
	seedFlag  = flag.String("seed", os.Getenv("SIM_SEED"), "the universe to run: decimal, 0x hex, or a commit's 40 hex digits")
	seedsFlag = flag.String("seeds", os.Getenv("SIM_SEEDS"), "how many consecutive universes to run, from -seed on")
	caseFlag  = flag.String("case", "", "the plan to replay: a file, also relative to the module's root")
	stopFlag  = flag.String("stop", "", "end a sweep at the first violation of this invariant")
	keepFlag  = flag.Bool("keep", false, "write the reduced plan of a failing seed to seeds/")
)

// What the flags come to, checked before any test runs.
var (
	baseSeed  uint64 = 1
	seedCount        = 200
	casePlan  *plan.Plan
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := readFlags(); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
	debug.SetGCPercent(400) // the live heap is tiny: at 100 the collector takes a sixth of the time
	os.Exit(m.Run())
}

func readFlags() (err error) {
	if *seedFlag != "" {
		if baseSeed, err = plan.ParseSeed(*seedFlag); err != nil {
			return err
		}
		seedCount = 1
	}
	if *seedsFlag != "" {
		if seedCount, err = strconv.Atoi(*seedsFlag); err != nil || seedCount < 1 || seedCount > 1e9 {
			return fmt.Errorf("-seeds=%s: want a whole number from 1 to 1000000000", *seedsFlag)
		}
	}
	if *caseFlag != "" {
		if casePlan, err = readPlan(*caseFlag); err != nil {
			return err
		}
	}
	return readChaos()
}

// published is how most batches must end.
var published = sweep.Expectation{Outcome: "published", AtLeast: 0.8}

// moduleRoot is where go.mod lies; tests run in their package's folder.
const moduleRoot = ".."

func readPlan(file string) (*plan.Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil && !filepath.IsAbs(file) {
		if fromRoot, rootErr := os.ReadFile(filepath.Join(moduleRoot, file)); rootErr == nil {
			text, err = fromRoot, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: no such plan; kept ones are in seeds/", file)
	}
	return plan.Parse(file, text)
}

// TestSim runs the universe of -seed, the -seeds from there on, or a fixed
// small set.
func TestSim(t *testing.T) {
	var totals *sweep.Totals
	defer func() { require.NoError(t, printInjected(totals)) }() // the last line
	before := cpuSeconds()
	options := sweep.Options{Base: baseSeed, Count: seedCount, CollectStates: true}
	reports, limit := 0, 3
	if *keepFlag {
		limit = 20
	}
	named := map[string]int{}
	target := target()
	var err error
	totals, err = sweep.Run(target, options, func(r *sim.Result) bool {
		if testing.Verbose() && *stopFlag == "" {
			fmt.Println(r.Line())
		}
		if r.Violation == nil {
			return true
		}
		named[r.Violation.Invariant]++
		t.Fail()
		if reports < limit && (*stopFlag == "" || r.Violation.Invariant == *stopFlag) {
			reports++
			t.Error("\n" + report(t, target, r, replayCommand(r)))
		}
		return r.Violation.Invariant != *stopFlag
	})
	require.NoError(t, err)
	if totals.Seeds == 1 && testing.Verbose() && len(named) == 0 {
		r, err := sim.Run(target, baseSeed)
		require.NoError(t, err)
		tell(t, target, r)
	}
	if totals.Seeds > 1 {
		fmt.Println(totals.Line(cpuSeconds() - before))
		if testing.Verbose() {
			fmt.Printf("sim: states=%d hashes=%d\nsim: faults %s\nsim: marks %s\n", len(totals.States), len(totals.Hashes), sweep.Counts(totals.Fired), sweep.Counts(totals.Marks))
		}
		if len(named) > 0 {
			fmt.Println("sim: violations", sweep.Counts(named))
		}
		if *stopFlag == "" {
			require.NoError(t, published.Judge(totals))
		}
	}
}

// tell prints the story of a universe that held.
func tell(t *testing.T, target sim.Target, r *sim.Result) {
	lines, err := explain.Tell(target, r.Plan, 30)
	require.NoError(t, err)
	fmt.Println("sim: what happened (virtual time)\n" + strings.Join(lines, "\n"))
	for _, f := range r.Fired {
		fmt.Println("sim: fault", f)
	}
	if len(r.Marks) > 0 {
		fmt.Println("sim: marks", sweep.Counts(r.Marks))
	}
	judges := slices.DeleteFunc(properties.Names(), func(name string) bool { return name == "marks" })
	fmt.Printf("sim: %d invariants held: %s\n", len(judges), strings.Join(judges, " "))
}

// report reduces a failing run and renders its report; with -keep it also
// writes the reduced plan.
func report(t *testing.T, target sim.Target, r *sim.Result, replay string) string {
	failure, err := explain.Failure(target, r, 400)
	require.NoError(t, err)
	failure.Commit, failure.GoVersion = commit(), runtime.Version()
	failure.Replay, failure.Keep = replay, replay+" -keep"
	if *keepFlag {
		keep(t, failure)
	}
	return failure.String()
}

// replayCommand runs the universe of r again.
func replayCommand(r *sim.Result) string {
	command := fmt.Sprintf("go test ./sim -run '^TestSim$' -seed=0x%016x", r.Seed)
	if *chaosFlag != "" {
		command += " -chaos=" + *chaosFlag
	}
	return command
}

// keep writes a reduced plan to seeds/, never over another.
func keep(t *testing.T, report *explain.Report) {
	plan := report.Reduced.Plan
	plan.Why = []string{report.Reduced.Result.Violation.Error()}
	name := filepath.Join("seeds", fmt.Sprintf("%s-%016x.plan", report.Reduced.Result.Violation.Invariant, report.Seed))
	file, err := os.OpenFile(filepath.Join(moduleRoot, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	require.NoError(t, err, "a kept plan is never overwritten")
	_, err = file.WriteString(plan.String())
	require.NoError(t, err)
	require.NoError(t, file.Close())
	fmt.Println("sim: kept", name)
}

// commit names what is being tested, with a plus if there are changes on top.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		name += "+changes"
	}
	return name
}

// cpuSeconds is the processor time that this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// TestSeeds replays the kept plans: each must behave as its expect line says,
// which for a bug that was mended is "none".
func TestSeeds(t *testing.T) {
	if casePlan != nil {
		replayCase(t, *caseFlag, casePlan)
		return
	}
	files, err := filepath.Glob(filepath.Join(moduleRoot, "seeds", "*.plan"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "seeds/ holds no plan")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			plan, err := readPlan(file)
			require.NoError(t, err)
			r := replayCase(t, filepath.Join("seeds", filepath.Base(file)), plan)
			require.Len(t, r.Fired, len(plan.Faults), "a fault of the plan no longer strikes: it has lost its story")
		})
	}
}

func replayCase(t *testing.T, name string, plan *plan.Plan) *sim.Result {
	target := suite.Target()
	r, err := sim.Replay(target, plan)
	require.NoError(t, err)
	fmt.Println(r.Line())
	if r.Violation == nil {
		require.Contains(t, []string{"", "none"}, plan.Expect,
			"%s holds now; it was kept for breaking %s: if that is mended, let the plan say `expect none`", name, plan.Expect)
		if casePlan != nil && testing.Verbose() {
			tell(t, target, r)
		}
		return r
	}
	report, err := explain.Failure(target, r, 0)
	require.NoError(t, err)
	report.Commit, report.GoVersion = commit(), runtime.Version()
	report.Replay = "go test ./sim -run '^TestSeeds$' -case=" + name
	t.Error("\n" + report.String())
	return r
}
