package properties

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/properties/model"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// refinesModel: every committed transaction is one transition of the executable model
// (package model), or a stutter.
//
// The others say what must never be, each of its own; the model says all that may be. It
// judges commit by commit, and speaks last: the first transaction that it refuses is a
// violation if no other invariant has objected in the whole run. Whoever says more about
// the same bug so keeps the word, and what only the model sees is not lost.
type refinesModel struct {
	watch
	model   *model.Model
	refused error // the first violation; what is after it is not judged
	first   bool  // it speaks at once
}

var (
	refinesModelSays = say("refines-model")

	transitionUnknown     = refinesModelSays.clause("R3", "transition that the model has not")
	transitionNotEnabled  = refinesModelSays.clause("R3", "transition whose guard does not hold")
	transitionOtherEffect = refinesModelSays.clause("R13", "transition with another effect")
)

func newRefinesModel(v *view) sim.Invariant {
	i := &refinesModel{model: model.New()}
	i.watch = v.watch(refinesModelSays, on{commit: i.check})
	return i
}

// OnlyModel returns the model as the only invariant that judges a universe, and lets it
// speak at once: how much it finds by itself is measured so.
func OnlyModel(c Config) []sim.Invariant {
	v := newView(&c)
	i := newRefinesModel(v).(*refinesModel)
	i.first = true
	return []sim.Invariant{v, i}
}

func (i *refinesModel) check(e *sim.Effect) error {
	if i.refused != nil {
		return nil
	}
	i.model.Begin(model.Actor{Worker: e.Process, Incarnation: e.Incarnation, Step: e.Step})
	for _, c := range i.changes {
		i.tell(c)
	}
	if i.written&(1<<schema.ActiveTable|1<<schema.SweepTable) != 0 {
		if err := i.tellIndexes(e); err != nil {
			return err
		}
	}
	r := i.model.End()
	if r == nil {
		return nil
	}
	broken := [...]*clause{
		model.NoTransition: transitionUnknown, model.NotEnabled: transitionNotEnabled, model.OtherEffect: transitionOtherEffect,
	}[r.Reason]
	before := i.world.WriteBefore(e.Commit.Primary)
	i.refused = broken.breach(e, r.Subject, before.Ref("wrote "+e.Commit.Primary), "committed: "+r.What, "%s", r.Text)
	if r.Rule != "" {
		i.refused = telling(i.refused, func(v *sim.Violation) { v.Rule = r.Rule })
	}
	if i.first {
		return i.refused
	}
	return nil
}

// seconded are the invariants that judge commits by what the model knows, too.
var seconded = map[string]bool{"legal-edges": true, "fencing": true, "queue-agrees": true, "attempts-bounded": true}

// seconds reports whether the model judges what a violation is about: of when a unit is
// queued again it knows nothing.
func seconds(v *sim.Violation) bool {
	return seconded[v.Invariant] && !strings.HasPrefix(v.Shape, queuedAgainBeforeItsBackOff.shape)
}

// Contradicts: if the model takes a commit for one of its transitions, and all before it,
// then it or the invariant that objects to the commit is wrong.
func (i *refinesModel) Contradicts(_ *sim.World, e *sim.Effect, v *sim.Violation) string {
	if e.Kind != sim.EffectCommit || !seconds(v) || i.refused != nil {
		return ""
	}
	if _ = i.check(e); i.refused != nil {
		return ""
	}
	return "the commit is a transition of the model, and so is every one before it"
}

// Settled has the last word.
func (i *refinesModel) Settled(*sim.World) error { return i.refused }

// tell tells the model one row that a commit wrote.
func (i *refinesModel) tell(c change) {
	m := i.model
	switch c := c.(type) {
	case *unitChange:
		m.Unit(c.key[len("unit/"):], present(&c.unit.now, c.deleted))
	case *leaseChange:
		l := c.lease
		m.Lease(c.key, l.worker, l.incarnation, l.unit.key[len("unit/"):], present(&l.now, c.deleted))
	case *queueChange:
		q := i.queue[c.key]
		m.Queued(c.unit.key[len("unit/"):], q.priority, present(&q.now, c.deleted))
	case *checkpointChange:
		m.Checkpoint(c.unit.key[len("unit/"):], present(&c.unit.checkpoint.now, c.deleted))
	case *failedChange:
		table, unit := schema.Split(c.key)
		m.Failed(unit, table == schema.DeadTable, !c.deleted)
	case *shardChange:
		m.Shard(c.shard.sub.bid, c.shard.number, present(&c.shard.now, c.deleted))
	case *batchChange:
		_, name := schema.Split(c.key)
		if c.deleted {
			m.Batch(name, nil)
		} else {
			m.Batch(name, &c.sub.now)
		}
	case *mergeChange:
		m.Merge(c.sub.bid, present(&c.sub.merge.now, c.deleted))
	case *leaderChange:
		m.Leader(present(&i.leader.now, c.deleted))
	case *discoveryChange:
		_, rest := schema.Split(c.key)
		bid, source, _ := schema.SplitDiscoveryKey(rest)
		m.Discovery(bid, source, present(&i.discoveries[c.key].now, c.deleted))
	}
}

// tellIndexes tells the rows of which the view keeps no history.
func (i *refinesModel) tellIndexes(e *sim.Effect) error {
	for n := range e.Commit.Writes {
		w := &e.Commit.Writes[n]
		table, rest := schema.Split(w.Key)
		there := w.Op == tikv.OpPut
		if !there && w.Op != tikv.OpDelete {
			continue
		}
		switch table {
		case schema.ActiveTable:
			var a schema.Active
			if err := a.Decode(string(w.Value)); there && err != nil {
				return rowCannotBeRead.breach(e, w.Key, sim.EventRef{}, "wrote it", "the row %s cannot be read: %v", w.Key, err)
			}
			i.model.Active(rest, present(&a, !there))
		case schema.SweepTable:
			var s schema.Sweep
			if err := s.Decode(string(w.Value)); there && err != nil {
				return rowCannotBeRead.breach(e, w.Key, sim.EventRef{}, "wrote it", "the row %s cannot be read: %v", w.Key, err)
			}
			i.model.Sweep(rest, present(&s, !there))
		}
	}
	return nil
}

// present is a row, or nil if it was deleted.
func present[R any](row *R, deleted bool) *R {
	if deleted {
		return nil
	}
	return row
}
