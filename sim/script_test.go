package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/script"
)

// A worker that stalls past its lease with a merge flip in hand must lose it.
func TestStalledMergerIsFenced(t *testing.T) {
	s := conversion.New(t, conversion.Setup{Workers: 2, Units: 1}, suite.Target())
	w0, w1 := s.Worker(0), s.Worker(1)

	w1.Pause()
	stall := w0.Before(core.StepFlip).Pause() // pauses the whole process, flip in hand
	s.Until(stall.Fired)

	w1.Resume() // the lease runs out; w1 takes the merge over and publishes
	s.Until(w1.Idle)

	w0.Resume() // its stale flip must be refused
	s.Settle()
	w0.Saw(env.ErrConflict) // includes "rolled back by another"
}

// stage is a test that a script may fail without failing this one.
type stage struct {
	cleanups []func()
	failure  string // the first, and what was logged after it
}

func (st *stage) Helper()          {}
func (st *stage) Name() string     { return "TestStage/one" }
func (st *stage) Cleanup(f func()) { st.cleanups = append([]func(){f}, st.cleanups...) }
func (st *stage) Failed() bool     { return st.failure != "" }

func (st *stage) Logf(format string, args ...any) { st.failure += fmt.Sprintf(format, args...) }

func (st *stage) Fatalf(format string, args ...any) {
	st.failure = fmt.Sprintf(format, args...)
	panic(st)
}

// fail plays a script that must fail, and returns how it did.
func fail(t *testing.T, target sim.Target, play func(s *script.Script)) (failure string) {
	t.Helper()
	return failOn(t, &stage{}, target, play)
}

func failOn(t *testing.T, st *stage, target sim.Target, play func(s *script.Script)) (failure string) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != any(st) {
			panic(r)
		}
		for _, f := range st.cleanups {
			f()
		}
		failure = st.failure
		require.NotEmpty(t, failure, "the script passed")
	}()
	play(script.New(st, target))
	return ""
}

// twoCounters are two workers that raise a counter for long.
func twoCounters(careless bool) sim.Target {
	target := counter.Target(careless)
	target.Assemble = func() sim.Assembly { return &counter.System{Workers: 2, Goal: 100, Careless: careless} }
	return target
}

// A script works on any system, and fails with the report of a seed.
func TestScriptFailsWithAReport(t *testing.T) {
	careless := func(s *script.Script) {
		w0, w1 := s.Process("w0"), s.Process("w1")
		stall := w0.Before("raise").On("pd.tso").Nth(2).Pause() // between reading and writing
		s.Until(stall.Fired)
		s.Until(func() bool { return counter.Value(s.World()) > 0 })
		w1.Pause()
		w0.Resume()
		s.Settle()
	}
	report := fail(t, twoCounters(true), careless)
	require.Contains(t, report, "FAIL counters-agree, system: ")
	require.Contains(t, report, "deviations: 2 of the 2 faults that fired (not reduced)")
	require.Contains(t, report, "pause at w0/main raise pd.tso - #2 phase=before")
	require.Contains(t, report, "<- violation")
	require.Contains(t, report, "replay: go test -run '^TestStage$/^one$'")
	require.LessOrEqual(t, strings.Count(strings.TrimSpace(report), "\n"), 30)
	require.Equal(t, report, fail(t, twoCounters(true), careless), "a script is deterministic")
}

// A test that fails by what it requires itself is followed by the story of its script,
// and by what that tells; a report is not followed by another.
func TestScriptAccountsForItsTest(t *testing.T) {
	st := &stage{}
	account := failOn(t, st, twoCounters(false), func(s *script.Script) {
		s.Tells("Nobody counts while both are paused (R0).")
		s.Process("w0").Pause()
		s.Process("w1").Pause()
		s.Advance(time.Minute)
		st.Fatalf("want 1, was 0")
	})
	require.True(t, strings.HasPrefix(account, "want 1, was 0\nFAIL script, system: what the test requires, above, has not come about\n"), account)
	require.Contains(t, account, "\n  tells:  Nobody counts while both are paused (R0).\n")
	require.Contains(t, account, "replay: go test -run '^TestStage$/^one$'")
	report := fail(t, twoCounters(false), func(s *script.Script) { s.Process("w0").Resume() })
	require.Equal(t, 1, strings.Count(report, "FAIL"))
}

