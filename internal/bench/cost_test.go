package bench_test

import (
	"flag"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

var universes = flag.Int("universes", 20, "of how many universes TestCost counts what an event costs, from seed 1 on")

// TestCost holds an event to its memory, and is a fixed run, without a profile or a
// clock, for those who count instructions. Universes of the counter are short.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		name          string
		target        sim.Target
		times         int
		allocs, bytes float64 // an event, at most
	}{
		{"conversion", suite.Target(), 1, 3, 600},
		{"counter", counter.Target(false), 10, 3, 450},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			events := 0.0
			for seed := range c.times * *universes {
				r, err := sim.Run(c.target, uint64(seed+1))
				require.NoError(t, err)
				require.Nil(t, r.Violation)
				events += float64(r.Events)
			}
			runtime.ReadMemStats(&after)
			require.Positive(t, events)
			allocs, bytes := float64(after.Mallocs-before.Mallocs)/events, float64(after.TotalAlloc-before.TotalAlloc)/events
			t.Logf("%.0f events, %.3f allocations and %.1f bytes an event", events, allocs, bytes)
			require.Less(t, allocs, c.allocs)
			require.Less(t, bytes, c.bytes)
		})
	}
}
