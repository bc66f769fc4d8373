package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Crash ends an incarnation between two instructions: its memory is lost.
type Crash struct {
	none
	Phase Phase
	// Restart is after how long the next incarnation boots.
	Restart time.Duration
	// Never: there is no next one, not even when the world heals.
	Never bool
	// TempLost empties the temp dir, too.
	TempLost bool
}

var crashInfo = Info{
	Name: "crash", About: "a process ends at once, between any two calls or in one", Effect: "maybe",
	Strikes: anything, SparesClients: true,
	Share: 500, // half of the runs: nearly every protocol error needs a process that is gone
	Aim:   Aim{Weight: 1, At: requests},
	New:   func() Kind { return &Crash{} },
}

func (*Crash) Info() *Info             { return &crashInfo }
func (k *Crash) Lasts() time.Duration  { return k.Restart }
func (k *Crash) Moment() (Phase, bool) { return k.Phase, true }
func (k *Crash) Befall(h Host, f *Fault) bool {
	h.Crash(f, k)
	return true
}

func (k *Crash) options() []option {
	restart := lasting("restart", "after how long the next incarnation boots", &k.Restart)
	print, parse := restart.print, restart.parse
	restart.Want = "never, or " + restart.Want
	restart.print = func() string {
		if k.Never {
			return "never"
		}
		return print()
	}
	restart.parse = func(text string) bool {
		k.Never = text == "never"
		return k.Never || parse(text)
	}
	return []option{phase(&k.Phase), restart, either("temp", "what becomes of the files in its temp dir", &k.TempLost, "kept", "lost")}
}

func (k *Crash) draw(d keyed.Draw, s *Scale, c *Crossing) {
	k.Phase = drawPhase(d, c)
	k.Restart = s.duration(d)
	if d.Chance("soon", 500) { // as a supervisor does it: before any lease is over
		k.Restart = time.Duration(d.LogBetween("restart", 1e7, 5e9))
	}
	k.TempLost = d.Chance("temp", 500)
	if s.MayDie && c.Expendable && d.Chance("never", 300) {
		k.Never, s.MayDie = true, false
	}
}

// weaker freezes the process instead: its memory is kept.
func (k *Crash) weaker(at Anchor) []Kind {
	var milder []Kind
	if !k.Never {
		milder = append((&Pause{Phase: k.Phase, For: k.Restart}).weaker(at), &Pause{Phase: k.Phase, For: k.Restart}, &Pause{Phase: k.Phase, For: k.Restart, Stops: true})
	}
	if k.TempLost {
		w := *k
		w.TempLost = false
		milder = append(milder, &w)
	}
	if k.Never {
		milder = append(milder, &Crash{Phase: k.Phase, Restart: time.Second, TempLost: k.TempLost})
	}
	return milder
}
