package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Delay holds a request back, up to the system's MaxInFlight: it may be applied
// after its caller gave up.
type Delay struct {
	none
	For time.Duration
}

var delayInfo = Info{
	Name: "delay", About: "a request executes late, perhaps after its caller gave up", Effect: "maybe",
	Strikes: requests, Steps: true, Requests: true,
	Share: 400,
	Aim:   Aim{Weight: 2, At: effects},
	New:   func() Kind { return &Delay{} },
}

func (*Delay) Info() *Info                         { return &delayInfo }
func (k *Delay) Lasts() time.Duration              { return k.For }
func (k *Delay) Hold() time.Duration               { return k.For }
func (k *Delay) EnterStep() (time.Duration, error) { return k.For, nil }

func (k *Delay) options() []option {
	return []option{lasting("for", "how long the request is held back, up to sim.max_in_flight", &k.For)}
}

func (k *Delay) draw(d keyed.Draw, s *Scale, _ *Crossing) {
	k.For = min(s.duration(d), s.MaxInFlight)
}

func (k *Delay) aim(_ keyed.Draw, s *Scale, _ *Crossing, lease time.Duration) {
	k.For = min(lease, s.MaxInFlight)
}
