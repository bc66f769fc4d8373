package search

import (
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// mode is a trait of a whole run: a service that refuses now and then, or a link
// that loses messages. Single faults, few in a run, never meet what needs the
// same plain error at two places; measured on an outside system, two of four
// missed bugs fell at 1 in 15 and 1 in 72 universes once 2 % of the object calls
// were refused.
type mode struct {
	kinds      []fault.Kind // one of them at each strike
	service    ops.Service
	perMillion uint64 // of the service's requests
	left       int
}

// modeFaults is how many faults a mode injects at most: a plan stays readable.
const modeFaults = 48

// drawMode returns the mode of a run, or nil: one run in eight has one.
func drawMode(d keyed.Draw, o Options) *mode {
	if d.Intn("mode", 8) != 0 {
		return nil
	}
	m := &mode{service: ops.Service(d.Intn("mode service", 4)), left: modeFaults}
	m.perMillion = uint64(d.LogBetween("mode rate", 1_000, 50_000)) // 0.1 to 5 %
	switch d.Intn("mode kind", 3) {
	case 0, 1: // a flaky service
		m.kinds = []fault.Kind{&fault.Refuse{}}
	default: // a lossy link, as a client with and one without keep-alive sees it
		reset := d.Chance("mode reset", 500)
		m.kinds = []fault.Kind{&fault.LoseRequest{Reset: reset}, &fault.LoseReply{Reset: reset}}
		m.perMillion = min(m.perMillion, 20_000)
	}
	for _, k := range m.kinds {
		if !o.allows(k.Info()) {
			return nil
		}
	}
	return m
}

// Strike decides about each request by itself.
func (m *mode) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if m.left == 0 || !c.Op.IsRequest() || !m.service.Is(c.Op) {
		return faults
	}
	h := keyed.Mix(c.ID, keyed.ForMode)
	if keyed.Below(h, 1e6) >= m.perMillion {
		return faults
	}
	m.left--
	k := m.kinds[h%uint64(len(m.kinds))]
	return append(faults, &fault.Fault{Kind: k, At: c.Anchor()})
}
