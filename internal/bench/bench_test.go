// Package bench measures the whole and the bare harness; see make bench.
package bench_test

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// BenchmarkConversion is the whole: the real core, its fakes, every invariant.
// Rates are per CPU-second of the process, the collector included; shares are
// of the samples whose innermost frame of this module is in that room.
func BenchmarkConversion(b *testing.B) { benchmark(b, suite.Target()) }

// BenchmarkCounter is the bare harness under a light system.
func BenchmarkCounter(b *testing.B) { benchmark(b, counter.Target(false)) }

// worlds pin how large a universe is: a tenth of the drawn ones are larger than
// the medium one, and none as large as the last.
var worlds = []struct {
	name                                          string
	workers, batches, sources, recordings, frames int
}{
	{"small", 2, 1, 1, 2, 10},
	{"medium", 4, 2, 2, 6, 30},
	{"large", 32, 4, 3, 16, 30},
}

// BenchmarkWorlds is the whole in worlds of three sizes; all else is drawn, faults
// and stores, too. On two processors (-cpu 2) two universes run at once.
func BenchmarkWorlds(b *testing.B) {
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) {
			target := suite.Target()
			target.Vary = func(c *sim.Config, a sim.Assembly) {
				k := a.(*conversion.Config)
				k.Workers, k.Batches, k.Sources, k.Recordings, k.Frames = w.workers, w.batches, w.sources, w.recordings, w.frames
				c.ChaosEvents = 1_000_000
				c.WorkTime = min(c.WorkTime, 100*time.Millisecond) // else 31 workers look on for an hour while one merges
			}
			benchmark(b, target)
		})
	}
}

func benchmark(b *testing.B, target sim.Target) {
	var samples bytes.Buffer
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	profiling := pprof.StartCPUProfile(&samples) == nil // not under -cpuprofile
	cpu := harness.CPUSeconds()
	var seeds, counted, virtual atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := sim.Run(target, uint64(seeds.Add(1)))
			if err != nil || r.Violation != nil {
				b.Error(err, r.Violation)
				return
			}
			counted.Add(int64(r.Events))
			virtual.Add(int64(r.Virtual))
		}
	})
	events := float64(counted.Load())
	cpu = harness.CPUSeconds() - cpu
	runtime.ReadMemStats(&after)
	b.ReportMetric(events/cpu, "events/cpu-s")
	b.ReportMetric(float64(b.N)/cpu, "seeds/cpu-s")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(time.Duration(virtual.Load()).Seconds()/cpu, "virtual-s/cpu-s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/events, "allocs/event")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/events, "B/event")
	if profiling {
		pprof.StopCPUProfile()
		reportShares(b, samples.Bytes())
	}
}

// reportShares attributes every sample to the room that was at work.
func reportShares(b *testing.B, samples []byte) {
	p, err := profile.ParseData(samples)
	require.NoError(b, err)
	shares := map[string]float64{}
	total := 0.0
	for _, s := range p.Sample {
		weight := float64(s.Value[0])
		total += weight
		shares[roomOf(s)] += weight
	}
	if total == 0 {
		return
	}
	for _, room := range []string{"system", "fakes", "simulator", "oracles", "runtime"} {
		b.ReportMetric(100*shares[room]/total, "%"+room)
	}
}

// roomOf finds the innermost frame of a sample that belongs to this module.
func roomOf(s *profile.Sample) string {
	const module = "github.com/gauntlet-dst/gauntlet/"
	for _, location := range s.Location {
		for _, line := range location.Line {
			name, ours := strings.CutPrefix(line.Function.Name, module)
			switch {
			case !ours, strings.HasPrefix(name, "sim/conversion/schema"): // its caller's
				continue
			case strings.HasPrefix(name, "core") || strings.HasPrefix(name, "internal/bench"):
				return "system"
			case strings.HasPrefix(name, "fakes"):
				return "fakes"
			case strings.HasPrefix(name, "properties"), strings.HasPrefix(name, "sim/conversion/workload"):
				return "oracles"
			default:
				return "simulator"
			}
		}
	}
	return "runtime"
}
