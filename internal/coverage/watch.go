package main

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// watcher never objects: it writes down what happens in one universe.
type watcher struct {
	config *conversion.Config
	core   *core.Config
	seen   []happening
	// strikes are the events at which faults of a process fired, calls those of its
	// requests, both in order.
	strikes, calls map[string][]uint64

	tasks     map[place]*task
	busy      map[string]string // owners of units, by the unit's key
	draining  map[string]time.Duration
	holds     map[place]string         // the unit that a task has claimed, by its key
	beaten    map[string]time.Duration // when a unit's lease was last written
	refusals  map[string]*refusals     // of the object store, by process
	checkings map[string]schema.Checkpoint
	failing   map[string]bool     // units of which an attempt has failed
	living    map[string][]string // incarnations, by process, the newest last
}

// happening is one thing that counts.
type happening struct {
	item    string
	process string
	event   uint64
}

// place is a task of an incarnation.
type place struct{ process, incarnation, task string }

func newWatcher(system *conversion.System) *watcher {
	c := system.Config()
	return &watcher{
		config: c, core: &c.Core,
		strikes: map[string][]uint64{}, calls: map[string][]uint64{}, tasks: map[place]*task{},
		busy: map[string]string{}, draining: map[string]time.Duration{}, holds: map[place]string{},
		beaten: map[string]time.Duration{}, refusals: map[string]*refusals{}, checkings: map[string]schema.Checkpoint{}, failing: map[string]bool{},
		living: map[string][]string{},
	}
}

func (w *watcher) Name() string { return "coverage" }

// NeverObjects leaves the watcher out of the list of what held.
func (w *watcher) NeverObjects() {}

// Observe follows the rows, and what befalls the processes.
func (w *watcher) Observe(world *sim.World, e *sim.Effect) error {
	switch e.Kind {
	case sim.EffectCommit:
		w.beside(e)
		for key, row := range e.Writes("") {
			before, _ := world.Before(key)
			w.row(e, key, before, row)
		}
	case sim.EffectObject:
		w.object(e)
	case sim.EffectProcess:
		w.befall(e)
	}
	return nil
}

func (w *watcher) note(item, process string, event uint64) {
	w.seen = append(w.seen, happening{item, process, event})
}

// near is how many requests of a process count as right after a fault of it.
const near = 16

// tally counts what happened: how often, how often of that right after a fault of
// the process that did it, and in how many universes.
type tally struct{ n, after, universes int }

// count sums a universe up.
func (w *watcher) count() map[string]tally {
	sums := map[string]tally{}
	for _, h := range w.seen {
		t := sums[h.item]
		t.n++
		t.universes = 1
		if w.soon(h.process, h.event) {
			t.after++
		}
		sums[h.item] = t
	}
	return sums
}

// soon reports whether a fault of the process fired not long before the event. A
// commit is judged later than it happens: so events are compared, not the order in
// which they are told.
func (w *watcher) soon(process string, event uint64) bool {
	strikes := w.strikes[process]
	last, _ := slices.BinarySearch(strikes, event+1)
	if last == 0 {
		return false
	}
	calls := w.calls[process]
	from, _ := slices.BinarySearch(calls, strikes[last-1])
	to, _ := slices.BinarySearch(calls, event+1)
	return to-from <= near
}
