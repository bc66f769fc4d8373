// Package mutants proves that the alarm works: every patch under
// testdata/mutants plants one bug into core, and the simulator must find it by
// the invariant that the patch names. The bug reaches the compiler through
// -overlay, so that core itself carries no switches.
package mutants
