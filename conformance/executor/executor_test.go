//go:debug randseednop=0
package executor_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/executor"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/search"
)

var (
	universes = flag.Uint64("universes", 12, "how many random universes TestSweep and TestSameTwice run")
	first     = flag.Uint64("seed", 1, "the first universe's seed")
	verbose   = flag.Bool("lines", false, "print a line for each universe")
	smaller   = flag.Bool("small", false, "TestSweep runs small universes")
	cpu       = flag.Float64("cpu", 0, "after how many CPU-seconds TestSweep begins no other universe; 0: none")
	stop      = flag.Bool("stop", false, "TestSweep ends with the first violation")
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if _, err := rpc.Quiet(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run runs a court's universe in a bubble of its own.
func run(t *testing.T, court *sim.Court) (r *sim.Result) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		r, err = executor.Run(court)
		require.NoError(t, err)
	})
	require.NotNil(t, r, "the universe did not end")
	return r
}

// target is the conversion, with the order of events by latencies, as here, and
// without what only the simulator injects.
func target() sim.Target {
	t := suite.Target()
	t.Vary = func(c *sim.Config, _ sim.Assembly) { asHere(c) }
	return t
}

func asHere(c *sim.Config) {
	c.Arm, c.Modes, c.OracleJump, c.ReplaceAfter = "narrow", search.None(), 0, 0
}

// drawn runs the universe of a seed.
func drawn(t *testing.T, target sim.Target, seed uint64) *sim.Result {
	court, err := sim.DrawCourt(target, seed)
	require.NoError(t, err)
	return run(t, court)
}

// TestCalm: without faults everything gets done, and every property holds.
func TestCalm(t *testing.T) {
	calm := target()
	calm.Calm = true
	calm.Vary = func(c *sim.Config, a sim.Assembly) {
		asHere(c)
		config := a.(*conversion.Config)
		config.ComebackPercent, config.TTL = 0, 0 // a batch that has expired is none of the outcomes
		config.OperatorEvery = 0                  // who comes back for hundreds of retries takes more events than a run may have
	}
	for seed := uint64(1); seed <= 10; seed++ {
		r := drawn(t, calm, seed)
		require.Nil(t, r.Violation, "seed %d", seed)
		require.False(t, r.Inconclusive, "seed %d", seed)
		require.Positive(t, r.Summary.Outcomes[0].N+r.Summary.Outcomes[1].N+r.Summary.Outcomes[2].N)
	}
}

// TestSweep: whatever befalls the system, every property holds.
func TestSweep(t *testing.T) {
	kinds := map[string]int{}
	of := target()
	if *smaller {
		of = small()
		of.Search.Budget = 0
	}
	before, ran := harness.CPUSeconds(), 0
	for seed := *first; seed < *first+*universes && (*cpu == 0 || harness.CPUSeconds()-before < *cpu); seed++ {
		ran++
		r := drawn(t, of, seed)
		if *verbose {
			fmt.Println(r.Line())
		}
		for _, f := range r.Fired {
			kinds[f.Name()]++
		}
		if v := r.Violation; v != nil {
			t.Errorf("seed %d: %s: %s\n%s", seed, v.Invariant, v.Text, v.Stack)
			if *stop {
				fmt.Printf("executor: violation in universe %d: %s\n", seed-*first+1, v.Invariant)
				return
			}
		}
	}
	fmt.Printf("executor: universes=%d fired=%v cpu_s=%.1f\n", ran, kinds, harness.CPUSeconds()-before)
}

// TestEveryKind: every kind of fault can befall a system here.
func TestEveryKind(t *testing.T) {
	for _, kind := range fault.Kinds() {
		only := target()
		only.Search = search.Options{Kinds: []string{kind.Name}, Aims: []string{kind.Name}, Everywhere: true}
		fired, seed := 0, *first
		for ; fired == 0 && seed < *first+30; seed++ {
			r := drawn(t, only, seed)
			require.Nil(t, r.Violation, "%s, seed %d", kind.Name, seed)
			fired += len(r.Fired)
		}
		require.Positive(t, fired, "%s never fired", kind.Name)
	}
}

// TestSameTwice: the same seed gives the same verdict, and the same events.
func TestSameTwice(t *testing.T) {
	differ := 0
	for seed := *first; seed < *first+*universes; seed++ {
		var runs [2][]string
		var results [2]*sim.Result
		for i := range runs {
			executor.Watch(func(now time.Duration, id uint64, what string) {
				runs[i] = append(runs[i], fmt.Sprintf("%s %s %016x", now, what, id))
			})
			results[i] = drawn(t, target(), seed)
		}
		executor.Watch(nil)
		require.Equal(t, executor.VerdictOf(results[0]), executor.VerdictOf(results[1]))
		if results[0].Hash == results[1].Hash {
			continue
		}
		differ++
		n := 0
		for n < min(len(runs[0]), len(runs[1])) && runs[0][n] == runs[1][n] {
			n++
		}
		t.Logf("seed %d differs from event %d of %d on:\n%s\n%s", seed, n, len(runs[0]), strings.Join(runs[0][n-3:n+3], "\n"), strings.Join(runs[1][n-3:n+3], "\n"))
	}
	fmt.Printf("executor: %d of %d universes differed when they were run again\n", differ, *universes)
}
