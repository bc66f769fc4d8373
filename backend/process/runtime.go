package process

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// NewRuntime returns the runtime of one process: its tasks are goroutines,
// labelled for profiles with the process's name and their own.
func NewRuntime(self env.Process) env.Runtime {
	return &goRuntime{self: self, running: map[string]bool{}}
}

type goRuntime struct {
	self env.Process

	mu      sync.Mutex
	running map[string]bool // the names of the running tasks
}

func (r *goRuntime) Step(ctx context.Context, step env.Step) (context.Context, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return env.WithStep(ctx, step), nil
}

func (r *goRuntime) Work(ctx context.Context, frames int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (r *goRuntime) Group(ctx context.Context) env.Group {
	g := &group{runtime: r, parent: ctx}
	g.idle.L = &g.mu
	return g
}

// enter registers a task's name. Names identify tasks wherever they are
// traced, so that two of a name are a bug of the caller.
func (r *goRuntime) enter(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[name] {
		panic(fmt.Sprintf("process: a task %q is already running in %s", name, r.self.Name))
	}
	r.running[name] = true
}

func (r *goRuntime) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, name)
}

// group is an env.Group on goroutines. Between its first task and the end of
// its last one it holds a scope under its parent; a group without running tasks
// holds none, so that a dropped group leaks nothing.
type group struct {
	runtime *goRuntime
	parent  context.Context

	mu       sync.Mutex
	idle     sync.Cond // signalled when tasks falls to 0
	ctx      context.Context
	cancel   context.CancelCauseFunc
	tasks    int
	first    error
	panicked *taskPanic
}

// taskPanic carries a task's panic to the goroutine that waits for the group.
type taskPanic struct {
	task  string
	value any
	stack []byte
}

func (p *taskPanic) Error() string {
	return fmt.Sprintf("task %s: panic: %v\n\n%s", p.task, p.value, p.stack)
}

// errExited is the error of a task that ended by runtime.Goexit, as a test's
// FailNow does on any goroutine but its own.
var errExited = errors.New("process: task called Goexit")

// Spawn starts fn on a goroutine. A panic in fn ends the group as an error
// does, and Wait panics with it.
func (g *group) Spawn(name string, fn func(ctx context.Context) error) {
	g.runtime.enter(name)
	g.mu.Lock()
	ctx := g.open()
	g.tasks++
	g.mu.Unlock()
	go g.run(ctx, name, fn)
}

// open returns the group's context. g.mu is held.
func (g *group) open() context.Context {
	if g.ctx == nil {
		child, cancel := context.WithCancelCause(g.parent)
		g.ctx, g.cancel = scope{child}, cancel
	}
	return g.ctx
}

func (g *group) run(ctx context.Context, name string, fn func(ctx context.Context) error) {
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("process", g.runtime.self.Name, "task", name)))
	err := errExited
	defer func() {
		// Goexit leaves err as it is and recover without a value.
		value := recover()
		var panicked *taskPanic
		if value != nil {
			panicked = asTaskPanic(name, value)
			err = panicked
		}
		g.runtime.leave(name)
		g.ended(err, panicked)
	}()
	err = fn(ctx)
}

// asTaskPanic keeps the stack of the innermost task when a panic passes through
// the Wait of several groups.
func asTaskPanic(name string, value any) *taskPanic {
	if inner, ok := value.(*taskPanic); ok {
		return inner
	}
	return &taskPanic{task: name, value: value, stack: debug.Stack()}
}

// ended takes a task that has returned out of the group.
func (g *group) ended(err error, panicked *taskPanic) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.panicked == nil {
		g.panicked = panicked
	}
	if err != nil && g.first == nil {
		g.first = err
		g.cancel(err)
	}
	g.tasks--
	if g.tasks > 0 {
		return
	}
	g.idle.Broadcast()
	if g.ctx.Err() == nil {
		// Unregister from the parent; a later Spawn opens a new scope.
		g.cancel(nil)
		g.ctx, g.cancel = nil, nil
	}
}

// Wait returns, or panics, once every task has ended.
func (g *group) Wait() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.tasks > 0 {
		g.idle.Wait()
	}
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.first
}

func (g *group) Cancel(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open()
	g.cancel(cause)
}
