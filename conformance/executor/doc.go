// Package executor is a second executor for the simulator's plans. It runs the
// same programs as package sim, with the same faults at their calls, judged by
// the same properties; but the programs run on ordinary goroutines, in virtual
// time of package testing/synctest, and what they call the store with is the real
// client of TiKV (backend/tikv over client-go), whose requests come to the engine
// of package fakes/tikv as messages (conformance/rpc).
//
// What the two executors share is what a plan means: the configuration and the
// system (sim.Assembly), the kinds of faults (sim/fault) and who injects them
// (sim/inject, sim/search), the stores, and the judge (sim.Court). What they do
// not share is how things come to pass: the scheduler, tasks, contexts, clocks,
// the doorway, and the store's client. So a mistake in one of these shows as a
// disagreement between the two: see agreement_test.go.
//
// # Conditions
//
// A run is repeatable if GOMAXPROCS is 1, GODEBUG has randseednop=0 (client-go
// draws its back-offs from math/rand, which the run seeds), and no two of the
// run's own timers fire at the same nanosecond, for which the run itself cares.
// [Run] must be called inside of a bubble, and rpc.Quiet before it: a client that
// meets a broken connection would dial its store otherwise.
//
// # What is different by design
//
//   - The order of events follows latencies, also in a plan whose sim.arm is
//     elastic: a real scheduler cannot be told the order.
//   - A process that is paused blocks at its calls: at the next one, and where
//     its replies and timers come back to it. Its client's own back-offs and
//     tickers go on. With clock=stops its own clock stops; the client's does not.
//   - A process that has ended never touches the world again: its tasks leave by
//     runtime.Goexit at the next call, so that their deferred calls run and meet
//     the same end, as the simulator's do; what its client sends is not delivered,
//     and fails. Blocking it all until the end of the bubble would be as safe, but
//     the goroutines of hundreds of incarnations would pile up, and a bubble must
//     end without any.
//   - What a client asks of PD beside timestamps (regions, stores, the safe point),
//     and the timestamps that it asks for on its own, meet no faults: the simulator
//     has no such calls.
package executor
