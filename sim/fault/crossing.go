package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Injector decides which faults strike a call. There are several kinds of them:
// a plan, a search, a script, a scenario, a chaos configuration.
type Injector interface {
	// Strike appends to faults those that strike the call. It is asked once for
	// every call that passes the doorway before the world is healed, in the
	// order in which they do. c is valid during the call only.
	Strike(c *Crossing, faults []*Fault) []*Fault
}

// Site is a place from which calls are made.
type Site struct {
	Process, Task string
	Step          string // "": outside every step
	Op            ops.Op
	Class         string // of the key; "": none
	// Client tells that the process is one of the workload's trusted clients,
	// Expendable that it may die for good.
	Client, Expendable bool
	// Key is a hash of the above: it keys what injectors know of the site.
	Key uint64
	// StepEntered is the event at which the universe first entered the step.
	StepEntered uint64
}

// Crossing is one call on its way through the doorway, before anything has
// befallen it.
type Crossing struct {
	*Site
	Nth  int           // call of its site, from 1
	Seed uint64        // of the universe
	ID   uint64        // keys draws about this call
	Now  time.Duration // virtual time since the universe began
	// Event is the number of events that have happened.
	Event uint64
	// Thread is the running task: tasks that bear one name in turn differ.
	Thread uint64
	// Scope stands for the deadline under which the call is made. It is equal
	// for the requests of a store's client that are repetitions of one call.
	Scope any
	// Subject is the key that stands for the request, "" for other calls.
	Subject string
	// Conditional tells that the store could answer the request with a conflict.
	Conditional bool
}

// Anchor names the call.
func (c *Crossing) Anchor() Anchor {
	return Anchor{Process: c.Process, Task: c.Task, Step: Dash(c.Step), Op: c.Op, Class: Dash(c.Class), Nth: c.Nth}
}

// Scale is what a system's times are, for drawing faults that matter to it.
type Scale struct {
	// Magnitudes are the durations at which something happens (time-outs,
	// leases), Leases those of them after which others take over.
	Magnitudes, Leases []time.Duration
	// MaxInFlight is how long a sent request may still be executed.
	MaxInFlight time.Duration
	// GiveUp is how long a caller tries to find out what became of its request,
	// LongWork how long a piece of work may take before it is given up.
	GiveUp, LongWork time.Duration
	// Focus are the operations that the run's configuration is made for, since others
	// hardly call them; none for most.
	Focus []ops.Op
	// Unrest of 10,000 requests fail, if it is not 0, in a run whose configuration is
	// made for what comes seldom.
	Unrest int
	// MayDie tells that one process of the run may still die for good.
	MayDie bool
}

// Draw makes a fault of a kind at a call.
func Draw(info *Info, d keyed.Draw, s *Scale, c *Crossing) *Fault {
	k := info.New()
	k.draw(d, s, c)
	return &Fault{Kind: k, At: c.Anchor()}
}

// DrawAimed makes a fault that its run aims at such calls: it mostly outlasts a
// lease, for only then do others take over what its process holds.
func DrawAimed(info *Info, d keyed.Draw, s *Scale, c *Crossing) *Fault {
	f := Draw(info, d, s, c)
	lease := s.Leases[d.Intn("lease", len(s.Leases))]
	lease += time.Duration(d.Between("past", 1, int64(lease)/2))
	f.Kind.aim(d, s, c, lease)
	return f
}

// Weaker lists milder forms of a fault, the mildest first: what befalls one call
// is milder than what befalls its process, and what is late milder than what is
// lost. How long a fault lasts is its magnitude: see [Fault.Magnitude].
func Weaker(f *Fault) []*Fault {
	var milder []*Fault
	for _, k := range f.Kind.weaker(f.At) {
		milder = append(milder, f.With(k))
	}
	return milder
}

// freeze draws how long a process is out of touch: mostly just long enough for
// others to take over.
func (s *Scale) freeze(d keyed.Draw) time.Duration {
	if d.Chance("short", 300) {
		return s.duration(d)
	}
	base := s.Leases[d.Intn("lease", len(s.Leases))]
	return base + time.Duration(d.Between("past", 1, int64(base)/2))
}

// duration draws a length: one of the durations at which something happens in
// the system, barely crossed (half of the time: what lies just past a deadline
// races with it), barely missed, or far exceeded.
func (s *Scale) duration(d keyed.Draw) time.Duration {
	base := s.Magnitudes[d.Intn("magnitude", len(s.Magnitudes))]
	switch v := d.Intn("variant", 100); {
	case v < 50:
		return base + time.Duration(d.Between("past", 1, int64(base)/8+1))
	case v < 70:
		return base - time.Duration(d.Between("under", 0, int64(base)/10))
	default:
		return base + time.Duration(d.Between("beyond", int64(base)/2, 2*int64(base)))
	}
}
