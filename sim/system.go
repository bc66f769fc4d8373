package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Assembly is a system under test before a universe is made of it: its
// configuration, which a seed draws or a plan sets. A fresh one is made for
// every run.
type Assembly interface {
	// Name is the system's name in plans.
	Name() string
	// Settings binds the configuration's fields to their names.
	Settings() []plan.Setting
	// Draw chooses the configuration for a seed.
	Draw(d keyed.Draw)
	// New assembles the system, or says in one line what is wrong with the
	// configuration.
	New() (System, error)
}

// System is a system under test, assembled for one universe.
type System interface {
	// Programs returns the processes, in a fixed order.
	Programs() []Program
	// Prepare fills the stores before time begins.
	Prepare(kv *tikv.Engine, objects *objstore.Store)
	// StoreOptions returns how the object store behaves.
	StoreOptions() objstore.Options
	// Region returns the region, and so the RPC batch, that a key belongs to.
	Region(key string) int
	// Classify returns the class of a key for anchors: one of a few constant
	// names, the same in every run ("unit", "batch").
	Classify(key string) string
	// Bounds returns the times that the simulator must know of.
	Bounds() Bounds
	// Done reports whether nothing is left to do. It is asked after commits
	// and client records.
	Done(w *World) bool
	// Quiet reports whether, the work being done, nothing is left to clean up
	// either: then the run ends before Bounds.Quiesce is over.
	Quiet(w *World) bool
	// Describe fills in the system's part of a run's summary.
	Describe(w *World, s *Summary)
}

// Bounds are times (virtual) that follow from the system's configuration.
type Bounds struct {
	// RPCTimeout is how long a client waits for one reply.
	RPCTimeout time.Duration
	// MaxEntry and MaxTxn bound a row, and what one transaction writes, in bytes;
	// 0 means no limit. See tikv.ClientConfig.
	MaxEntry, MaxTxn int
	// ObjectTimeout is the same for the object store.
	ObjectTimeout time.Duration
	// MaxLatency is the longest nominal way of a message, one way, with which the
	// system can be expected to get its work done.
	MaxLatency time.Duration
	// MaxFrame is the same for one frame of work.
	MaxFrame time.Duration
	// MaxFrameTime is the longest that one frame of work may take.
	MaxFrameTime time.Duration
	// MaxInFlight is how long a sent request may still be executed.
	MaxInFlight time.Duration
	// ChaosFor is how long faults may go on.
	ChaosFor time.Duration
	// Settle is how long after healing everything must be done.
	Settle time.Duration
	// Quiesce is how long the system runs on after that, to clean up.
	Quiesce time.Duration
	// GiveUp is how long a caller tries to find out what became of its request,
	// and LongWork how long a piece of work may take before it is given up.
	GiveUp, LongWork time.Duration
	// Magnitudes are the durations at which something happens (time-outs,
	// leases): faults last a little less, a little more, or twice as long.
	Magnitudes []time.Duration
	// Leases are those of them after which others take over: what freezes a
	// process mostly lasts just longer than one.
	Leases []time.Duration
}

// scale is what a search must know of the system's times.
func (b *Bounds) scale() fault.Scale {
	return fault.Scale{Magnitudes: b.Magnitudes, Leases: b.Leases, MaxInFlight: b.MaxInFlight, GiveUp: b.GiveUp, LongWork: b.LongWork}
}

// Summary is what a run's line says of the system.
type Summary struct {
	// Fields are the system's own, in order: workers, units.
	Fields []plan.Field
	// Outcome is one word for the whole run, such as "published" or "mixed".
	Outcome string
	// Outcomes count pieces of work by how they ended: the same names in the same
	// order in every run, the one to hope for first.
	Outcomes []Count
	// Left says, for reports, what the system is not done with; "" for nothing.
	Left string
}

// Count is how often something of that name came about.
type Count struct {
	Name string
	N    int
}
