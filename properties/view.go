package properties

import (
	"errors"
	"slices"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// view is what the stores hold as of the observed effect, decoded, with as much
// of its history as several invariants need. Each written row is decoded once,
// for all of them, into the entity that it belongs to (view_*.go); what a commit
// changed is told by changes, which say what was there before, and by whom.
//
// It is itself the first invariant: every stored row can be read, by its key
// and its fields, by somebody who knows the schema only. A row that cannot be
// read is lost to the next version of the system, and to the person who is
// called at night.
type view struct {
	cfg   *Config
	world *sim.World

	// Of the observed effect.
	changes []change     // by a commit, in the order of its writes
	written tables       // by it
	stored  objectChange // EffectObject

	batches     map[string]*submission // by batch key: the newest submission
	submissions map[string]*submission // by bid
	order       []*submission          // as they appeared
	units       map[string]*unit       // by unit key
	unitOf      map[string]*unit       // by uid
	leases      map[string]*lease
	queue       map[string]*queued
	discoveries map[string]*discovery
	statuses    map[string]*status
	shards      map[string]*shard
	active      map[string]uint64 // generation by active key
	leader      leader
	objects     map[string]*object
	uploads     map[string]*upload
	processes   map[string]*process
	wanted      map[string]*workload.Batch // by "<ns>/<name>"
	asked       map[string]int             // the newest version of it that was asked for, by the same
	submits     []*submitCall              // that have not returned
	answered    *submitCall                // what the observed record answers, or nil
	faults      []strike

	transactions []transaction // in the order of their commits
	sets         *readSets
}

// change is one row that the observed commit wrote or deleted.
type change interface {
	// show calls the handler of the change's table.
	show(on *on) error
}

// rowChange is what the changes of all tables tell.
type rowChange struct {
	by      *sim.Effect
	key     string
	deleted bool
}

// who made the change: "<process>/<incarnation>".
func (c *rowChange) who() string { return c.by.Process + "/" + c.by.Incarnation }

// isBy reports whether that incarnation made the change.
func (c *rowChange) isBy(process, incarnation string) bool {
	return c.by.Process == process && c.by.Incarnation == incarnation
}

func newView(c *Config) *view {
	v := &view{
		cfg: c, batches: map[string]*submission{}, submissions: map[string]*submission{}, units: map[string]*unit{},
		unitOf: map[string]*unit{}, leases: map[string]*lease{}, queue: map[string]*queued{},
		discoveries: map[string]*discovery{}, statuses: map[string]*status{}, shards: map[string]*shard{}, active: map[string]uint64{},
		objects: map[string]*object{}, uploads: map[string]*upload{}, processes: map[string]*process{},
		wanted: map[string]*workload.Batch{}, asked: map[string]int{},
	}
	for i := range c.Workload.Batches {
		b := &c.Workload.Batches[i]
		v.wanted[b.Namespace+"/"+b.Name] = b
	}
	return v
}

var (
	rowsReadable    = say("rows-readable")
	rowCannotBeRead = rowsReadable.clause("", "row cannot be read")
)

func (v *view) Name() string { return rowsReadable.name }

func (v *view) sentence() *sentence { return rowsReadable }

// Observe brings the view up to date.
func (v *view) Observe(w *sim.World, e *sim.Effect) error {
	v.world, v.changes, v.written = w, v.changes[:0], 0
	switch e.Kind {
	case sim.EffectCommit:
		return takeCommit(v, e)
	case sim.EffectObject:
		takeObject(v, e)
	case sim.EffectProcess:
		takeProcess(v, e)
	case sim.EffectRecord:
		takeSubmit(v, e)
	}
	return nil
}

// changed reports whether the observed commit wrote a row of any of the tables.
func (v *view) changed(set tables) bool { return v.written&set != 0 }

// takeCommit decodes what a commit wrote. Claims are noted last, when every row
// of the commit has been read.
func takeCommit(v *view, e *sim.Effect) error {
	c := &e.Commit
	v.transactions = append(v.transactions, transaction{e.Moment(), c.StartTS, c.CommitTS, c.Writes})
	for i := range e.Commit.Writes {
		m := &e.Commit.Writes[i]
		if m.Op != tikv.OpPut && m.Op != tikv.OpDelete {
			continue
		}
		c := rowChange{by: e, key: m.Key, deleted: m.Op == tikv.OpDelete}
		if err := v.take(c, string(m.Value)); err != nil {
			return rowCannotBeRead.breach(e, m.Key, sim.EventRef{}, "wrote it", "the row %s cannot be read: %v", m.Key, err)
		}
	}
	if v.changed(unitRows | mergeRows) {
		for _, c := range v.changes {
			switch c := c.(type) {
			case *unitChange:
				v.noteAttempts(c)
			case *mergeChange:
				c.noteClaim()
			}
		}
	}
	return nil
}

var errKey = errors.New("its key has not the form that the schema gives")

// take reads one written row. An error says what is wrong with it.
func (v *view) take(c rowChange, row string) error {
	table, rest := schema.Split(c.key)
	v.written |= 1 << table
	switch table {
	case schema.BatchTable:
		return takeBatch(v, c, rest, row)
	case schema.UnitTable:
		return takeUnit(v, c, rest, row)
	case schema.QueueTable:
		return takeQueue(v, c, rest, row)
	case schema.LeaseTable:
		return takeLease(v, c, rest, row)
	case schema.CheckpointTable:
		return takeCheckpoint(v, c, rest, row)
	case schema.MergeTable:
		return takeMerge(v, c, rest, row)
	case schema.DiscoveryTable:
		return takeDiscovery(v, c, rest, row)
	case schema.LeaderTable:
		return takeLeader(v, c, row)
	case schema.StatusTable:
		return takeStatus(v, c, rest, row)
	case schema.ShardTable:
		return takeShard(v, c, rest, row)
	case schema.FailedTable, schema.DeadTable:
		return takeFailed(v, c, table, rest, row)
	case schema.ActiveTable:
		return takeActive(v, c, row)
	}
	return nil
}

// drop removes one element and keeps the order of the others.
func drop[T comparable](list []T, one T) []T {
	if at := slices.Index(list, one); at >= 0 {
		return slices.Delete(list, at, at+1)
	}
	return list
}
