package process_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

func newRuntime() env.Runtime { return process.NewRuntime(env.Process{Name: "w0", Incarnation: "1"}) }

// untilEnded is a task that stops when its group does.
func untilEnded(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestStepAndWork(t *testing.T) {
	rt := newRuntime()
	ctx, err := rt.Step(t.Context(), "claim_unit")
	require.NoError(t, err)
	require.Equal(t, env.Step("claim_unit"), env.StepOf(ctx))
	require.NoError(t, rt.Work(ctx, 100))

	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errLost)
	_, err = rt.Step(ctx, "claim_unit")
	require.Equal(t, errLost, err)
	require.Equal(t, errLost, rt.Work(ctx, 0))
}

func TestGroupFirstErrorCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRuntime().Group(t.Context())
		var cause error
		g.Spawn("loyal", func(ctx context.Context) error {
			cause = untilEnded(ctx)
			return errors.New("second")
		})
		g.Spawn("done", func(context.Context) error { return nil })
		synctest.Wait()
		g.Spawn("failing", func(context.Context) error { return errLost })
		require.Equal(t, errLost, g.Wait())
		require.Equal(t, errLost, cause)

		started := false
		g.Spawn("late", func(ctx context.Context) error {
			started = true
			return untilEnded(ctx)
		})
		require.Equal(t, errLost, g.Wait())
		require.True(t, started, "a task starts even in an ended group, and sees it")
	})
}

func TestGroupCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRuntime().Group(t.Context())
		g.Spawn("a", untilEnded)
		g.Spawn("b", untilEnded)
		synctest.Wait()
		g.Cancel(errLost)
		g.Cancel(errors.New("too late"))
		require.Equal(t, errLost, g.Wait())

		early := newRuntime().Group(t.Context())
		early.Cancel(errLost)
		early.Spawn("a", untilEnded)
		require.Equal(t, errLost, early.Wait())

		quiet := newRuntime().Group(t.Context())
		quiet.Cancel(errLost)
		require.NoError(t, quiet.Wait(), "cancelling is no task's error")
	})
}

func TestGroupEndsWithParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		g := newRuntime().Group(parent)
		g.Spawn("a", untilEnded)
		g.Spawn("stubborn", func(ctx context.Context) error {
			time.Sleep(time.Hour)
			return nil
		})
		cancel(errLost)
		began := time.Now()
		require.Equal(t, errLost, g.Wait())
		require.Equal(t, time.Hour, time.Since(began), "Wait waits for all tasks")
	})
}

func TestGroupWithoutTasks(t *testing.T) {
	require.NoError(t, newRuntime().Group(t.Context()).Wait())
}

// TestGroupGrows: tasks of the group spawn further ones, and Wait waits for
// those, too. A group can be used again after Wait.
func TestGroupGrows(t *testing.T) {
	g := newRuntime().Group(t.Context())
	for round := range 3 {
		var ran atomic.Int32
		for i := range 10 {
			g.Spawn(fmt.Sprintf("parent/%d", i), func(ctx context.Context) error {
				g.Spawn(fmt.Sprintf("child/%d", i), func(ctx context.Context) error {
					ran.Add(1)
					return ctx.Err()
				})
				return ctx.Err()
			})
		}
		require.NoError(t, g.Wait(), "round %d", round)
		require.EqualValues(t, 10, ran.Load())
	}
}

func TestGroupPropagatesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newRuntime()
		outer := rt.Group(t.Context())
		var siblingSaw error
		outer.Spawn("sibling", func(ctx context.Context) error {
			siblingSaw = untilEnded(ctx)
			return nil
		})
		outer.Spawn("outer", func(ctx context.Context) error {
			inner := rt.Group(ctx)
			inner.Spawn("inner", func(context.Context) error { return explode() })
			return inner.Wait()
		})
		defer func() {
			value := recover()
			require.NotNil(t, value)
			text := fmt.Sprint(value)
			require.Contains(t, text, "task inner: panic: boom")
			require.Contains(t, text, "runtime_test.go", "the stack of the task that panicked")
			require.Contains(t, text, "explode")
			require.NotContains(t, text, "task outer", "it is told once")
			require.ErrorContains(t, siblingSaw, "boom", "Wait waits for the others first")
		}()
		_ = outer.Wait()
		t.Fatal("Wait returned")
	})
}

//go:noinline
func explode() error { panic("boom") }

func TestGroupGoexit(t *testing.T) {
	g := newRuntime().Group(t.Context())
	g.Spawn("gone", func(context.Context) error {
		runtime.Goexit()
		return nil
	})
	require.ErrorContains(t, g.Wait(), "Goexit")
}

func TestGroupTaskNamesAreUnique(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newRuntime()
		g, other := rt.Group(t.Context()), rt.Group(t.Context())
		g.Spawn("heartbeat", untilEnded)
		require.PanicsWithValue(t, `process: a task "heartbeat" is already running in w0`, func() {
			other.Spawn("heartbeat", untilEnded)
		})
		require.NoError(t, other.Wait())
		g.Cancel(errLost)
		require.Equal(t, errLost, g.Wait())
		other.Spawn("heartbeat", func(context.Context) error { return nil })
		require.NoError(t, other.Wait())
	})
}

// registrations is a context that counts who waits for its end.
type registrations struct {
	context.Context
	done chan struct{}
	n    int
}

func (r *registrations) Done() <-chan struct{} { return r.done }
func (r *registrations) Value(any) any         { return nil }

func (r *registrations) AfterFunc(func()) func() bool {
	r.n++
	return func() bool { r.n--; return true }
}

// TestGroupLeaksNothing: a worker makes a group for every unit under the
// context of its whole life.
func TestGroupLeaksNothing(t *testing.T) {
	parent := &registrations{Context: t.Context(), done: make(chan struct{})}
	rt := newRuntime()
	for range 10 {
		rt.Group(parent)
		g := rt.Group(parent)
		g.Spawn("unit", func(context.Context) error { return nil })
		require.NoError(t, g.Wait())
		g.Spawn("unit", func(context.Context) error { return errLost })
		require.Equal(t, errLost, g.Wait())
	}
	require.Zero(t, parent.n)
}
