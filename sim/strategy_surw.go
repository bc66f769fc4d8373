package sim

import (
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// surw is a selectively uniform random walk (SURW, of "Selectively Uniform
// Concurrency Testing", 2025): every interleaving of the interesting events is as likely as another. One
// task at a time is meant to have the next interesting event, in proportion to
// how many it has left; the others' wait, and what is not interesting walks at
// random. Interesting are the requests at some classes of keys, half of those that
// there are. How many a task will have nobody knows before it ends: a guess stands
// for it, drawn for each task.
type surw struct {
	walk
	turns       int64 // turn of the interesting event that came last
	interesting func(*event) bool
	total       func(*task) int64 // how many interesting events a task will have
}

func newSURW(s *scheduler, a armSetup) strategy {
	return &surw{
		walk: walk{scheduler: s},
		interesting: func(e *event) bool {
			return e.kind == evRequest && e.msg.Op != ops.TSO && keyed.Mix(a.seed, keyed.HashText(e.msg.call.site.Class))&1 == 0
		},
		total: func(t *task) int64 { return 1 << (keyed.Mix(t.key, keyed.ForTurn) % 8) },
	}
}

func (w *surw) place(e *event, after int64) int64 {
	if c := &chainOf(e).chain; c.turn <= w.turns {
		w.drawTurn(chainOf(e))
	}
	return w.walk.place(e, after)
}

// drawTurn places a task's next interesting event among the others': a race of
// exponential variates at the rates of what is left.
func (w *surw) drawTurn(t *task) {
	left := max(w.total(t)-t.chain.done, 1)
	t.chain.turn = w.turns + max(keyed.Exponential(keyed.Mix(keyed.Mix(t.key, keyed.ForTurn), uint64(t.chain.done)))/left, 1)
}

func (w *surw) next() *event {
	m, t := w.allowed(), w.timers.head()
	if m == nil || t != nil && m.when > w.clock.at(w.scheduler, t, w.order) {
		if m != nil {
			w.order = max(w.order, w.clock.place)
		}
		w.clock.head = nil
		return w.fire()
	}
	w.order = max(w.order, m.when)
	if w.interesting(m) {
		t := chainOf(m)
		w.turns = max(w.turns, t.chain.turn)
		t.chain.done++
		w.drawTurn(t)
	}
	return w.arrive(m)
}

// allowed is the first of the pending events that are not interesting or whose
// task has the turn; nil if none is pending.
func (w *surw) allowed() *event {
	var turn *task
	for _, e := range w.messages.heap {
		if t := chainOf(e); turn == nil || t.chain.turn < turn.chain.turn || t.chain.turn == turn.chain.turn && t.serial < turn.serial {
			turn = t
		}
	}
	var first *event
	for _, e := range w.messages.heap {
		if (first == nil || before(e, first)) && (chainOf(e) == turn || !w.interesting(e)) {
			first = e
		}
	}
	return first
}
