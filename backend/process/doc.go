// Package process is the machine under a real process: tasks that are
// goroutines, the machine's clocks, a scratch directory, logs and metrics. With
// the clients of real stores it makes the env.Env of the production daemon;
// package local puts in-memory stores behind it, and package processtest a mock
// clock, so that core's tests run it under the race detector. This is the one
// place of the project, the simulator's own core aside, that uses goroutines,
// channels and select.
//
// # The same as in the simulator
//
// Core is the same code, the seams keep the same contracts, and over package
// local the engine, the object store and their clients are the same, too.
//
//   - A context ends with a cause, and whatever waits returns that cause.
//     Contexts made by the clock or a group tell a deadline from a cancellation
//     by Err as well; those that the standard library derives from them only by
//     context.Cause.
//   - Clock.Sleep under a context that has ended returns its cause, even for no
//     time at all. Runtime.Step returns no context with its error.
//   - A group ends with its parent, with the first error of a task, or by
//     Cancel; Wait looks at nothing but its tasks. A task spawned into an ended
//     group starts, with an ended context. A group may be used again after Wait.
//   - A new incarnation has a new number, a new origin of its monotonic clock,
//     and the temp dir of the one before.
//
// # Different from the simulator
//
//   - Tasks run in parallel, and their order is the Go scheduler's: no run can
//     be repeated, and data races exist. Finding those is what it is for.
//   - Nothing is injected here: no lost requests, partitions, clock steps or
//     crashes. A process cannot be killed: it is asked to stop and runs on until
//     its tasks return, deferred functions having their full effect. (In
//     production the operating system kills it.) A zombie is therefore never
//     seen, nor a request that executes after its caller gave up.
//   - Runtime.Work takes the time that computing takes, which the mock clock
//     does not see: it only looks at the context.
//   - Randomness is one stream for a process, which its tasks draw from in
//     turn, and not keyed by task: a fixed seed does not fix a task's draws.
//   - A panic in a task ends its group, surfaces in Wait and, unless somebody
//     recovers it there, ends the program. Two running tasks of one name are a
//     panic, too.
//   - All processes of a local cluster share one wall clock, which neither
//     steps nor drifts; the machine's monotonic clock may stand still while the
//     machine itself is suspended.
//   - Timers of the mock clock that are due at the same instant fire in no
//     particular order, but what each sets in motion ends before the next one
//     fires. On the machine's clock several tasks wake at once.
package process
