// Package sweep runs many universes of one system in parallel, one on each
// core, and adds up what they came to. It is the only part of the simulator
// that starts goroutines; each universe stays on one of them.
package sweep

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Totals is what a sweep came to.
type Totals struct {
	Seeds                        int
	Published, Failed, Cancelled int // pieces of work, not seeds
	Violations, Inconclusive     int
	Events                       uint64
	VirtualSeconds               float64
	// Marks and Fired count over all seeds; MarkSeeds counts the seeds in
	// which a mark was reached at all.
	Marks, MarkSeeds, Fired map[string]int
	// States are the distinct abstract states of the system.
	States map[uint64]struct{}
	// Hashes counts the distinct hashes.
	Hashes map[uint64]struct{}
}

// Options say what to run.
type Options struct {
	Base  uint64 // the first seed; the others follow it
	Count int    // how many
	// Parallel is how many universes run at once; 0 means GOMAXPROCS.
	Parallel int
	// StopAfter ends the sweep early once that many seeds have failed; 0 means
	// never.
	StopAfter int
	// CollectStates keeps the set of abstract states.
	CollectStates bool
}

// Run sweeps the seeds and calls visit for each result, in the order of the
// seeds, on the calling goroutine. The error is a configuration's, not a
// violation's.
func Run(target sim.Target, o Options, visit func(*sim.Result)) (*Totals, error) {
	parallel := o.Parallel
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	type slot struct {
		result *sim.Result
		err    error
	}
	window := 64 * parallel
	slots := make([]chan slot, window)
	for i := range slots {
		slots[i] = make(chan slot, 1)
	}
	var next atomic.Int64
	var stop atomic.Bool
	permits := make(chan struct{}, window)
	var running sync.WaitGroup
	for range parallel {
		running.Go(func() {
			for {
				permits <- struct{}{}
				i := int(next.Add(1) - 1)
				if i >= o.Count || stop.Load() {
					return
				}
				r, err := sim.Run(target, o.Base+uint64(i))
				slots[i%window] <- slot{r, err}
			}
		})
	}
	t := &Totals{Marks: map[string]int{}, MarkSeeds: map[string]int{}, Fired: map[string]int{}, States: map[uint64]struct{}{}, Hashes: map[uint64]struct{}{}}
	var failure error
	for i := range o.Count {
		s := <-slots[i%window]
		<-permits
		if s.err != nil {
			failure = s.err
			break
		}
		t.add(s.result, o.CollectStates)
		visit(s.result)
		if o.StopAfter > 0 && t.Violations >= o.StopAfter {
			break
		}
	}
	stop.Store(true)
	go func() { // let workers that wait for a permit see the stop
		for range window {
			select {
			case <-permits:
			default:
			}
		}
	}()
	running.Wait()
	return t, failure
}

func (t *Totals) add(r *sim.Result, states bool) {
	t.Seeds++
	t.Published += r.Summary.Published
	t.Failed += r.Summary.Failed
	t.Cancelled += r.Summary.Cancelled
	t.Events += r.Events
	t.VirtualSeconds += r.Virtual.Seconds()
	t.Hashes[r.Hash] = struct{}{}
	if r.Violation != nil {
		t.Violations++
	}
	if r.Inconclusive {
		t.Inconclusive++
	}
	for name, n := range r.Marks {
		t.Marks[name] += n
		t.MarkSeeds[name]++
	}
	for _, f := range r.Fired {
		t.Fired[f.Kind.String()]++
	}
	if states {
		for _, s := range r.States {
			t.States[s] = struct{}{}
		}
	}
}

// Line is the sweep's summary, one line; cpu is in seconds.
func (t *Totals) Line(cpu float64) string {
	all := max(t.Published+t.Failed+t.Cancelled, 1)
	return fmt.Sprintf("sim: total seeds=%d published=%d failed=%d cancelled=%d published_pct=%.1f violations=%d inconclusive=%d events=%d virtual_s=%.0f cpu_s=%.1f",
		t.Seeds, t.Published, t.Failed, t.Cancelled, 100*float64(t.Published)/float64(all), t.Violations, t.Inconclusive, t.Events, t.VirtualSeconds, cpu)
}

// Counts lists names with their counts, in the order of the names.
func Counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, m[name]))
	}
	return strings.Join(parts, " ")
}
