package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// watch is one invariant at work in one universe: what it says, what is stored,
// and what it looks at. An invariant embeds one and is a sim.Invariant by it. It
// has a method Settled if it also has a last word, and ObserveCall if it wants
// to see requests.
type watch struct {
	*view
	says *sentence
	on   on
	rows tables // that a handler wants
	idle bool   // no handler wants commits that write no such row
}

// on is what an invariant looks at: a handler for each, nil for the rest. An
// error is a violation. The handlers of rows are called for the rows that a
// commit wrote, in the order of its writes, when all of them have been read.
type on struct {
	batch      func(*batchChange) error
	unit       func(*unitChange) error
	queue      func(*queueChange) error
	lease      func(*leaseChange) error
	checkpoint func(*checkpointChange) error
	merge      func(*mergeChange) error
	discovery  func(*discoveryChange) error
	leader     func(*leaderChange) error
	status     func(*statusChange) error
	shard      func(*shardChange) error
	failed     func(*failedChange) error

	commit  func(*sim.Effect) error   // a commit, after its rows
	object  func(*objectChange) error // an object or an upload changed
	record  func(*sim.Effect) error   // a trusted client called, or was answered
	process func(*sim.Effect) error   // of a process's life, or a fault
	always  func(*sim.Effect) error   // any of these, after the others
}

// tables is a set of tables.
type tables uint16

const (
	batchRows      tables = 1 << schema.BatchTable
	unitRows       tables = 1 << schema.UnitTable
	queueRows      tables = 1 << schema.QueueTable
	leaseRows      tables = 1 << schema.LeaseTable
	checkpointRows tables = 1 << schema.CheckpointTable
	mergeRows      tables = 1 << schema.MergeTable
	discoveryRows  tables = 1 << schema.DiscoveryTable
	leaderRows     tables = 1 << schema.LeaderTable
	statusRows     tables = 1 << schema.StatusTable
	shardRows      tables = 1 << schema.ShardTable
	failedRows     tables = 1<<schema.FailedTable | 1<<schema.DeadTable
)

// watch begins the watch of an invariant.
func (v *view) watch(says *sentence, on on) watch {
	w := watch{view: v, says: says, on: on}
	w.idle = on.commit == nil && on.always == nil
	want := func(handled bool, rows tables) {
		if handled {
			w.rows |= rows
		}
	}
	want(on.batch != nil, batchRows)
	want(on.unit != nil, unitRows)
	want(on.queue != nil, queueRows)
	want(on.lease != nil, leaseRows)
	want(on.checkpoint != nil, checkpointRows)
	want(on.merge != nil, mergeRows)
	want(on.discovery != nil, discoveryRows)
	want(on.leader != nil, leaderRows)
	want(on.status != nil, statusRows)
	want(on.shard != nil, shardRows)
	want(on.failed != nil, failedRows)
	return w
}

// Name is the invariant's.
func (w *watch) Name() string { return w.says.name }

// sentence is what the invariant says.
func (w *watch) sentence() *sentence { return w.says }

// Observe calls the handlers of an effect. The view, which is the first
// invariant, has read it. Most commits concern few invariants.
func (w *watch) Observe(_ *sim.World, e *sim.Effect) error {
	if w.idle && e.Kind == sim.EffectCommit && w.rows&w.written == 0 {
		return nil
	}
	return w.dispatch(e)
}

func (w *watch) dispatch(e *sim.Effect) error {
	var err error
	switch e.Kind {
	case sim.EffectCommit:
		err = w.observeCommit(e)
	case sim.EffectObject:
		if w.on.object != nil {
			err = w.on.object(&w.stored)
		}
	case sim.EffectRecord:
		if w.on.record != nil {
			err = w.on.record(e)
		}
	case sim.EffectProcess:
		if w.on.process != nil {
			err = w.on.process(e)
		}
	}
	if err == nil && w.on.always != nil {
		err = w.on.always(e)
	}
	return err
}

func (w *watch) observeCommit(e *sim.Effect) error {
	if w.changed(w.rows) {
		for _, c := range w.changes {
			if err := c.show(&w.on); err != nil {
				return err
			}
		}
	}
	if w.on.commit == nil {
		return nil
	}
	return w.on.commit(e)
}

// handle calls a handler, if there is one.
func handle[C any](handler func(*C) error, c *C) error {
	if handler == nil {
		return nil
	}
	return handler(c)
}
