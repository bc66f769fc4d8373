package risk_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/risk"
)

// Worked out by hand: of five universes, the second, the fourth and the fifth show
// something that no other one shows; the second to the fifth are the first to show
// something, but the third's is shown again.
func TestSpecies(t *testing.T) {
	var s risk.Species
	require.Equal(t, 1.0, s.Next(), "nothing is known yet")
	require.Equal(t, 1.0, s.AtMost())
	for _, shown := range [][]uint64{{1, 1}, {1, 2}, {3}, {3, 4, 4}, {1, 5, 6}} {
		s.Add(shown)
	}
	require.Equal(t, 5, s.Universes())
	require.Equal(t, 6, s.Len())
	require.InDelta(t, 3.0/5, s.Next(), 1e-12)
	require.Equal(t, 1.0, s.AtMost(), "both of the later two were the first to show something")
}

// One in twenty for zero of n; the rule of three for many.
func TestBound(t *testing.T) {
	require.Equal(t, 1.0, risk.Bound(0, 0))
	require.Equal(t, 1.0, risk.Bound(7, 7))
	require.InDelta(t, 1-math.Pow(0.05, 1.0/10), risk.Bound(0, 10), 1e-9)
	require.InDelta(t, 3e-6, risk.Bound(0, 1_000_000), 1e-8)
	// The exact bound of Clopper and Pearson for 5 of 100 is 0.1023.
	require.InDelta(t, 0.1023, risk.Bound(5, 100), 0.02)
	require.Greater(t, risk.Bound(5, 100), 0.1023)
}

// Counting one universe after the other agrees with the definitions.
func TestSpeciesIsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sample := rapid.SliceOf(rapid.SliceOfN(rapid.Uint64Range(1, 30), 0, 5)).Draw(t, "sample")
		var s risk.Species
		showers := map[uint64]map[int]bool{}
		for i, shown := range sample {
			s.Add(shown)
			for _, thing := range shown {
				if showers[thing] == nil {
					showers[thing] = map[int]bool{}
				}
				showers[thing][i] = true
			}
		}
		alone := map[int]bool{}
		for _, by := range showers {
			for i := range by {
				if len(by) == 1 {
					alone[i] = true
				}
			}
		}
		require.Equal(t, len(showers), s.Len())
		if len(sample) > 0 {
			require.InDelta(t, float64(len(alone))/float64(len(sample)), s.Next(), 1e-12)
		}
	})
}

// zipf is a universe of a world whose things are known: thing k of n is shown with
// the probability 1/k^power, each by itself.
func zipf(seed uint64, n int, power float64) (shown []uint64) {
	d := keyed.New(seed, "zipf")
	for k := 1; k <= n; k++ {
		if float64(d.Sub("thing").Intn(string(rune(k)), 1<<30))/(1<<30) < math.Pow(float64(k), -power) {
			shown = append(shown, uint64(k))
		}
	}
	return shown
}

// unseen is how likely the next universe of that world shows something new.
func unseen(seen map[uint64]bool, n int, power float64) float64 {
	nothing := 1.0
	for k := 1; k <= n; k++ {
		if !seen[uint64(k)] {
			nothing *= 1 - math.Pow(float64(k), -power)
		}
	}
	return 1 - nothing
}

// In a world whose truth is known the estimator is near it on average, and the
// bound holds in 95 % of the samples or more.
func TestKnownWorld(t *testing.T) {
	const samples, things = 100, 60
	for _, power := range []float64{1, 2} {
		for _, n := range []int{30, 120} {
			held, off := 0, 0.0
			for sample := range samples {
				var s risk.Species
				seen := map[uint64]bool{}
				for i := range n {
					shown := zipf(keyed.Mix(uint64(sample), uint64(i)), things, power)
					s.Add(shown)
					for _, thing := range shown {
						seen[thing] = true
					}
				}
				truth := unseen(seen, things, power)
				off += s.Next() - truth
				if truth <= s.AtMost() {
					held++
				}
			}
			require.GreaterOrEqual(t, held, samples*95/100, "power %v, %d universes", power, n)
			// The mean of 100 estimates. Each is a share of 30 universes or more, with a
			// standard deviation of 0.09 at most: four times that of their mean.
			require.InDelta(t, 0, off/samples, 0.037, "power %v, %d universes", power, n)
		}
	}
}
