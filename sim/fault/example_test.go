package fault_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// A fault is a kind with its options at a call, which is named by its meaning.
func ExampleParse() {
	f, err := fault.Parse("lose-reply at w0/worker complete_unit kv.commit unit #3 seen=reset")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Kind.Info().About+",", "the third time that", f.At.Process, "does", f.At.Op)

	_, err = fault.Parse("pause at w0/worker flip kv.commit batch #1 phase=before for=soon")
	fmt.Println(err)
	// Output:
	// a request is applied, and its reply is lost, the third time that w0 does kv.commit
	// for=soon: want a duration from 0s to 2400h0m0s
}
