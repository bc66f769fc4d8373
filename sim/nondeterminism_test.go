package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// leaking is a counter whose only worker does something of its own before it counts.
type leaking struct {
	counter.System
	does func(ctx context.Context, e *env.Env) error
}

func (l *leaking) Draw(d keyed.Draw)        { l.System.Draw(d); l.Workers = 1 }
func (l *leaking) New() (sim.System, error) { return l, nil }

func (l *leaking) Programs() []sim.Program {
	return []sim.Program{{Name: "w0", Restart: time.Second, Main: func(ctx context.Context, e *env.Env) error {
		ctx, err := e.Runtime.Step(ctx, "leak")
		if err == nil {
			err = l.does(ctx, e)
		}
		if err != nil {
			return err
		}
		return l.Work(ctx, e)
	}}}
}

// putRow writes one row in a transaction of its own.
func putRow(ctx context.Context, e *env.Env, key, value string) error {
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	txn.Put(key, []byte(value))
	return txn.Commit(ctx)
}

// What a system must not depend on is named by what differs, at the event at which
// two runs begin to differ.
func TestNondeterminismIsLocated(t *testing.T) {
	keys := map[string]bool{}
	for i := range 8 {
		keys["row/"+strconv.Itoa(i)] = true
	}
	var runs atomic.Int64
	for _, c := range []struct {
		name, cause string
		does        func(ctx context.Context, e *env.Env) error
	}{
		{"the keys of a map in one row", "map order: w0/main writes another value: the same words", func(ctx context.Context, e *env.Env) error {
			var all []string
			for key := range keys {
				all = append(all, key)
			}
			return putRow(ctx, e, "row/all", strings.Join(all, " "))
		}},
		{"objects of a map, one by one", "map order: ", func(ctx context.Context, e *env.Env) error {
			for key := range keys {
				if _, err := e.Objects.Put(ctx, key, []byte("x"), env.Always); err != nil {
					return err
				}
			}
			return nil
		}},
		{"the time in a row", "real time (time.Now): w0/main writes another value", func(ctx context.Context, e *env.Env) error {
			return putRow(ctx, e, "row/a", fmt.Sprintf("at=%d by=w0", time.Now().UnixNano()))
		}},
		{"the date in a key", "real time (time.Now): w0/main names other keys", func(ctx context.Context, e *env.Env) error {
			return putRow(ctx, e, "row/"+time.Now().Format(time.RFC3339Nano), "x")
		}},
		{"a random value", "global randomness (math/rand, select): w0/main writes another value", func(ctx context.Context, e *env.Env) error {
			return putRow(ctx, e, "row/a", fmt.Sprintf("%016x", rand.Uint64()))
		}},
		{"a select of two that are ready", "global randomness (math/rand, select): w0/main writes another value", func(ctx context.Context, e *env.Env) error {
			chosen := ""
			for range 32 {
				a, b := make(chan string, 1), make(chan string, 1)
				a <- "a"
				b <- "b"
				select {
				case c := <-a:
					chosen += c
				case c := <-b:
					chosen += c
				}
			}
			return putRow(ctx, e, "row/a", chosen)
		}},
		{"a random pause", "global randomness or real time in a duration: w0/main waits until ", func(ctx context.Context, e *env.Env) error {
			return e.Clock.Sleep(ctx, time.Duration(rand.Int63n(1e9)))
		}},
		{"a package variable", "state that outlives a run, such as a package variable: w0/main writes another value: ", func(ctx context.Context, e *env.Env) error {
			return putRow(ctx, e, "row/a", "n="+strconv.FormatInt(runs.Add(1), 10))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := sim.Target{
				Assemble:   func() sim.Assembly { return &leaking{does: c.does} },
				Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
				Calm:       true,
			}
			_, err := sweep.Run(target, sweep.Options{Base: 1, Count: 8, Again: 1, Parallel: 1}, func(*sim.Result) bool { return true })
			var n *sim.Nondeterminism
			require.ErrorAs(t, err, &n)
			require.NotNil(t, n.Divergence, "no divergence was found again")
			require.Contains(t, n.Divergence.Cause, c.cause, n.Error())
			require.Equal(t, sim.BlameSystem, n.Divergence.Blame)
			require.NotEmpty(t, n.Divergence.One)
			require.Contains(t, n.Error(), "nearest common event: event ")
		})
	}
}

// An invariant that panics is the oracle's bug, whoever's event it was asked about;
// a task that panics is the system's.
func TestBlame(t *testing.T) {
	target := counter.Target(false)
	target.Invariants = func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{broken{}} }
	r, err := sim.Run(target, 1)
	require.NoError(t, err)
	require.Equal(t, "no-panic", r.Violation.Invariant)
	require.Equal(t, "oracle", r.Violation.Blame.String())
	require.Contains(t, r.Violation.Text, "the invariant broken-oracle panicked: ")
	require.NotEmpty(t, r.Violation.Stack)

	target.Assemble = func() sim.Assembly {
		return &leaking{does: func(context.Context, *env.Env) error { panic("a bug") }}
	}
	target.Invariants = func(sim.Assembly, sim.System) []sim.Invariant { return nil }
	r, err = sim.Run(target, 1)
	require.NoError(t, err)
	require.Equal(t, "system", r.Violation.Blame.String())
	require.Contains(t, r.Violation.Text, "w0/main panicked: a bug")
}

// If the store's own log is wrong, the system is not blamed for what breaks first.
func TestBlameOfTheStore(t *testing.T) {
	target := counter.Target(true)
	own := target.Invariants
	audited := -1
	target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
		return append(own(a, s), auditor{&audited})
	}
	for seed := uint64(1); ; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if r.Violation == nil {
			continue
		}
		require.Equal(t, "counters-agree", r.Violation.Invariant)
		require.Equal(t, "fake", r.Violation.Blame.String())
		require.Contains(t, r.Violation.Text, "; but the-log is broken, too: a read saw what was not there")
		require.GreaterOrEqual(t, audited, 1, "the effect that the other one objects to has not been shown")
		return
	}
}

// auditor finds the store's log wrong when it is asked in the end.
type auditor struct{ rest *int }

func (auditor) Name() string                          { return "the-log" }
func (auditor) Observe(*sim.World, *sim.Effect) error { return nil }
func (auditor) Blames() sim.Blame                     { return sim.BlameFake }
func (a auditor) Audit(_ *sim.World, rest []sim.Effect) error {
	*a.rest = len(rest)
	return errors.New("a read saw what was not there")
}

// broken is an invariant with a bug.
type broken struct{}

func (broken) Name() string { return "broken-oracle" }

func (broken) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectCommit {
		counts := map[string][]int{}
		counts["commits"][0]++
	}
	return nil
}
