package sim_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/risk"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// news counts the universes that show something that those counted first have not
// shown.
type news struct {
	risk.Species
	seen  map[uint64]bool
	later int
	new   int
}

func (n *news) add(shown []uint64, first bool) {
	if first {
		n.Add(shown)
		for _, thing := range shown {
			n.seen[thing] = true
		}
		return
	}
	n.later++
	for _, thing := range shown {
		if !n.seen[thing] {
			n.new++
			return
		}
	}
}

// TestResidual holds what is said after n universes of the next one against the
// next n. Their share that shows something new is a mean of n draws, and so, about,
// is the estimate: they may differ by four standard deviations of the difference of
// two such means. The bound may lie below the share by two of one mean's. Under
// -short n is 25 instead of 300, and there is one sample instead of three.
func TestResidual(t *testing.T) {
	n, samples := 300, 3
	if testing.Short() {
		n, samples = 25, 1
	}
	for sample := range samples {
		kinds := map[string]*news{"state": {seen: map[uint64]bool{}}, "shape": {seen: map[uint64]bool{}}}
		base := uint64(1_000_000 * (sample + 1))
		_, err := sweep.Run(suite.Conversion().Target, sweep.Options{Base: base, Count: 2 * n}, func(r *sim.Result) bool {
			first := r.Seed < base+uint64(n)
			kinds["state"].add(r.States, first)
			kinds["shape"].add(r.Shapes, first)
			return true
		})
		require.NoError(t, err)
		for kind, k := range kinds {
			require.Equal(t, n, k.later)
			share := float64(k.new) / float64(n)
			deviation := math.Sqrt(share * (1 - share) / float64(n))
			require.InDelta(t, share, k.Next(), 4*math.Sqrt2*deviation, "%s, seeds from %d", kind, base)
			require.LessOrEqual(t, share, k.AtMost()+2*deviation, "%s, seeds from %d", kind, base)
			t.Logf("%s: after %d universes, of the next %d: estimate %.3f, at most %.3f, found %.3f", kind, n, n, k.Next(), k.AtMost(), share)
		}
	}
}
