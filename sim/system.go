package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
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

// Shower is a System that can show what a row holds in a few words, for reports:
// "state=processing epoch=2". "" leaves the row out.
type Shower interface {
	Show(key string, value []byte) string
}

// Stores are what a system finds when time begins.
type Stores struct{ u *Universe }

// Put stores an object.
func (s *Stores) Put(key string, body []byte) {
	s.Ask(objstore.Request{Kind: objstore.KindPut, Key: key, Body: body})
}

// Ask lets the object store handle a request, and returns its answer.
func (s *Stores) Ask(req objstore.Request) (resp objstore.Response) {
	s.u.objects.Handle(&req, &resp)
	return resp
}

// Write stores a row.
func (s *Stores) Write(key string, value []byte) {
	handle := func(req tikv.Request) uint64 {
		var resp tikv.Response
		req.PhysicalMS = epoch.UnixMilli()
		s.u.kv.Handle(&req, &resp)
		return resp.TS
	}
	start := handle(tikv.Request{Kind: tikv.KindTSO})
	handle(tikv.Request{Kind: tikv.KindPrewrite, StartTS: start, Primary: key, TTLMS: 1, Mutations: []tikv.Mutation{{Op: tikv.OpPut, Key: key, Value: value}}})
	handle(tikv.Request{Kind: tikv.KindCommit, StartTS: start, CommitTS: handle(tikv.Request{Kind: tikv.KindTSO}), Keys: []string{key}})
}

// System is a system under test, assembled for one universe.
type System interface {
	// Programs returns the processes, in a fixed order.
	Programs() []Program
	// Prepare fills the stores before time begins.
	Prepare(s *Stores)
	// StoreOptions returns how the object store behaves.
	StoreOptions() objstore.Options
	// Region returns the region, and so the request of several keys, that a key belongs to.
	Region(key string) int
	// Classify returns the class of a key for anchors: one of a few constant
	// names, the same in every run ("account", "lease").
	Classify(key string) string
	// Bounds returns the times that the simulator must know of.
	Bounds() Bounds
	// Done reports whether nothing is left to do. It is asked when something has
	// become true: a commit, an object's effect, a client's record.
	Done(w *World) bool
	// Quiet reports whether, the work being done, nothing is left to clean up
	// either: then the run ends before Bounds.Quiesce is over.
	Quiet(w *World) bool
	// Describe fills in the system's part of a run's summary.
	Describe(w *World, s *Summary)
}

// Bounds are times (virtual) that follow from the system's configuration. The
// zero value of each means what is said beside it, so that few need to be set:
// Leases, if the system has any, and Settle, if it is not done within minutes.
type Bounds struct {
	// RPCTimeout is how long a client of TiKV waits for one reply: 5s.
	RPCTimeout time.Duration
	// ObjectTimeout is the same for the object store: RPCTimeout.
	ObjectTimeout time.Duration
	// MaxLatency is the longest nominal way of a message, one way, with which the
	// system can be expected to get its work done: a twentieth of RPCTimeout.
	MaxLatency time.Duration
	// MaxWork is the longest that one piece of work may take: a quarter of the
	// shortest lease, at most 10s.
	MaxWork time.Duration
	// MaxInFlight is how long a sent request may still be executed: 1m.
	MaxInFlight time.Duration
	// ChaosFor is how long faults may go on: 1h and ten times the longest lease.
	ChaosFor time.Duration
	// Settle is how long after healing everything must be done: 10m, and twenty
	// times the longest lease.
	Settle time.Duration
	// Quiesce is how long the system runs on after that, to clean up: 0s.
	Quiesce time.Duration
	// GiveUp is how long a caller tries to find out what became of its request:
	// three times RPCTimeout.
	GiveUp time.Duration
	// LongWork is how long a piece of work may take before it is given up: the
	// longest lease.
	LongWork time.Duration
	// Leases are the times after which others take over what a process holds:
	// what freezes one mostly lasts just longer. None: 3s, the life of TiKV's
	// locks, which every system with transactions depends on.
	Leases []time.Duration
	// Magnitudes are the durations at which something else happens: faults last
	// a little less than one, a little more, or twice as long. None: the time-outs
	// and leases above.
	Magnitudes []time.Duration
	// MaxEntry and MaxTxn bound a row, and what one transaction writes, in bytes;
	// 0 means no limit. See tikv.ClientConfig.
	MaxEntry, MaxTxn int
	// Focus are the operations that this configuration is made for, since others
	// hardly call them: most of its runs meet faults there; if it is work, up to 12
	// times it is slow beyond LongWork. None: no such.
	Focus []ops.Op
	// Unrest is how many of 10,000 requests its runs let fail, half as many more or
	// less, if the configuration is made for what comes seldom: then it happens among
	// faults, too. 0: as drawn.
	Unrest int
}

