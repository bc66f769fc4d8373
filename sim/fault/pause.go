package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Pause freezes a process: replies and timers wait until it resumes. Its
// monotonic clock goes on meanwhile, as under SIGSTOP, or stops, as when its
// machine is suspended: then it cannot notice.
type Pause struct {
	none
	Phase Phase
	// For is how long it lasts at most.
	For time.Duration
	// Stops stops the monotonic clock, too.
	Stops bool
	// Until may end it earlier.
	Until Until
}

// Until says what ends a pause, if its time doesn't: what a zombie does depends
// on how far its successor is when it wakes up.
type Until uint8

const (
	// UntilTime: nothing else.
	UntilTime Until = iota
	// UntilRival: soon after another process has made a call in the step in
	// which the pause began; both want the same.
	UntilRival
	// UntilHeir: when half its time is over, soon after another process has made
	// a call in the step that came before that one; the successor is at work.
	UntilHeir
)

var untilNames = []string{"time", "rival", "heir"}

var pauseInfo = Info{
	Name: "pause", About: "a process freezes, perhaps for longer than its lease, then goes on", Effect: "maybe",
	Strikes: anything, SparesClients: true,
	Share: 500,
	// Most faults that are aimed are pauses: zombies are the rarest visitors of
	// unaimed runs, and most hazards of leases need one.
	Aim: Aim{Weight: 9, At: requests},
	New: func() Kind { return &Pause{} },
}

func (*Pause) Info() *Info             { return &pauseInfo }
func (k *Pause) Lasts() time.Duration  { return k.For }
func (k *Pause) Moment() (Phase, bool) { return k.Phase, true }
func (k *Pause) Befall(h Host, f *Fault) bool {
	h.Pause(f, k)
	return true
}

func (k *Pause) options() []option {
	return []option{
		phase(&k.Phase),
		lasting("for", "how long it lasts at most", &k.For),
		either("clock", "what the process's monotonic clock does meanwhile", &k.Stops, "runs", "stops"),
		optional("until", "what ends it, if that comes first", &k.Until, untilNames),
	}
}

func (k *Pause) draw(d keyed.Draw, s *Scale, c *Crossing) {
	k.Phase = drawPhase(d, c)
	k.For = s.freeze(d)
	k.Stops = d.Chance("clock", 500)
}

// aim mostly stops the clock, or a process fences itself when it wakes up, and half
// of the time waits for a rival: a zombie harms only beside one. Heirs did not pay
// (docs/POWER.md).
func (k *Pause) aim(d keyed.Draw, _ *Scale, _ *Crossing, lease time.Duration) {
	k.For, k.Stops = lease, d.Chance("clock", 750)
	if d.Chance("until", 500) {
		k.For, k.Until = 2*lease, UntilRival
	}
}

// weaker holds one message back instead of the whole process.
func (k *Pause) weaker(at Anchor) []Kind {
	var milder []Kind
	if at.Op.IsRequest() {
		if k.Phase == Before {
			milder = append(milder, &Delay{For: k.For})
		} else {
			milder = append(milder, &DelayReply{For: k.For})
		}
	}
	if k.Until != UntilTime {
		milder = append(milder, &Pause{Phase: k.Phase, For: k.For}, &Pause{Phase: k.Phase, For: k.For, Stops: k.Stops})
	}
	if k.Stops {
		milder = append(milder, &Pause{Phase: k.Phase, For: k.For, Until: k.Until})
	}
	return milder
}
