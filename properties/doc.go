// Package properties says what must hold of the conversion system, one sentence
// a file. Every invariant watches what the stores applied, never what the
// system's processes believe, and reads the stored rows by package schema, never
// by core: a wrong key, row or layout is found like any other mistake. The only
// actors trusted are the workload's clients, whose calls and returns the
// harness records.
//
// An invariant is one file and one line in the list (config.go). It declares its
// clauses, the ways in which it can break, and says what it looks at: a handler
// each for changes of batches, units, leases, objects and so on (watch.go). They
// are called for one effect at a time, in the order that counts (see
// [sim.Effect]); Settled judges the end. What a violation says:
//
//   - Rule: the rule of the protocol (R1 to R20) whose breach it is;
//   - Shape: the clause that broke and the step that broke it, without names,
//     numbers and times, so that two runs which fail alike have the same one;
//   - Text: one sentence that names both events;
//   - Subject: the key, batch or unit that they have in common.
//
// The invariants of one universe share a [view] of the stores, which is brought
// up to date by the first of them: use the slice that [All] returns as a whole,
// in its order, and for one universe only.
package properties
