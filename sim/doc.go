// Package sim is a deterministic simulator for distributed systems that are
// written against package env. One [Universe] is one run: a seeded scheduler,
// virtual clocks, in-memory stores, faults, and invariants that judge every
// commit. It knows nothing of the system it runs; package sim/conversion
// assembles one, and package sim/counter another, a tiny one.
//
// # The way of one call
//
// A task of the system calls a seam, say Txn.Commit. The store's client turns
// that into requests and gives each to its transport, which is the doorway of
// this package: there the call is named (process, task, step, operation, key
// class, n-th), counted and given its fate, its request becomes an event, and
// the task is suspended. When the scheduler picks the event, the store handles
// the request, the ledger says what came of it, the judge shows that to the
// invariants, and the reply becomes another event, which resumes the task.
// Request, reply and time-out are independent: giving up never retracts a
// request. Faults live in the doorway and nowhere else.
//
// # Determinism
//
// Actors are coroutines; one runs at a time. Every choice is drawn from a hash
// of the seed and of what the choice is about, never from a stream, so that
// taking one fault away changes nothing else. The rolling hash of a run covers
// every event: equal hashes mean equal runs, on every platform.
//
// # Arms
//
// How the events are ordered is a function of the seed, one of the arms of
// strategy.go, each with its share of the seeds. Some give every message a latency:
// "narrow" from a narrow range, "quantised" rounded so that ties occur, "mixture"
// sometimes just past a time-out or a lease. Others choose the order itself, over the
// messages in flight with the earliest timer as one more candidate, for letting
// time pass is a scheduling decision: "elastic" as a random walk, "surw" and
// "ta-pct" as the literature's floor. "pos" (partial-order sampling) and "pct" are
// there to compare with, and "default" to reduce to. Each is held to
// probabilities that are known (TestLostUpdate and those beside it).
//
// What strikes is drawn beside that, by package search, whatever the arm: also the
// stalls that are aimed just past leases (an aim of kind pause, half of them until a rival has
// come), and the faults at the few calls at which protocols are decided (an
// aim of any other kind). So each of them meets every order of events.
//
// # Phases
//
// First chaos: faults happen, and only safety is judged. Then everything heals
// and the work must be done within a bound in virtual time. Then leftovers must
// disappear, and every invariant has its last word.
package sim
