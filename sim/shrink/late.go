package shrink

import (
	"cmp"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// mostLate is how many late messages point to where a fault may do the same.
const mostLate = 8

// late are the messages that were under way for longest in a run whose order is drawn,
// of those by which a protocol takes effect: an arm that lets time-outs pass them does at
// their calls what faults would do.
func (s *shrinking) late(moments []sim.Happening) (late []fault.Moment) {
	if s.best.ByDefault() {
		return nil
	}
	sorted := slices.DeleteFunc(slices.Clone(moments), func(m sim.Happening) bool { return !takesEffect(m.Call.Op) })
	slices.SortStableFunc(sorted, func(a, b sim.Happening) int { return cmp.Compare(b.Way, a.Way) })
	for _, m := range sorted[:min(mostLate, len(sorted))] {
		late = append(late, m.Moment)
	}
	return late
}
