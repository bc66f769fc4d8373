package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Skew steps a process's wall clock.
type Skew struct {
	none
	By time.Duration // negative: back
}

var skewInfo = Info{
	Name: "skew", About: "a process's wall clock steps", Effect: "-",
	Strikes: anything,
	Share:   120, // nothing may depend on wall clocks: few runs suffice to see that
	New:     func() Kind { return &Skew{} },
}

func (*Skew) Info() *Info            { return &skewInfo }
func (k *Skew) Lasts() time.Duration { return max(k.By, 0) }
func (k *Skew) Befall(h Host, f *Fault) bool {
	h.StepClock(f, k.By)
	return true
}

func (k *Skew) options() []option {
	return []option{duration("by", "how far the clock steps", &k.By, -MaxTime, MaxTime)}
}

func (k *Skew) draw(d keyed.Draw, s *Scale, _ *Crossing) {
	k.By = s.duration(d)
	if d.Chance("back", 500) {
		k.By = -k.By
	}
}
