package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Outage makes services refuse every process's requests; none is applied.
type Outage struct {
	none
	Service ops.Service
	For     time.Duration
}

var outageInfo = Info{
	Name: "outage", About: "a service refuses everybody's requests", Effect: "no",
	Strikes: requests, Requests: true,
	Share: 150, // it stops everybody at once: little can race meanwhile
	Aim:   Aim{Weight: 1, At: objectStore},
	New:   func() Kind { return &Outage{} },
}

func (*Outage) Info() *Info            { return &outageInfo }
func (k *Outage) Lasts() time.Duration { return k.For }
func (k *Outage) Befall(h Host, f *Fault) bool {
	h.Everywhere(f, k.For)
	return true
}

func (k *Outage) Admit(m *Message) Verdict {
	if !k.Service.Is(m.Op) {
		return Passed
	}
	return Refused
}

func (k *Outage) options() []option {
	return []option{choice("service", "which service refuses", &k.Service, ops.Services()), lasting("for", "how long it refuses", &k.For)}
}

func (k *Outage) draw(d keyed.Draw, s *Scale, c *Crossing) {
	k.For, k.Service = s.duration(d), c.Op.Service()
}

// aim outlasts leases twice over: breakers open, and what is held is lost.
func (k *Outage) aim(d keyed.Draw, _ *Scale, _ *Crossing, lease time.Duration) {
	k.For = lease + time.Duration(d.Between("outage", 1, int64(lease)))
}

// weaker refuses one request alone.
func (k *Outage) weaker(at Anchor) []Kind {
	if !k.Service.Is(at.Op) {
		return nil
	}
	return []Kind{&Refuse{}}
}
