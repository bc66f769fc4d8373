package plan_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

func ExampleParse() {
	p, err := plan.Parse("kept.plan", []byte(`gauntlet-plan 1
# A worker freezes with a commit in hand.
seed 42
system counter
expect none
set counter.workers = 2
fault pause at w1/main raise kv.commit counter #2 phase=before for=1m30s clock=stops
`))
	fmt.Println(p.Faults[0].Kind.Lasts(), err)

	_, err = plan.Parse("bad.plan", []byte("gauntlet-plan 1\nseed banana\n"))
	fmt.Println(err)
	// Output:
	// 1m30s <nil>
	// bad.plan:2: seed "banana": want a decimal number, 0x and up to 16 hex digits, or a commit's 40 hex digits
}
