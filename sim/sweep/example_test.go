package sweep_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// A sweep runs many universes, on all cores, and shows their results in the
// order of their seeds.
func ExampleRun() {
	for _, careless := range []bool{false, true} {
		totals, err := sweep.Run(counter.Target(careless), sweep.Options{Base: 1, Count: 200}, func(*sim.Result) bool { return true })
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("careless=%v: %d universes, violations: %v\n", careless, totals.Seeds, totals.Violations > 0)
	}
	// Output:
	// careless=false: 200 universes, violations: false
	// careless=true: 200 universes, violations: true
}
