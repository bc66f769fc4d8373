// Package leaserace predicts races of leases from universes that held. Where two
// owners have held one resource shortly after each other, the first would have been
// a zombie, had it been a little later: the schedules in which it is are tried.
//
// Who held what is taken from the rows in the stores, as the system's own Holds
// reads them (sim.Holder), never from what the processes believe. To predict a race
// from a run in which it did not happen is what predictive analyses do for threads
// (T. F. Serbanuta, F. Chen, G. Rosu, "Maximal Causal Models for Sequentially
// Consistent Systems", RV 2012); here no model decides whether the other order is
// possible: it is run.
package leaserace

import (
	"fmt"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Race is an owner of a resource, and the next one.
type Race struct {
	// What is held: "lease of unit 3".
	What string
	// First and Second are the owners, as "process/incarnation"; Second is "" if
	// nobody had it after the first.
	First, Second string
	// Last is when the first did something for the last time, Taken when the second
	// had it, and Lease for how long the first was protected (virtual time).
	Last, Taken, Lease time.Duration

	process string // of the first
	acts    []act  // of the first, the latest first
	taking  []act  // with which the second took it: one, or none that is known
}

// Gap is by how much the first owner was too early for the race (virtual time).
func (r *Race) Gap() time.Duration { return r.Taken - r.Last }

// String tells the race in one line.
func (r *Race) String() string {
	return fmt.Sprintf("%s: %s until %.3fs, then %s from %.3fs", r.What, r.First, r.Last.Seconds(), r.Second, r.Taken.Seconds())
}

// act is a request that was to change something.
type act struct {
	at    fault.Anchor
	event uint64
	when  time.Duration
}

// thread is a task of an incarnation.
type thread struct{ process, incarnation, task string }

// watcher finds the races of one universe. It is an invariant that never objects.
type watcher struct {
	holder sim.Holder
	bars   sim.Bars
	held   []held           // beside each bar
	newest map[resource]int // bars
	now    map[thread]int   // bars: what a task has begun to hold last
	latest map[thread]act   // acts
}

// held is what its owner did while it held something, the latest last: the last act
// of each operation in each step.
type held struct {
	acts   []act
	next   int // the bar of its successor on the same resource, 0 for none
	taking act // with which it was taken
}

type resource struct{ kind, name string }

func resourceOf(h *sim.Holding) resource {
	if h.Resource == "" {
		return resource{h.Kind, h.Key}
	}
	return resource{h.Kind, h.Resource}
}

// margin is how many lease times may lie between two owners' intervals for a race to
// be close. Whoever is silent for one loses what it holds; until its successor has
// found that out, and is done with what it does, another passes.
const margin = 3

// maxRecent is how many acts of a holding are remembered.
const maxRecent = 8

func newWatcher(s sim.System) *watcher {
	holder, _ := s.(sim.Holder)
	return &watcher{holder: holder, newest: map[resource]int{}, now: map[thread]int{}, latest: map[thread]act{}}
}

// Name is what panics would call it.
func (*watcher) Name() string { return "lease-races" }

// NeverObjects leaves it out of the list of what held.
func (*watcher) NeverObjects() {}

// ObserveCall remembers what owners do. What is prewritten is what its commit makes
// true: only the former counts.
func (w *watcher) ObserveCall(_ *sim.World, c *sim.Call) {
	if w.holder == nil || c.Client || !c.Op.HasEffect() || c.Op == ops.Commit || c.Op == ops.Resolve || c.Op == ops.Rollback {
		return
	}
	at := thread{c.Process, c.Incarnation, c.Task}
	a := act{c.Anchor(), c.Event, c.At}
	w.latest[at] = a
	i, holds := w.now[at]
	if !holds || w.bars.All[i].Until != (sim.Stamp{}) {
		return
	}
	acts := slices.DeleteFunc(w.held[i].acts, func(b act) bool { return b.at.Step == a.at.Step && b.at.Op == a.at.Op })
	if len(acts) == maxRecent {
		acts = acts[:copy(acts, acts[1:])]
	}
	w.held[i].acts = append(acts, a)
}

// Observe follows who holds what.
func (w *watcher) Observe(_ *sim.World, e *sim.Effect) error {
	if w.holder == nil || e.Kind != sim.EffectCommit {
		return nil
	}
	w.bars.Take(w.holder, e)
	by := thread{e.Process, e.Incarnation, e.Task}
	for i := len(w.held); i < len(w.bars.All); i++ {
		w.held = append(w.held, held{taking: w.latest[by]})
		w.now[by] = i
		of := resourceOf(&w.bars.All[i])
		if before, taken := w.newest[of]; taken {
			w.held[before].next = i
		}
		w.newest[of] = i
	}
	return nil
}

// races are the holdings that somebody else had soon after, or nobody had after.
func (w *watcher) races() (races []Race) {
	for i := range w.bars.All {
		first := &w.bars.All[i]
		r := Race{What: first.Kind + " of " + resourceOf(first).name, First: owner(first), Last: first.From.At, Lease: first.For, process: first.Process, acts: slices.Clone(w.held[i].acts)}
		slices.Reverse(r.acts)
		if len(r.acts) > 0 {
			r.Last = r.acts[0].when
		}
		if n := w.held[i].next; n > 0 && owner(&w.bars.All[n]) != r.First {
			r.Second, r.Taken = owner(&w.bars.All[n]), w.bars.All[n].From.At
			if taking := w.held[n].taking; taking.event > 0 { // else a lock's resolution made it true
				r.taking = []act{taking}
			}
		}
		if first.For > 0 && (r.Second == "" || r.Gap() <= margin*r.Lease) {
			races = append(races, r)
		}
	}
	return races
}

func owner(h *sim.Holding) string { return h.Process + "/" + h.Incarnation }
