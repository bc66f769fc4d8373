// Package sweep runs many universes of one system in parallel, one on each
// core, and adds up what they came to. It is the only part of the simulator
// that starts goroutines and looks at a real clock; each universe stays on one
// goroutine and sees none.
package sweep

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/leaserace"
)

// Options say what to run.
type Options struct {
	Base  uint64 // the first seed; the others follow it
	Count int    // how many
	// Parallel is how many universes run at once; 0 means GOMAXPROCS.
	Parallel int
	// CollectStates counts abstract states and shapes.
	CollectStates bool
	// Patience is how long, in real time, a universe may let nothing happen
	// before it counts as stuck; 0 means for ever.
	Patience time.Duration
	// LeaseRaces lets a few universes, by their seeds, try a schedule that closes a race
	// of leases that came close (see package leaserace), unless the target is calm.
	LeaseRaces bool
	// Again is how many universes there are for each that is run twice, beside
	// those that fail, which all are; 0 means that none is.
	Again int
}

// Run sweeps the seeds and calls visit for each result, in the order of the
// seeds, on the calling goroutine, until it returns false. The error is a
// configuration's, a *Stuck or a *sim.Nondeterminism, not a violation's; the totals
// are of the universes before it.
func Run(target sim.Target, o Options, visit func(*sim.Result) bool) (*Totals, error) {
	t := newTotals()
	universe := sim.Run
	if o.LeaseRaces && !target.Calm {
		universe = leaserace.Run
	}
	one := func(i int) (*sim.Result, error) {
		seed := o.Base + uint64(i)
		return o.Check(target, seed, i, func(watched sim.Target) (*sim.Result, error) { return universe(watched, seed) })
	}
	err := Each(o.Count, o.Parallel, one, func(r *sim.Result) bool {
		t.add(r, o.CollectStates)
		return visit(r)
	})
	return t, err
}

// Each runs the universes from 0 to count-1, so many at once (0 means GOMAXPROCS),
// and calls visit for each result, in that order, on the calling goroutine, until
// it returns false. The error is that of the first universe that has one.
func Each(count, parallel int, one func(i int) (*sim.Result, error), visit func(*sim.Result) bool) error {
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	results := make([]*sim.Result, batch*parallel)
	errs := make([]error, batch*parallel)
	n := 0
	for done, size := 0, firstBatch*parallel; done < count; done, size = done+n, min(2*size, len(results)) {
		n = min(size, count-done)
		clear(results)
		runBatch(one, done, results[:n], errs[:n], parallel)
		for i, r := range results[:n] {
			if errs[i] != nil {
				return errs[i]
			}
			if !visit(r) {
				return nil
			}
		}
	}
	return nil
}

// batch is how many universes a core runs before results are handed over, and
// firstBatch how many at first: whoever stops at the first failure waits for no others.
const (
	batch      = 128
	firstBatch = 4
)

// runBatch fills results with the universes from the given one on. After an
// error no universe is begun; those before the failing one have all been run,
// so that the first error is the same in every sweep.
func runBatch(one func(i int) (*sim.Result, error), from int, results []*sim.Result, errs []error, parallel int) {
	var next atomic.Int64
	var failed atomic.Bool
	var running sync.WaitGroup
	for range parallel {
		running.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1) - 1)
				if i >= len(results) {
					return
				}
				results[i], errs[i] = one(from + i)
				if errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	running.Wait()
}

// Check runs universe i, of that seed, under watch, and once more if it is one
// of those that Again asks for or if it fails.
func (o *Options) Check(target sim.Target, seed uint64, i int, run func(watched sim.Target) (*sim.Result, error)) (*sim.Result, error) {
	once := func() (r *sim.Result, err error) {
		stuck := Watch(target, seed, o.Patience, func(watched sim.Target) { r, err = run(watched) })
		if stuck != nil {
			return nil, stuck
		}
		return r, err
	}
	r, err := once()
	if err != nil || o.Again == 0 || i%o.Again != 0 && r.Violation == nil {
		return r, err
	}
	second, err := once()
	if err != nil {
		return nil, err
	}
	if second.Hash != r.Hash {
		n := &sim.Nondeterminism{Seed: seed, First: r.Hash, Second: second.Hash}
		return nil, n.Locate(target)
	}
	return r, nil
}
