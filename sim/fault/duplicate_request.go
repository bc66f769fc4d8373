package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// DuplicateRequest delivers a request twice: a copy arrives later, and nobody
// hears how it is answered. Networks and proxies that send again do this.
type DuplicateRequest struct {
	none
	After time.Duration
}

var duplicateRequestInfo = Info{
	Name: "duplicate-request", About: "a request is delivered twice", Effect: "yes, perhaps twice",
	Strikes: effects, Requests: true,
	Share: 250, // half as often as a delay, whose late arrivals it resembles
	Aim:   Aim{Weight: 1, At: effects},
	New:   func() Kind { return &DuplicateRequest{} },
}

func (*DuplicateRequest) Info() *Info             { return &duplicateRequestInfo }
func (k *DuplicateRequest) Lasts() time.Duration  { return k.After }
func (k *DuplicateRequest) Repeat() time.Duration { return k.After }

func (k *DuplicateRequest) options() []option {
	return []option{lasting("after", "how long after it is sent the copy arrives, up to sim.max_in_flight", &k.After)}
}

// draw lets half of the copies arrive at once, as a retransmission does, and the
// others when something has happened.
func (k *DuplicateRequest) draw(d keyed.Draw, s *Scale, _ *Crossing) {
	k.After = min(s.duration(d), s.MaxInFlight)
	if d.Chance("soon", 500) {
		k.After = time.Duration(d.LogBetween("after", 1e6, 1e9))
	}
}

func (k *DuplicateRequest) aim(_ keyed.Draw, s *Scale, _ *Crossing, lease time.Duration) {
	k.After = min(lease, s.MaxInFlight)
}
