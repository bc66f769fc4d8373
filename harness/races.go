package harness

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/leaserace"
)

// maxSchedules is how many schedules a universe's races are tried with, one race
// after the other.
const maxSchedules = 32

// Races tells the races of leases that came close in a universe that held, a line
// each, and tries schedules that close them; failing is the first that fails, or
// nil. A sweep tries one schedule of few universes.
func Races(target sim.Target, r *sim.Result) (lines []string, failing *sim.Result, err error) {
	_, races, err := leaserace.Watch(target, func(watched sim.Target) (*sim.Result, error) { return sim.Replay(watched, r.Plan) })
	if err != nil {
		return nil, nil, err
	}
	left := maxSchedules
	for i := range races {
		if races[i].Second == "" {
			continue
		}
		tried := 0
		for _, schedule := range races[i].Schedules(r) {
			if left == 0 || failing != nil {
				break
			}
			left--
			tried++
			v, err := leaserace.Try(target, r, schedule)
			if err != nil {
				return nil, nil, err
			}
			if v.Violation != nil {
				failing = v
			}
		}
		line := fmt.Sprintf("sim: close race: %s; %d schedules that close it: ", races[i].String(), tried)
		if failing != nil {
			return append(lines, line+"the last one fails"), failing, nil
		}
		lines = append(lines, line+"all hold")
	}
	return lines, nil, nil
}
