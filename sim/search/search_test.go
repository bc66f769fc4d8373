package search_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/search"
)

var scale = fault.Scale{
	Magnitudes: []time.Duration{time.Second}, Leases: []time.Duration{time.Minute},
	MaxInFlight: time.Minute, GiveUp: time.Second, LongWork: time.Hour,
}

// met are the faults that the calls of many runs meet: three processes that
// make every operation in a few steps, a few hundred times.
func met(o search.Options, runs uint64) (faults []*fault.Fault, struck int) {
	for seed := range runs {
		injectors := search.Draw(keyed.New(seed, "chaos"), scale, o)
		before := len(faults)
		for n := 1; n <= 100; n++ {
			for _, op := range ops.All() {
				site := fault.Site{Process: "w0", Task: "worker", Step: "flip", Op: op, Class: "batch", Expendable: true}
				c := fault.Crossing{Site: &site, Nth: n, Seed: seed, Event: uint64(50 * n), ID: keyed.Mix(keyed.Mix(seed, uint64(op)), uint64(n))}
				for _, injector := range injectors {
					faults = injector.Strike(&c, faults)
				}
			}
		}
		if len(faults) > before {
			struck++
		}
	}
	return faults, struck
}

// Every kind is drawn, and aimed ones more often; some runs have none at all.
func TestEveryKindIsDrawn(t *testing.T) {
	faults, struck := met(search.Options{}, 1500)
	kinds := map[string]int{}
	for _, f := range faults {
		kinds[f.Name()]++
	}
	for _, k := range fault.Kinds() {
		require.Positive(t, kinds[k.Name], "%s was never drawn", k.Name)
	}
	require.Greater(t, struck, 400)
	require.Less(t, struck, 1500, "a run without faults finds what needs none")
}

// An assembly can set which kinds there are, how many, and what is aimed.
func TestOptions(t *testing.T) {
	faults, _ := met(search.Options{Kinds: []string{"refuse", "crash"}}, 100)
	require.NotEmpty(t, faults)
	for _, f := range faults {
		require.Contains(t, []string{"refuse", "crash"}, f.Name())
	}
	crashes, struck := met(search.Options{Kinds: []string{"crash"}, Budget: 1}, 100)
	require.Len(t, crashes, struck, "some run met more than its budget")
	require.ErrorContains(t, search.Options{Aims: []string{"melt"}}.Check(), `no fault is called "melt"; known: crash,`)
	require.ErrorContains(t, search.Options{Budget: -1}.Check(), "want 0 or more")
	require.NoError(t, search.Options{Kinds: fault.Names()}.Check())
}

// About one run in eight is flaky or lossy: its service refuses, or its link loses,
// again and again. Few meet repetitions,
// overtaking or rolling restarts. A mode that is off injects
// nothing, and what it injects when it is on is ambient.
func TestModes(t *testing.T) {
	flaky, lossy, repeated, reordered, rolling := 0, 0, 0, 0, 0
	for seed := range uint64(1000) {
		m := search.DrawModes(keyed.New(seed, "modes"), search.Options{}, scale)
		flaky += min(m.Flaky, 1)
		lossy += min(m.Lossy, 1)
		repeated += min(m.Repeated, 1)
		reordered += min(m.Reordered, 1)
		rolling += min(m.Rolling, 1)
		struck := 0
		injector := m.Injector()
		for n := uint64(0); injector != nil && n < 2_000; n++ {
			site := fault.Site{Process: "w0", Task: "worker", Op: ops.Put}
			c := fault.Crossing{Site: &site, Nth: 1000, Seed: seed, Event: n, ID: keyed.Mix(seed, n)}
			for _, f := range injector.Strike(&c, nil) {
				require.True(t, f.Ambient)
				struck++
			}
		}
		want := m.Repeated + m.Reordered + m.Rolling // of 10,000
		if m.FlakyService == "all" || m.FlakyService == "objects" {
			want += m.Flaky
		}
		if m.LossyService == "all" || m.LossyService == "objects" {
			want += m.Lossy
		}
		// Binomial, with five times the square root of the mean to either side.
		mean := float64(want) / 5
		require.InDelta(t, mean, struck, 5+5*math.Sqrt(mean), "seed %d: %+v", seed, m)
	}
	require.InDelta(t, 83, flaky, 40)
	require.InDelta(t, 42, lossy, 30)
	require.InDelta(t, 20, repeated, 18)
	require.InDelta(t, 20, reordered, 18)
	require.InDelta(t, 25, rolling, 18)
	none := search.None()
	require.Nil(t, none.Injector())
	limited := search.DrawModes(keyed.New(0, "modes"), search.Options{Kinds: []string{"crash"}}, scale)
	require.Nil(t, limited.Injector(), "no run may meet what its assembly leaves out")
}

// An operation that is hardly ever called is struck all the same, in many runs.
func TestRareOperationsAreStruck(t *testing.T) {
	struck := map[ops.Op]int{}
	for seed := range uint64(3000) {
		injectors := search.Draw(keyed.New(seed, "chaos"), scale, search.Options{})
		for n := 1; n <= 4; n++ {
			for _, op := range []ops.Op{ops.Delete, ops.AbortUpload, ops.CheckTxn, ops.SafePoint} {
				site := fault.Site{Process: "w0", Task: "janitor", Step: "collect", Op: op, Class: "staging"}
				c := fault.Crossing{Site: &site, Nth: n, Seed: seed, Event: 5, ID: keyed.Mix(keyed.Mix(seed, uint64(op)), uint64(n))}
				for _, injector := range injectors {
					for _, f := range injector.Strike(&c, nil) {
						struck[f.At.Op]++
					}
				}
			}
		}
	}
	for op, n := range struck {
		require.Greater(t, n, 5, op)
	}
	require.Len(t, struck, 4)
}