// What a script waits for in vain is reported with what everybody waits for.
func TestScriptSaysWhatItWaitedFor(t *testing.T) {
	never := func() bool { return false }
	paused := fail(t, twoCounters(false), func(s *script.Script) {
		s.Process("w0").Pause()
		s.Process("w1").Pause()
		s.Until(never)
	})
	require.Contains(t, paused, "FAIL script, system: not reached within 11m0s (virtual); w0 w1/main: has not begun")

	elsewhere := fail(t, twoCounters(false), func(s *script.Script) {
		s.Process("w0").Pause()
		stall := s.Process("w0").Before("raise").Pause()
		s.Process("w0").Before("retire").Crash()
		s.Until(stall.Fired)
	})
	require.Regexp(t, `; pause waits for w0 in raise, where w1 was last at \d+\.\d{3}s; crash waits for w0 in retire, which nobody has reached; `, elsewhere)

	unseen := fail(t, twoCounters(false), func(s *script.Script) {
		s.Process("w1").Crash()
		s.Advance(time.Minute)
		s.Process("w0").Saw(env.ErrConflict)
	})
	require.Contains(t, unseen, `w0 never saw "conflict"`)
}

// A script that asks for the impossible is told so.
func TestScriptRefusesTheImpossible(t *testing.T) {
	for want, play := range map[string]func(s *script.Script){
		`no process "w7"`:       func(s *script.Script) { s.Process("w7") },
		`no operation "kv.foo"`: func(s *script.Script) { s.Process("w0").Before("raise").On("kv.foo") },
		"cannot resume w0":      func(s *script.Script) { s.Process("w0").Resume() },
		"cannot restart w0":     func(s *script.Script) { s.Process("w0").Restart() },
		"pause of w0, which is dead": func(s *script.Script) {
			s.Process("w0").Crash()
			s.Process("w0").Pause()
		},
	} {
		require.Contains(t, fail(t, twoCounters(false), play), want)
	}
}

// Nothing moves but in Until, Advance and Settle, and time is exact.
func TestScriptMovesWhenTold(t *testing.T) {
	s := script.New(t, twoCounters(false))
	w0 := s.Process("w0")
	job := w0.Do("nap", func(ctx context.Context, e *env.Env) error {
		if err := e.Clock.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		return errors.New("slept")
	})
	before := len(s.Trace())
	require.Zero(t, counter.Value(s.World()))
	s.Advance(59 * time.Second)
	require.Equal(t, 59*time.Second, s.World().Now())
	require.False(t, job.Returned())
	require.NotZero(t, counter.Value(s.World()))
	require.Greater(t, len(s.Trace()), before)
	s.Advance(time.Second)
	require.True(t, job.Returned())
	require.EqualError(t, job.Err(), "slept")
	s.Settle()
}

// A slow process takes longer, a partitioned one gets nowhere, and both are
// well again when told.
func TestScriptSlowsAndPartitions(t *testing.T) {
	raised := func(s *script.Script) func() bool {
		n := counter.Value(s.World())
		return func() bool { return counter.Value(s.World()) > n }
	}
	s := script.New(t, twoCounters(false))
	w0, w1 := s.Process("w0"), s.Process("w1")
	w1.Crash()
	w0.Slow(20)
	s.Until(raised(s))
	require.Equal(t, 20*time.Second, s.World().Now())
	w0.Slow(1)
	w0.Partition(ops.PD)
	s.Advance(time.Minute)
	require.Equal(t, 1, counter.Value(s.World()))
	w0.Heal()
	s.Until(raised(s))
	w1.Restart()
	require.True(t, w1.Alive())
	s.Settle()
}
