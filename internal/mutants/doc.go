// Package mutants proves that the alarm works: every patch under
// testdata/mutants plants one bug into core, and the simulator must find it by
// the invariant that the patch names. Those under testdata/mutants/engine plant
// one into the in-memory TiKV, its engine or its client, which the invariant of
// snapshot isolation watches.
// The bug reaches the compiler through -overlay, so that the code itself carries
// no switches.
package mutants
