package env

import (
	"context"
	"log/slog"
)

// Env is everything that one incarnation of one process may touch.
type Env struct {
	// Self names the process and this incarnation of it.
	Self Process
	// Clock is the process's own pair of clocks.
	Clock Clock
	// Runtime runs tasks and makes steps and computation visible.
	Runtime Runtime
	// KV is the transactional store that coordinates the processes.
	KV KV
	// Objects is the object store that holds sources, staging and datasets.
	Objects Objects
	// Temp is scratch space that may or may not survive a crash.
	Temp TempDir
	// Rand is the only source of randomness (jitter, choices).
	Rand Rand
	// Log and Metrics are write-only: no decision may depend on them.
	Log     Log
	Metrics Metrics
}

// Process identifies one incarnation of one process. Name may be reused after
// a crash; (Name, Incarnation) never is.
type Process struct {
	Name        string
	Incarnation string
}

// Step names one step of the protocol ("claim_unit", "try_claim_merge"): the
// coarsest of the three levels (step, store operation, RPC) at which logs,
// metrics, traces, faults and chaos scenarios address the system.
type Step string

// Runtime is the machine under a process, stores and clocks aside.
type Runtime interface {
	// Step enters a protocol step: it returns a context that carries the
	// step's name, under which every store call made with that context is
	// recorded, or an error if the step must not begin (the context ended, or
	// a chaos decorator refused it). On error nothing has happened.
	Step(ctx context.Context, step Step) (context.Context, error)
	// Work accounts for computing so many pieces of work, of about the same size
	// each. In simulation it costs virtual time, more on a slow process, and is a
	// point where a process can die; in production it only looks at ctx. It
	// returns the context's cause.
	Work(ctx context.Context, pieces int) error
	// Group starts an empty group of tasks under ctx.
	Group(ctx context.Context) Group
}

// Group is a set of tasks of one process that live and end together.
type Group interface {
	// Spawn starts fn as a new task. The context that fn receives ends when
	// the group is cancelled or any of its tasks returns an error. name is the
	// task's name in traces; it must be unique among the running tasks of the
	// process.
	Spawn(name string, fn func(ctx context.Context) error)
	// Wait returns once every spawned task has returned, with the first error
	// any of them returned (by order of return), or nil. It does not look at
	// the caller's context: cancel the group to make it return.
	Wait() error
	// Cancel ends the group's context with the given cause. It does not wait.
	Cancel(cause error)
}

// TempDir is a process's scratch space. After a crash it is either whole or
// empty; it never moves to another process. Entries are written atomically.
type TempDir interface {
	// Read returns an entry, or ErrNotFound.
	Read(name string) ([]byte, error)
	// Write stores an entry, replacing an older one; it may fail when full.
	Write(name string, data []byte) error
	// Remove deletes an entry; a missing one is no error.
	Remove(name string) error
}

// Rand is a source of randomness. In simulation it is keyed by seed, process,
// incarnation and task, so that one task's draws never shift another's.
type Rand interface {
	Uint64() uint64
}

// Log receives structured logs.
type Log interface {
	// Enabled reports whether a record of this level would be kept.
	Enabled(level slog.Level) bool
	// Log records one event. The step is read from ctx with StepOf.
	Log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr)
}

// Metrics receives counters and gauges. Names are snake_case with the unit
// last ("claims_total", "stage_bytes").
type Metrics interface {
	// Add increases a counter by delta, which is at least 0.
	Add(name string, delta int64)
	// Set sets a gauge.
	Set(name string, value int64)
}

type stepKey struct{}

// WithStep returns ctx carrying the step's name: the plain implementation of
// [Runtime.Step] for worlds that only look at ctx.
func WithStep(ctx context.Context, step Step) context.Context {
	return context.WithValue(ctx, stepKey{}, step)
}

// StepKey is the context key under which a Runtime stores the current step, for
// runtimes that have contexts of their own.
func StepKey() any { return stepKey{} }

// StepOf returns the step that ctx carries, or "".
func StepOf(ctx context.Context) Step {
	step, _ := ctx.Value(stepKey{}).(Step)
	return step
}
