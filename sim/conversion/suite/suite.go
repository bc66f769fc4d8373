// Package suite puts the conversion and everything that must hold of it
// together: what tests, fuzzing and commands run.
package suite

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
)

// Target is the conversion, judged by every invariant.
func Target() sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &conversion.Config{} },
		Invariants: func(_ sim.Assembly, system sim.System) []sim.Invariant { return nil },
	}
}
