package fault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Each aim has a place: an operation that it is for and that its kind can strike.
// What clients repeat by themselves is aimed in bursts.
func TestAims(t *testing.T) {
	for _, k := range fault.Kinds() {
		if k.Aim.Weight == 0 {
			continue
		}
		places := 0
		for _, op := range ops.All() {
			if k.Aim.At(op) && k.Strikes(op) {
				places++
			}
		}
		require.Positive(t, places, k.Name)
	}
	for _, name := range []string{"refuse", "conflict", "error-body"} {
		k, _ := fault.Named(name)
		require.Greater(t, k.Aim.Burst, 3, name)
	}
}
