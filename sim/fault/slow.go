package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Slow makes a process's work take longer.
type Slow struct {
	none
	Factor int64 // how many times longer, 2 to 1000
	For    time.Duration
}

var slowInfo = Info{
	Name: "slow", About: "a process computes slowly", Effect: "-",
	Strikes: work, SparesClients: true,
	Share: 200, // it only delays: pauses and delays do most of what it can do
	Aim:   Aim{Weight: 2, At: work},
	New:   func() Kind { return &Slow{} },
}

func (*Slow) Info() *Info            { return &slowInfo }
func (k *Slow) Lasts() time.Duration { return k.For }
func (k *Slow) Befall(h Host, f *Fault) bool {
	h.Stand(f, k.For)
	return true
}

func (k *Slow) Stretch(cost int64) int64 { return cost * k.Factor }

func (k *Slow) options() []option {
	return []option{number("factor", "how many times longer work takes", &k.Factor, 2, 1000), lasting("for", "how long it is slow", &k.For)}
}

func (k *Slow) draw(d keyed.Draw, s *Scale, _ *Crossing) {
	k.Factor, k.For = d.LogBetween("factor", 2, 1000), 4*s.duration(d)
}

// aim makes work outlast the time after which it is given up.
func (k *Slow) aim(d keyed.Draw, s *Scale, _ *Crossing, lease time.Duration) {
	k.Factor, k.For = d.LogBetween("work factor", 100, 1000), s.LongWork+lease
}

func (k *Slow) weaker(Anchor) []Kind {
	if k.Factor == 2 {
		return nil
	}
	return []Kind{&Slow{Factor: k.Factor / 2, For: k.For}}
}
