// Package bench measures the whole and the bare harness; see make bench.
package bench_test

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// BenchmarkConversion is the whole: the real core, its fakes, every invariant.
// Rates are per CPU-second of the process, the collector included; shares are
// of the samples whose innermost frame of this module is in that room.
func BenchmarkConversion(b *testing.B) { benchmark(b, suite.Target()) }

// BenchmarkCounter is the bare harness under a light system.
func BenchmarkCounter(b *testing.B) { benchmark(b, counter.Target(false)) }

func benchmark(b *testing.B, target sim.Target) {
	var samples bytes.Buffer
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	profiling := pprof.StartCPUProfile(&samples) == nil // not under -cpuprofile
	cpu := harness.CPUSeconds()
	events, virtual := 0.0, 0.0
	seed := uint64(1)
	for b.Loop() {
		r, err := sim.Run(target, seed)
		if err != nil || r.Violation != nil {
			b.Fatal(err, r.Violation)
		}
		events += float64(r.Events)
		virtual += r.Virtual.Seconds()
		seed++
	}
	cpu = harness.CPUSeconds() - cpu
	runtime.ReadMemStats(&after)
	b.ReportMetric(events/cpu, "events/cpu-s")
	b.ReportMetric(float64(b.N)/cpu, "seeds/cpu-s")
	b.ReportMetric(virtual/cpu, "virtual-s/cpu-s")
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
