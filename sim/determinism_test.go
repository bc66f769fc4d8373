package sim_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// hashSeeds is how many universes every variant of the build runs.
const hashSeeds = 60

var summaryLine = regexp.MustCompile(`(?m)^sim: seed=0x[0-9a-f]{16} .* hash=[0-9a-f]{16}$`)

// hashes runs the binary and returns the summary line of every universe.
func hashes(t *testing.T, binary string, environment ...string) []string {
	cmd := exec.Command(binary, "-test.run", "^TestSim$", "-test.v", "-seed", "7000", "-seeds", strconv.Itoa(hashSeeds))
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := summaryLine.FindAllString(string(out), -1)
	require.Len(t, lines, hashSeeds)
	return lines
}

// TestSameHashEverywhere: a universe is a function of its seed alone, whatever
// the process, the number of processors, the garbage collector, the race
// detector and the word size.
func TestSameHashEverywhere(t *testing.T) {
	dir := t.TempDir()
	build := func(name string, environment []string, args ...string) string {
		binary := filepath.Join(dir, name)
		cmd := exec.Command("go", append([]string{"test", "-c", "-o", binary}, append(args, ".")...)...)
		cmd.Env = append(os.Environ(), environment...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return binary
	}
	plain := build("plain.test", nil)
	want := hashes(t, plain, "GOMAXPROCS=1")
	for _, v := range []struct {
		name        string
		binary      string
		environment string
	}{
		{"another process, two processors", plain, "GOMAXPROCS=2"},
		{"no garbage collection", plain, "GOGC=off"},
		{"constant garbage collection", plain, "GOGC=5"},
		{"race detector", build("race.test", nil, "-race"), "GOMAXPROCS=2"},
		{"32 bits", build("386.test", []string{"GOARCH=386", "CGO_ENABLED=0"}), "GOMAXPROCS=2"},
	} {
		require.Equal(t, want, hashes(t, v.binary, v.environment), v.name)
	}
}

// TestHashTellsUniversesApart: a thousand seeds give a thousand hashes, each
// seed the same one twice, and a plan that a seed wrote down the same again.
func TestHashTellsUniversesApart(t *testing.T) {
	target := suite.Target()
	first := map[uint64]uint64{}
	totals, err := sweep.Run(target, sweep.Options{Base: 100_000, Count: 1000}, func(r *sim.Result) bool {
		first[r.Seed] = r.Hash
		if r.Seed%10 != 0 {
			return true
		}
		again, err := sim.Run(target, r.Seed)
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash, "seed 0x%x ran differently the second time", r.Seed)
		plan, err := plan.Parse("printed", []byte(r.Plan.String()))
		require.NoError(t, err)
		replayed, err := sim.Replay(target, plan)
		require.NoError(t, err)
		require.Equal(t, r.Hash, replayed.Hash, "seed 0x%x: its plan replays another run", r.Seed)
		return true
	})
	require.NoError(t, err)
	require.Len(t, totals.Hashes, 1000)
}

// TestHashSeesEveryByte: one changed byte of one value changes the hash.
func TestHashSeesEveryByte(t *testing.T) {
	run := func(value string) uint64 {
		r, err := sim.Run(leakyTarget(func(*env.Env, int) string { return value }), 1)
		require.NoError(t, err)
		require.Nil(t, r.Violation)
		return r.Hash
	}
	require.Equal(t, run("same length A"), run("same length A"))
	require.NotEqual(t, run("same length A"), run("same length B"))
}

// cache is a package-level variable, as a careless system might have one.
var cache int

// TestLeaksAreCaught: each way in which the machine's state could leak into a
// system gives another hash when the seed runs again.
func TestLeaksAreCaught(t *testing.T) {
	random := map[string]bool{}
	for i := range 64 {
		random[strconv.Itoa(i)] = true
	}
	for name, leak := range map[string]func(*env.Env, int) string{
		"map range": func(*env.Env, int) string {
			for key := range random {
				return key
			}
			return ""
		},
		"real time": func(*env.Env, int) string { return strconv.FormatInt(time.Now().UnixNano(), 10) },
		"package-level cache": func(*env.Env, int) string {
			cache++
			return strconv.Itoa(cache)
		},
	} {
		t.Run(name, func(t *testing.T) {
			distinct := map[uint64]bool{}
			for range 10 {
				r, err := sim.Run(leakyTarget(leak), 1)
				require.NoError(t, err)
				distinct[r.Hash] = true
			}
			require.Greater(t, len(distinct), 1, "ten runs of one seed agree although the system leaks")
		})
	}
}

// leaky is the counter system writing a value of its own choice.
type leaky struct {
	counter
	value func(*env.Env, int) string
}

func leakyTarget(value func(*env.Env, int) string) sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &leaky{value: value} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
	}
}

func (l *leaky) New() (sim.System, error) { return l, nil }

func (l *leaky) Programs() []sim.Program {
	programs := l.counter.Programs()
	for i := range programs {
		programs[i].Main = l.main
	}
	return programs
}

func (l *leaky) main(ctx context.Context, e *env.Env) error {
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	txn.Put("value/"+e.Self.Name+"/"+e.Self.Incarnation, []byte(l.value(e, 0)))
	if err := txn.Commit(ctx); err != nil {
		return err
	}
	return l.counter.work(ctx, e)
}

// TestCounterIsJudged: the tiny second system passes on careful workers and is
// convicted on careless ones, with a report that names the lost update.
func TestCounterIsJudged(t *testing.T) {
	for seed := range uint64(500) {
		r, err := sim.Run(counterTarget(false), seed)
		require.NoError(t, err)
		require.Nil(t, r.Violation, "seed %d", seed)
	}
	for seed := range uint64(500) {
		r, err := sim.Run(counterTarget(true), seed)
		require.NoError(t, err)
		if r.Violation == nil {
			continue
		}
		report, err := explain.Failure(counterTarget(true), r, 200)
		require.NoError(t, err)
		text := report.String()
		require.LessOrEqual(t, strings.Count(text, "\n")+1, 30, text)
		require.True(t, strings.HasPrefix(text, "FAIL counters-agree: the counter is "), text)
		return
	}
	require.Fail(t, "no seed convicts careless workers", fmt.Sprint("of ", 500))
}
