package executor_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/executor"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var asked = flag.String("plan", "", "the plan that TestSecond asks about: a file, also relative to the module's root")

// usualPlan is what TestSecond asks about if nobody says more.
const usualPlan = "seeds/merger-frozen-in-flip.plan"

// TestSecond asks the second executor about one plan. If it disagrees with the
// simulator, and not because of the order of events, then what the simulator says of
// the plan is a bug of a fake's client or of the harness, not of the system.
func TestSecond(t *testing.T) {
	name := *asked
	if name == "" {
		name = usualPlan
	}
	text, err := os.ReadFile(name)
	if err != nil {
		text, err = os.ReadFile(filepath.Join(root, name))
	}
	require.NoError(t, err)
	p, err := plan.Parse(name, text)
	require.NoError(t, err)
	one := simulated(t, p)
	says, wrong := second(t, p, one)
	fmt.Printf("second: %s: simulator %s; second executor %s\n", name, one, says)
	require.False(t, wrong, "the two disagree: the bug is the fake's or the harness's")
}

// second is the second executor's verdict on a plan of which the simulator says one,
// in words, and whether it is a disagreement.
func second(t *testing.T, p *plan.Plan, one outcome) (says string, wrong bool) {
	two := executed(t, p)
	switch {
	case !two.fired:
		return fmt.Sprintf("cannot tell: not every fault strikes there (%s)", two), false
	case two.verdict == executor.Inconclusive || one.verdict == executor.Inconclusive:
		return fmt.Sprintf("cannot tell: %s", two), false
	case one.verdict == two.verdict:
		blame := ""
		if one.verdict == executor.Violated {
			blame = ": the bug is the system's"
		}
		return fmt.Sprintf("agrees: %s%s", two, blame), false
	}
	if why := ordered(t, p, one, two); why != "" {
		return fmt.Sprintf("cannot tell: %s; %s", two, why), false
	}
	return fmt.Sprintf("disagrees: %s", two), true
}
