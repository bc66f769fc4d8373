package sim

import (
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Fate is what became of a request, seen from its store.
type Fate uint8

const (
	// Handled: the store has handled it; Call.Answer says how.
	Handled Fate = iota
	// Refused: answered, as Call.Answer says, without being handled.
	Refused
	// Lost: it never arrives.
	Lost
	// ReplyLost: it was handled before, and its reply never arrives.
	ReplyLost
	// ReplyDropped: it was answered before, and nobody waits for that any more.
	ReplyDropped
	// Expired: it was under way for longer than requests can be, and is not
	// handled.
	Expired
)

var fateNames = [...]string{"handled", "refused", "lost", "reply lost", "reply dropped", "expired in flight"}

// String returns the fate as traces print it.
func (f Fate) String() string { return fateNames[f] }

// Answer is what a request was answered with, by its store or by whoever
// refused it in the store's place.
type Answer struct {
	// KV is the status of TiKV and PD.
	KV tikv.Status
	// Region is not zero if TiKV answered with a region's error instead.
	Region tikv.RegionError
	// Class is the object store's: env.ClassNone for success.
	Class env.Class
	// Code is S3's name of the object store's error ("NoSuchUpload"), or "".
	Code string
}

// OK reports whether the store handled the request and did what it asks for.
func (c *Call) OK() bool {
	return c.Fate == Handled && c.Answer == Answer{}
}

// Unavailable reports whether the request was refused with "unavailable".
func (c *Call) Unavailable() bool {
	return c.Fate == Refused && c.Answer.Class == env.ClassUnavailable
}

// Unheard reports whether the store never handled the request, and did not
// answer it either: its caller learns nothing of the store.
func (c *Call) Unheard() bool { return c.Fate != Handled }

// ProcessEvent is what befell a process, or the world.
type ProcessEvent uint8

const (
	// Booted: an incarnation began.
	Booted ProcessEvent = iota + 1
	// Exited: its main function returned.
	Exited
	// Crashed: it ended at once.
	Crashed
	// Terminated: it was asked to stop.
	Terminated
	// Killed: it was ended because its grace was over.
	Killed
	// Paused and Resumed: it was frozen, and goes on.
	Paused
	Resumed
	// Healed: the world lifted every fault.
	Healed
	// Collected: TiKV's garbage collection resolved locks that were left.
	Collected
	// FaultFired: a fault changed the outcome or the order of a call for the
	// first time.
	FaultFired
)

var processEventNames = [...]string{"", "boot", "exit", "crash", "terminate", "kill", "pause", "resume", "heal", "collect locks", "fault"}

// String returns the event as traces print it.
func (e ProcessEvent) String() string { return processEventNames[e] }
