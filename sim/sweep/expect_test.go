package sweep

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// The interval's ends for 79 of 100 and for 0 of 10, worked out by hand: 0.7793
// +- 0.0791, and 0.1387 +- 0.1387.
func TestWilson(t *testing.T) {
	low, high := Wilson(79, 100)
	require.InDelta(t, 0.7002, low, 0.0005)
	require.InDelta(t, 0.8583, high, 0.0005)
	low, high = Wilson(0, 10)
	require.InDelta(t, 0, low, 1e-9)
	require.InDelta(t, 0.2775, high, 0.0005)
}

// A demand fails only if the sample shows that it is not met.
func TestExpectation(t *testing.T) {
	totals := func(good, bad int) *Totals {
		return &Totals{Outcomes: []sim.Count{{Name: "good", N: good}, {Name: "bad", N: bad}}}
	}
	want := Expectation{Outcome: "good", AtLeast: 0.8}
	require.NoError(t, want.Judge(totals(0, 0)))
	require.NoError(t, want.Judge(totals(0, 2)), "one universe")
	require.NoError(t, want.Judge(totals(79, 21)), "a hundred cannot tell 79 % from 80 %")
	require.NoError(t, want.Judge(totals(167, 61)), "200 universes of correct core came to that")
	require.NoError(t, want.Judge(totals(9000, 1000)))
	require.EqualError(t, want.Judge(totals(7800, 2200)),
		"good: 7800 of 10000, between 76.3 and 79.6 % with 99.99 % confidence; expected are at least 80.0 %")
	require.Error(t, Expectation{Outcome: "unheard of", AtLeast: 0.8}.Judge(totals(100, 0)))
}
