package sim

// What the simulator judges itself.
const (
	noPanic              = "no-panic"
	commitOrder          = "harness-commit-order"
	progressAfterHealing = "progress-after-healing"
)

// Inherent returns the names that violations bear beside those of a target's
// invariants, for what the simulator judges in every system.
func Inherent() []string { return []string{noPanic, commitOrder, progressAfterHealing} }
