// Package model is the protocol once more, as a machine that can be executed: its
// state is that of batches, units, leases, merges and the leadership, and its
// transitions are what the steps of the protocol may do to it. A run refines the
// model if each committed transaction is exactly one of them:
//
//   - the step that committed it has a transition between these states;
//   - its guard holds at the commit, not only at the snapshot that it was decided on;
//   - it writes what the transition writes, whole: no row is missing, none is too much,
//     and no field differs but those that the model leaves free.
//
// The model is a second opinion on the invariants of package properties, which say
// what must never be; it says all that may be. It shares nothing with them but the
// reader of rows, and imports nothing of the system.
//
// Free, and so for others to judge: bytes (digests, manifests, ETags, codec states),
// texts of errors, wall clocks, status rows (they tell of a snapshot), and time: the
// model lets a lease be taken at any moment. A transaction without a write, or one that
// writes what is there, is a stutter.
//
// By itself, as the only invariant, it found 8 of the first 11 planted bugs in the order
// of a hash, within 500 universes each (go run ./internal/onlymodel). It missed
// rows-unquoted, unit-id-without-batch and merge-reads-one-page, whose transactions are
// transitions: what they get wrong is what the model leaves free, or never happens.
package model
