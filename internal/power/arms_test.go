package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// armedWith are measurements of one bug: 1,000 universes of a hundredth of a second with
// every arm, of which those named killed so many.
func armedWith(t *testing.T, kills map[string]int) *measurements {
	file := filepath.Join(t.TempDir(), "cells")
	var text strings.Builder
	for _, arm := range sim.Arms() {
		fmt.Fprintf(&text, `{"Mutant":"a","Name":%q,"Universes":1000,"Kills":%d,"CPU":10}`+"\n", arm, kills[arm])
	}
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	cells, err := mutants.ReadCells(file)
	require.NoError(t, err)
	return newMeasurements([]mutants.Mutant{{Name: "a"}}, cells)
}

// TestMix: a portfolio finds a bug with the probabilities of its arms, each by its
// weight, and an arm that is taken away leaves its share to the others.
func TestMix(t *testing.T) {
	m := armedWith(t, map[string]int{"narrow": 100, "pos": 20})
	w := weights{"narrow": 0.5, "pos": 0.25, "elastic": 0.25}
	whole := w.mix(m.counted("a"))
	require.InDelta(t, 0.055, whole.p, 1e-9)
	require.InDelta(t, 0.01, whole.perUniverse, 1e-9)
	require.InDelta(t, 0.01, w.without("narrow").mix(m.counted("a")).p, 1e-9)
	require.InDelta(t, 0.0595, w.moreOf("narrow", 0.1).mix(m.counted("a")).p, 1e-9)

	require.Zero(t, m.lost(m.all, w, w.without("narrow")))
	require.Equal(t, 1, m.lost(m.all, w, weights{"elastic": 1}))

	found, only, cheapest := m.merits(m.all, sim.Arms(), "narrow")
	require.Equal(t, []int{1, 0, 1}, []int{found, only, cheapest})
	found, only, cheapest = m.merits(m.all, sim.Arms(), "pos")
	require.Equal(t, []int{1, 0, 0}, []int{found, only, cheapest})
}

// TestAgainst: what is known of a ratio is an interval around it, and arms that found
// as much as each other cost the same, also where that is nothing.
func TestAgainst(t *testing.T) {
	e := armedWith(t, map[string]int{"narrow": 100, "quantised": 100, "pos": 25}).estimate([]mutants.Mutant{{Name: "a"}})
	narrow := weights{"narrow": 1}
	require.Equal(t, interval{1, 1, 1}, e.against(narrow, narrow))
	require.InDelta(t, 1, e.against(weights{"quantised": 1}, narrow).mid, 1e-9)
	require.InDelta(t, 1, e.against(weights{"surw": 1}, weights{"surw": 0.5, "pct": 0.5}).mid, 1e-9)
	ratio := e.against(weights{"pos": 1}, narrow)
	require.InDelta(t, 100.5/25.5, ratio.mid, 1e-9)
	require.Less(t, ratio.low, 3.2)
	require.Greater(t, ratio.high, 5.0)
}

// TestBinomial: the mean and the variance are those of the distribution.
func TestBinomial(t *testing.T) {
	const n, times = 200, 20_000
	for _, p := range []float64{0.0025, 0.1, 0.9} {
		draw, sum, squares := rand.New(rand.NewPCG(1, 2)), 0.0, 0.0
		for range times {
			x := float64(binomial(draw, n, p))
			sum, squares = sum+x, squares+x*x
		}
		mean := sum / times
		require.InEpsilon(t, n*p, mean, 0.05)
		require.InEpsilon(t, n*p*(1-p), squares/times-mean*mean, 0.05)
	}
}

// TestDifferences: a bug that two arms find is told from one that all find.
func TestDifferences(t *testing.T) {
	require.InDelta(t, 20.28, chiSquare995(7), 0.1) // of tables
	equal := map[string]int{}
	for i, arm := range sim.Arms() {
		equal[arm] = 10 + i%3
	}
	m := armedWith(t, equal)
	require.Less(t, m.gTest("a", sim.Arms()), chiSquare995(7))
	require.NotContains(t, m.differences(m.all, sim.Arms()), "`a`")
	m = armedWith(t, map[string]int{"narrow": 6, "quantised": 8})
	require.Contains(t, m.differences(m.all, sim.Arms()), "| `a` | 6 of 1000 | 8 of 1000 | 0 of 1000 |")
}

// TestShares: the shares of the arms that seeds draw are all there is.
func TestShares(t *testing.T) {
	sum := 0.0
	for arm, share := range shares() {
		require.Contains(t, sim.Arms(), arm)
		sum += share
	}
	require.InDelta(t, 1, sum, 1e-9)
	for _, a := range alternatives() {
		sum := 0.0
		for arm, share := range a.weights {
			require.Contains(t, sim.Arms(), arm)
			require.Positive(t, share)
			sum += share
		}
		require.InDelta(t, 1, sum, 1e-9, a.what)
	}
}

// TestSample: the file lists bugs that there are, each once.
func TestSample(t *testing.T) {
	t.Chdir("../..")
	all, err := mutants.All("testdata/mutants")
	require.NoError(t, err)
	chosen, err := mutants.Chosen(all, "-mutants", mutants.Sample)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, m := range chosen {
		names[m.Name] = true
	}
	require.Len(t, chosen, 37)
	require.Len(t, names, 37)
}
