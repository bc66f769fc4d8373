package sim

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// judge holds effects back until their order is final, then makes them true in
// the world and shows them to the invariants. The first that objects ends it.
type judge struct {
	world      *World
	invariants []Invariant
	watchers   []CallObserver // those of the invariants that want calls
	settlers   []Settler      // those that have a last word
	call       Call           // what watchers are shown
	pending    []Effect       // sorted by TS, equals in order of arrival
	last       uint64
	fresh      bool // something was observed since the system was last asked
	violation  *Violation
	asked      any     // the invariant that is being asked, nil for none
	effect     *Effect // that they are shown, nil for none
	// How many of the pending effects have been shown, the one that is being shown
	// among them, and how many of the invariants were before the one that is asked.
	shown, position int
	probe           *probe // of a healed system that takes long
}

// observeBy sets the invariants.
func (j *judge) observeBy(invariants []Invariant) {
	j.invariants = invariants
	for _, inv := range invariants {
		if watcher, ok := inv.(CallObserver); ok {
			j.watchers = append(j.watchers, watcher)
		}
		if settler, ok := inv.(Settler); ok {
			j.settlers = append(j.settlers, settler)
		}
	}
}

// submit puts an effect into the order. Most come last.
func (j *judge) submit(e *Effect) {
	if e.TS < j.last {
		j.fail(&Violation{Invariant: commitOrder, Blame: BlameFake, Text: "an effect came after one with a newer timestamp was judged: the fake's LowWater is wrong"})
		return
	}
	i := len(j.pending)
	for i > 0 && j.pending[i-1].TS > e.TS {
		i--
	}
	j.pending = slices.Insert(j.pending, i, *e)
}

// observe shows the invariants every effect whose place is final.
func (j *judge) observe() {
	if len(j.pending) > 0 {
		j.showUpTo(j.world.u.kv.LowWater())
	}
}

// close shows what is still held back: nothing undecided is decided any more.
func (j *judge) close() { j.showUpTo(1<<64 - 1) }

func (j *judge) showUpTo(ts uint64) {
	n := 0
	for n < len(j.pending) && j.pending[n].TS <= ts && j.violation == nil {
		j.shown = n + 1
		j.show(&j.pending[n])
		n++
	}
	j.pending, j.shown = slices.Delete(j.pending, 0, n), 0
}

func (j *judge) show(e *Effect) {
	j.last, j.fresh = e.TS, true
	j.world.apply(e)
	j.effect = e
	for i, inv := range j.invariants {
		j.asked, j.position = inv, i
		if err := inv.Observe(j.world, e); err != nil {
			j.convict(inv, err)
			return
		}
	}
	j.asked, j.effect = nil, nil
	if j.probe != nil {
		j.probe.observed(e)
	}
}

// settled gives the invariants that have one their last word.
func (j *judge) settled() {
	for _, inv := range j.settlers {
		if j.violation != nil {
			return
		}
		j.asked = inv
		if err := inv.Settled(j.world); err != nil {
			j.convict(inv, err)
		}
		j.asked = nil
	}
}

// convict turns an invariant's error into the run's violation.
func (j *judge) convict(inv Invariant, err error) {
	v, ok := err.(*Violation)
	if !ok {
		v = &Violation{Text: err.Error()}
	}
	if v.Invariant == "" {
		v.Invariant = inv.Name()
	}
	if blamer, ok := inv.(Blamer); ok {
		v.Blame = blamer.Blames()
	}
	j.asked = nil
	v.Text, v.Subject = plan.Printable(v.Text), plan.Printable(v.Subject)
	j.fail(v)
	j.effect = nil
}

// fail records the first violation; the run ends.
func (j *judge) fail(v *Violation) {
	if j.violation == nil {
		v.Event, v.At = j.world.u.events, j.world.Now()
		j.audit(v)
		j.second(v)
		j.violation = v
	}
}
