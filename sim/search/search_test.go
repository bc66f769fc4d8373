package search_test

import (
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

// About one run in eight has a mode: a service that refuses, or a link that
// loses messages, again and again but not without end.
func TestModes(t *testing.T) {
	modes := 0
	for seed := range uint64(400) {
		injectors := search.Draw(keyed.New(seed, "chaos"), scale, search.Options{Budget: 1})
		struck := 0
		for n := range uint64(4_000) {
			site := fault.Site{Process: "w0", Task: "worker", Op: ops.Put}
			c := fault.Crossing{Site: &site, Nth: 1000, Seed: seed, Event: n, ID: keyed.Mix(seed, n)}
			for _, injector := range injectors {
				struck += len(injector.Strike(&c, nil))
			}
		}
		require.LessOrEqual(t, struck, 60, "seed %d", seed)
		if struck > 10 {
			modes++
		}
	}
	require.InDelta(t, 400.0/8/2, modes, 15, "half of the modes are of a service that this call goes to")
}
