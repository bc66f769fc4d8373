package fault

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Kind is one kind of fault with its options. The simulator calls its hooks for
// the calls that the fault strikes, and for no others; a hook that a kind does
// not have does nothing.
type Kind interface {
	// Info describes the kind.
	Info() *Info
	// Lasts is for how long (virtual time) after it struck the fault can have an
	// effect; 0 means no longer than the call.
	Lasts() time.Duration
	// Moment is when a fault of a process befalls it; false for other kinds,
	// which befall as soon as the call is made.
	Moment() (Phase, bool)
	// Befall does to the process, or to the world, what the fault does to them.
	// It reports whether that is all: then no other hook is called for the call
	// that it struck.
	Befall(h Host, f *Fault) (all bool)
	// EnterStep is asked if the fault strikes the entry of a step instead of a
	// request: for how long it holds the task, and with what it refuses the step.
	EnterStep() (hold time.Duration, err error)
	// Send is asked when a request is about to be sent, Admit when its service
	// would take it.
	Send(m *Message) Verdict
	Admit(m *Message) Verdict
	// Hold is for how long the request is held back on its way.
	Hold() time.Duration
	// Repeat is how much later the request arrives once more; 0 for not.
	Repeat() time.Duration
	// Store is asked just before the store handles the request. It reports
	// whether it changed anything.
	Store(m *Message, s *objstore.Store) bool
	// Reply is asked when the store has handled the request.
	Reply(m *Message) Verdict
	// HoldReply is for how long the reply is held back on its way.
	HoldReply() time.Duration
	// Stretch returns what work takes that costs its process that long.
	Stretch(cost int64) int64

	options() []option
	// draw chooses the options for a call; aim does for a fault that its run
	// aims at such calls, after draw, lease being one of the system's that it
	// should outlast.
	draw(d keyed.Draw, s *Scale, c *Crossing)
	aim(d keyed.Draw, s *Scale, c *Crossing, lease time.Duration)
	// every lists the forms in which it may strike such a call: see every.go.
	every(s *Scale, c *Crossing) (decisive, others []Kind)
	// weaker lists milder forms, the mildest first.
	weaker(at Anchor) []Kind
}

// Info says of a kind what is the same for all of its faults.
type Info struct {
	// Name is how plans, totals and vocabularies call it.
	Name string
	// About is the fault in one clause.
	About string
	// Effect says whether the effect of the call that it meets happens: "yes",
	// "no", "maybe", or "-" for what befalls a process.
	Effect string
	// Strikes reports whether the world could do this to an operation.
	Strikes func(ops.Op) bool
	// Steps tells that a chaos configuration may let it strike the entry of a
	// step, too, which no store does.
	Steps bool
	// SparesClients tells that it never befalls the workload's clients: they
	// are trusted.
	SparesClients bool
	// Share is in how many of a thousand runs the swarm includes the kind.
	Share int
	// Aim says how runs aim it.
	Aim Aim
	// Requests tells that it strikes requests only: it is the message that
	// something befalls, not the process.
	Requests bool
	// New returns a fault of this kind with its zero options.
	New func() Kind
}

// Aim says how a run aims faults of a kind at the moments at which protocols
// are decided.
type Aim struct {
	// Weight is how often it is chosen among all kinds that are aimed; 0 for
	// never.
	Weight int
	// At reports at which operations.
	At func(ops.Op) bool
	// Spread multiplies the share of steps that are aimed at, where a single
	// fault seldom decides anything; 0 counts as 1.
	Spread int
	// Burst is how many calls in a row an aimed fault strikes at most, beside the
	// first: those of one process, step and operation. Clients repeat what fails
	// plainly, so that a single failure decides nothing.
	Burst int
}

// Verdict is what a hook decides about a message.
type Verdict uint8

const (
	// Passed: nothing; it goes on.
	Passed Verdict = iota
	// Changed: it goes on, changed.
	Changed
	// Lost: it is lost. Its caller, if it still waits, runs into its time-out.
	Lost
	// Broken: it is lost, and its caller sees a broken connection at once.
	Broken
	// Refused: answered with "unavailable" without being handled.
	Refused
	// Answered: the hook has filled in the reply; the request is not handled.
	Answered
)

// Message is one request with its reply, as hooks see it. They may change the
// reply, whose slices are the message's own.
type Message struct {
	Op          ops.Op
	Class       string // of the key that stands for it, as in anchors; "" for none
	KV          tikv.Request
	KVReply     tikv.Response
	Object      objstore.Request
	ObjectReply objstore.Response
}

// Host is the process that a fault befalls, and the world around it.
type Host interface {
	// Crash ends the process's incarnation at once.
	Crash(f *Fault, k *Crash)
	// Pause freezes the process.
	Pause(f *Fault, k *Pause)
	// Terminate asks the process to stop, and ends it after the grace.
	Terminate(f *Fault, grace time.Duration)
	// Stand lets the fault strike everything that the process does for that
	// long, in place of an earlier fault of its kind that would do the same;
	// Everywhere is the same for all processes.
	Stand(f *Fault, lasts time.Duration)
	Everywhere(f *Fault, lasts time.Duration)
	// StepClock moves the process's wall clock, DriftClock changes the rate of
	// its monotonic clock, in parts per million.
	StepClock(f *Fault, by time.Duration)
	DriftClock(f *Fault, ppm int64)
}

// Phase is the moment of a doorway call at which a fault befalls its process.
type Phase uint8

const (
	// Before: the request is not sent (a paused process sends it later).
	Before Phase = iota
	// Applied: the store has handled the request, its reply is on the way.
	Applied
	// After: the reply is about to be received.
	After
)

// TakeMoment takes out of the faults that strike a message the last one that
// befalls its process at that moment, and returns it; nil if there is none.
func TakeMoment(struck *[]*Fault, phase Phase) *Fault {
	for i, f := range slices.Backward(*struck) {
		if at, ok := f.Kind.Moment(); ok && at == phase {
			*struck = append((*struck)[:i:i], (*struck)[i+1:]...)
			return f
		}
	}
	return nil
}

var phaseNames = []string{"before", "applied", "after"}

// String returns the phase's name as plans print it.
func (p Phase) String() string { return phaseNames[p] }

// drawPhase chooses the moment for a call: other calls than requests have only
// one.
func drawPhase(d keyed.Draw, c *Crossing) Phase {
	if !c.Op.IsRequest() {
		return Before
	}
	return Phase(d.Intn("phase", len(phaseNames)))
}

// none is a kind without options and hooks: others embed it and say what they
// do otherwise.
type none struct{}

func (none) Lasts() time.Duration                             { return 0 }
func (none) Moment() (Phase, bool)                            { return Before, false }
func (none) Befall(Host, *Fault) bool                         { return false }
func (none) EnterStep() (time.Duration, error)                { return 0, nil }
func (none) Send(*Message) Verdict                            { return Passed }
func (none) Admit(*Message) Verdict                           { return Passed }
func (none) Hold() time.Duration                              { return 0 }
func (none) Repeat() time.Duration                            { return 0 }
func (none) Store(*Message, *objstore.Store) bool             { return false }
func (none) Reply(*Message) Verdict                           { return Passed }
func (none) HoldReply() time.Duration                         { return 0 }
func (none) Stretch(cost int64) int64                         { return cost }
func (none) options() []option                                { return nil }
func (none) draw(keyed.Draw, *Scale, *Crossing)               {}
func (none) aim(keyed.Draw, *Scale, *Crossing, time.Duration) {}
func (none) every(*Scale, *Crossing) (_, _ []Kind)            { return nil, nil }
func (none) weaker(Anchor) []Kind                             { return nil }
