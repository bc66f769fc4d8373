package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
)

func TestCounterLines(t *testing.T) {
	for seed := range uint64(2000) {
		r, err := sim.Run(counterTarget(false), seed)
		require.NoError(t, err)
		if r.Violation != nil {
			t.Log(r.Violation)
		}
		again, err := sim.Run(counterTarget(false), seed)
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash)
		replayed, err := sim.Replay(counterTarget(false), r.Plan)
		require.NoError(t, err)
		require.Equal(t, r.Hash, replayed.Hash, r.Plan)
	}
}

func BenchmarkCounter(b *testing.B) {
	b.ReportAllocs()
	events := uint64(0)
	for i := 0; b.Loop(); i++ {
		r, _ := sim.Run(counterTarget(false), uint64(i))
		events += r.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
}
