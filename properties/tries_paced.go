package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// triesPaced judges, for storeSpared, how soon a transaction that has met a conflict is
// tried again: the pause doubles with each try, and at least half of it is slept.
type triesPaced struct {
	tasks    map[tasked]tries
	suspects []suspicion
}

// tries are those of one transaction, each of which met a conflict.
type tries struct {
	step, primary string
	count         int
	last          sim.EventRef
	lastTS        uint64
	began         time.Duration // when the next one asked for its timestamp
	nextTS        uint64        // of the next one
}

// follow takes a request that is no client's: who calls a client calls it again as they
// like. Tries are of one transaction if they follow each other with nothing in between, in
// one step and with one primary.
func (r *triesPaced) follow(w *sim.World, cfg *Config, c *sim.Call) {
	of := tasked{incarnation{c.Process, c.Incarnation}, c.Task}
	conflict := c.Op == ops.Prewrite && c.Answer.KV == tikv.StatusWriteConflict
	t, follows := r.tasks[of]
	if !follows && !conflict {
		return
	}
	if c.Late || c.Unheard() && !conflict || c.Fate > sim.Refused || c.Op.Service() == ops.Objects {
		delete(r.tasks, of)
		return
	}
	switch c.Op {
	case ops.TSO:
		if t.began != 0 { // it has not got one, or it has committed
			delete(r.tasks, of)
			return
		}
		t.began = c.At
	case ops.KVGet, ops.KVScan, ops.Prewrite, ops.Commit:
		if t = r.next(w, cfg, c, t); conflict && c.StartTS != t.lastTS {
			t.count++
			t.last, t.lastTS = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " met a conflict"}, c.StartTS
			t.step, t.primary, t.began, t.nextTS = c.Step, c.Key, 0, 0
		}
	}
	if t.count == 0 || t.count >= cfg.ConflictTries { // done, or given up
		delete(r.tasks, of)
		return
	}
	r.tasks[of] = t
}

// next returns the tries that came before a request, none if it is not of the next one.
func (r *triesPaced) next(w *sim.World, cfg *Config, c *sim.Call, t tries) tries {
	switch {
	case t.count == 0 || c.StartTS == t.lastTS:
		return t
	case t.nextTS == 0 && t.began != 0 && c.Step == t.step:
		t.nextTS = c.StartTS
	}
	if c.StartTS != t.nextTS || c.Op == ops.Commit || c.Op == ops.Prewrite && c.Key != t.primary {
		return tries{}
	}
	if c.Op == ops.Prewrite {
		r.judge(w, cfg, c, &t)
	}
	return t
}

// judge judges the pause before a try. Whoever ends a batch announces it in between, if
// the batch's row and shards are crowded.
func (r *triesPaced) judge(w *sim.World, cfg *Config, c *sim.Call, t *tries) {
	pause := cfg.ConflictBackoff
	for range t.count - 1 {
		pause = min(2*pause, cfg.BackoffMax)
	}
	least := pause / 2
	if w.Hastened() {
		least = hurried(least)
	}
	if table, _ := schema.Split(t.primary); table == schema.BatchTable || !w.Timely() || t.began-t.last.At >= least {
		return
	}
	r.suspects = append(r.suspects, suspicion{c.Process, t.last.At, c.At, triedAgainTooSoon.breachOfCall(c, t.last, "tried again",
		"%s tried again %s after a conflict, number %d in a row, on what %s leads; the pause is about %s by then", who(c), t.began-t.last.At, t.count, t.primary, pause)})
}

// contends reports whether a fault makes transactions conflict.
func contends(_ *suspicion, f *strike) bool { return fault.Is[*fault.Conflict](f.fault) }