// lockLife is how long TiKV's locks live (client-go's default TTL).
const lockLife = 3 * time.Second

// complete fills in what is zero, and refuses what cannot be.
func (b Bounds) complete() (Bounds, error) {
	if len(b.Leases) == 0 {
		b.Leases = []time.Duration{lockLife}
	}
	short, long := slices.Min(b.Leases), slices.Max(b.Leases)
	for _, d := range []struct {
		field *time.Duration
		zero  time.Duration
	}{
		{&b.RPCTimeout, 5 * time.Second}, {&b.MaxWork, min(short/4, longestWork)}, {&b.MaxInFlight, time.Minute},
		{&b.ChaosFor, time.Hour + 10*long}, {&b.Settle, 10*time.Minute + 20*long}, {&b.LongWork, long},
	} {
		*d.field = cmp.Or(*d.field, d.zero)
	}
	b.ObjectTimeout = cmp.Or(b.ObjectTimeout, b.RPCTimeout)
	b.MaxLatency = cmp.Or(b.MaxLatency, b.RPCTimeout/20)
	b.GiveUp = cmp.Or(b.GiveUp, 3*b.RPCTimeout)
	if len(b.Magnitudes) == 0 {
		b.Magnitudes = append([]time.Duration{b.RPCTimeout, b.ObjectTimeout, lockLife, 2 * long}, b.Leases...)
	}
	return b, b.check()
}

// check refuses bounds with which nothing could be drawn, or nothing could work.
func (b *Bounds) check() error {
	for _, d := range []struct {
		name string
		is   time.Duration
		min  time.Duration
		max  time.Duration
	}{
		{"RPCTimeout", b.RPCTimeout, time.Millisecond, fault.MaxTime}, {"ObjectTimeout", b.ObjectTimeout, time.Millisecond, fault.MaxTime},
		{"MaxLatency", b.MaxLatency, time.Microsecond, b.RPCTimeout}, {"MaxWork", b.MaxWork, time.Microsecond, longestWork},
		{"MaxInFlight", b.MaxInFlight, time.Millisecond, fault.MaxTime}, {"ChaosFor", b.ChaosFor, time.Second, fault.MaxTime},
		{"Settle", b.Settle, time.Second, fault.MaxTime}, {"Quiesce", b.Quiesce, 0, fault.MaxTime},
		{"GiveUp", b.GiveUp, time.Millisecond, fault.MaxTime}, {"LongWork", b.LongWork, time.Millisecond, fault.MaxTime},
	} {
		if d.is < d.min || d.is > d.max {
			return fmt.Errorf("bounds: %s is %s; want %s to %s", d.name, d.is, d.min, d.max)
		}
	}
	for _, list := range [][]time.Duration{b.Leases, b.Magnitudes} {
		for _, d := range list {
			if d < time.Millisecond || d > fault.MaxTime {
				return fmt.Errorf("bounds: a lease or magnitude is %s; want %s to %s", d, time.Millisecond, fault.MaxTime)
			}
		}
	}
	return nil
}

// scale is what a search must know of the system's times.
func (b *Bounds) scale() fault.Scale {
	return fault.Scale{Magnitudes: b.Magnitudes, Leases: b.Leases, MaxInFlight: b.MaxInFlight, GiveUp: b.GiveUp, LongWork: b.LongWork, Focus: b.Focus, Unrest: b.Unrest}
}

// Summary is what a run's line says of the system.
type Summary struct {
	// Fields are the system's own, in order: workers, units.
	Fields []plan.Field
	// Outcome is one word for the whole run, such as "done" or "mixed".
	Outcome string
	// Outcomes count pieces of work by how they ended: the same names in the same
	// order in every run, the one to hope for first.
	Outcomes []Count
	// Unfinished names what the system is not done with, the most telling first. A
	// run that ends before the system is done is about the first of them.
	Unfinished []Unfinished
}

// Unfinished is one piece of work that is not done.
type Unfinished struct {
	// Subject is what it is about: a key or a part of one. Reports tell its story.
	Subject string
	// Key is the row that says so, "" if no single one does: when it last changed, and
	// from what, is what reports look for.
	Key string
	// Shape says what kind of standstill it is, without names and numbers: it is
	// the failure's identity, which reduction keeps.
	Shape string
	// Text says it for people: "lab/a is running, its units: 3 pending".
	Text string
	// Parts are what of it can stand still by itself while the rest goes on, if there
	// is such: the first of them is Subject.
	Parts []Part
}

// Part is a part of an unfinished piece of work: its subject, and the row that says
// so.
type Part struct{ Subject, Key string }

// Count is how often something of that name came about.
type Count struct {
	Name string
	N    int
}
