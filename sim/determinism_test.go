package sim_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// TestHashTellsUniversesApart: a thousand seeds give a thousand hashes, each
// seed the same one twice, and a plan that a seed wrote down the same again.
func TestHashTellsUniversesApart(t *testing.T) {
	target, count := suite.Target(), 1000
	if testing.Short() {
		count = 30
	}
	first := map[uint64]uint64{}
	totals, err := sweep.Run(target, sweep.Options{Base: 100_000, Count: count}, func(r *sim.Result) bool {
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
	require.Len(t, totals.Hashes, count)
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
	counter.System
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
	programs := l.System.Programs()
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
	return l.Work(ctx, e)
}

// TestCounterIsJudged: the tiny second system passes on careful workers and is
// convicted on careless ones, with a report that names the lost update.
func TestCounterIsJudged(t *testing.T) {
	for seed := range uint64(500) {
		r, err := sim.Run(counter.Target(false), seed)
		require.NoError(t, err)
		require.Nil(t, r.Violation, "seed %d", seed)
	}
	for seed := range uint64(500) {
		r, err := sim.Run(counter.Target(true), seed)
		require.NoError(t, err)
		if r.Violation == nil {
			continue
		}
		report, err := explain.Failure(counter.Target(true), r, 200)
		require.NoError(t, err)
		text := report.String()
		require.LessOrEqual(t, strings.Count(text, "\n")+1, 30, text)
		require.True(t, strings.HasPrefix(text, "FAIL counters-agree, system: the counter is "), text)
		return
	}
	require.Fail(t, "no seed convicts careless workers", fmt.Sprint("of ", 500))
}
