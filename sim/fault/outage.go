package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Outage makes services refuse every process's requests; none is applied. One of some
// keys alone is a region without a leader, or a bucket's partition: a transaction begins,
// and what it reads next is refused for longer than its client repeats it.
type Outage struct {
	none
	Service ops.Service
	Keys    string // the class of keys that cannot be had; "" for all
	For     time.Duration
}

var outageInfo = Info{
	Name: "outage", About: "a service refuses everybody's requests", Effect: "no",
	Strikes: requests, Requests: true,
	Share: 150, // it stops everybody at once: little can race meanwhile
	Aim:   Aim{Weight: 3, At: aboutKeys},
	New:   func() Kind { return &Outage{} },
}

func (*Outage) Info() *Info            { return &outageInfo }
func (k *Outage) Lasts() time.Duration { return k.For }
func (k *Outage) Befall(h Host, f *Fault) bool {
	h.Everywhere(f, k.For)
	return true
}

func (k *Outage) Admit(m *Message) Verdict {
	if !k.Service.Is(m.Op) || k.Keys != "" && k.Keys != m.Class {
		return Passed
	}
	return Refused
}

func (k *Outage) options() []option {
	return []option{choice("service", "which service refuses", &k.Service, ops.Services()), word("keys", "requests about which keys alone", &k.Keys), lasting("for", "how long it refuses", &k.For)}
}

func (k *Outage) draw(d keyed.Draw, s *Scale, c *Crossing) {
	k.For, k.Service = s.duration(d), c.Op.Service()
	if k.Service == ops.KV && d.Chance("keys", 400) {
		k.Keys = c.Class
	}
}

// aim outlasts leases twice over: breakers open, and what is held is lost. Of the
// key-value store some keys are struck: without any nobody gets as far as to them.
func (k *Outage) aim(d keyed.Draw, _ *Scale, c *Crossing, lease time.Duration) {
	k.For = lease + time.Duration(d.Between("outage", 1, int64(lease)))
	if k.Service == ops.KV {
		k.Keys = c.Class
	}
}

// weaker refuses what the request is about alone, or the request.
func (k *Outage) weaker(at Anchor) []Kind {
	switch {
	case !k.Service.Is(at.Op):
		return nil
	case k.Keys == "" && at.Class != "-":
		return []Kind{&Outage{Service: k.Service, Keys: at.Class, For: k.For}, &Refuse{}}
	}
	return []Kind{&Refuse{}}
}
