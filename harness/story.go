package harness

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// storyLines is how long the story of a universe that held may be.
const storyLines = 30

// Story tells what happened in a universe that held: the steps, the faults that
// struck, the marks that were reached, the invariants that judged it.
func Story(target sim.Target, r *sim.Result) ([]string, error) {
	judged := &listing{}
	steps, err := explain.Tell(judged.of(target), r.Plan, storyLines)
	if err != nil {
		return nil, err
	}
	lines := append([]string{"sim: what happened (virtual time)"}, steps...)
	for _, f := range r.Fired {
		lines = append(lines, "sim: fault "+f.String())
	}
	if len(r.Marks) > 0 {
		lines = append(lines, "sim: marks "+sweep.Counts(r.Marks))
	}
	return append(lines, fmt.Sprintf("sim: %d invariants held: %s", len(judged.names), strings.Join(judged.names, " "))), nil
}
