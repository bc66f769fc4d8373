package sim

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// pos is partial-order sampling (Yuan, Yang and Gu, 2018): every event has a
// priority, the highest is next, and whoever raced with the event that came
// draws a new one. What races with nobody keeps its place for good, so an event
// with a bad draw waits long, whatever else goes on: of many orders that are the
// same to everybody, one. Priorities are exponential variates, the smallest the
// highest, so that the clock takes part with its weight.
type pos struct {
	*scheduler
	clock elasticClock
	again []*event // scratch
}

func newPOS(s *scheduler, _ armSetup) strategy { return &pos{scheduler: s} }

func (p *pos) delay(uint64) int64 { return 0 }

func (p *pos) place(e *event, _ int64) int64 {
	return keyed.Exponential(keyed.Mix(e.id, keyed.ForPick))
}

func (p *pos) next() *event {
	m, t := p.messages.head(), p.timers.head()
	if t == nil || m != nil && m.when <= p.clock.at(p.scheduler, t, 0) {
		p.arrive(m)
		p.redraw(m)
		return m
	}
	p.clock.head = nil
	return p.fire()
}

// redraw gives those a new priority that raced with an event. The draw is keyed
// by both, so that it depends on nothing else.
func (p *pos) redraw(e *event) {
	if e.kind != evRequest {
		return
	}
	p.again = p.again[:0]
	for _, other := range p.messages.heap {
		if other.kind == evRequest && racing(e.msg, other.msg) {
			p.again = append(p.again, other)
		}
	}
	for _, other := range p.again {
		p.messages.remove(other)
		other.when = keyed.Exponential(keyed.Mix(keyed.Mix(other.id, keyed.ForPick), e.id))
		p.messages.push(other)
	}
}

// racing reports whether the order of two requests can matter to a store: they
// share a key, and at least one changes something. Timestamps race with each
// other, for each changes the oracle.
func racing(a, b *message) bool {
	if a.Op == ops.TSO || b.Op == ops.TSO {
		return a.Op == b.Op
	}
	if !a.Op.HasEffect() && !b.Op.HasEffect() || a.Op.Service() != b.Op.Service() {
		return false
	}
	return anyKey(a, b.touches) || anyKey(b, a.touches)
}

// anyKey reports whether one of the keys that a request names is such.
func anyKey(m *message, is func(string) bool) bool {
	if m.Op.Service() == ops.Objects {
		return is(m.Object.Key)
	}
	switch req := &m.KV; {
	case len(req.Mutations) > 0:
		return slices.ContainsFunc(req.Mutations, func(w tikv.Mutation) bool { return is(w.Key) })
	case len(req.Keys) > 0:
		return slices.ContainsFunc(req.Keys, is)
	case req.Primary != "":
		return is(req.Primary)
	default:
		return is(req.Key)
	}
}

// touches reports whether a request reads or writes a key: one that it names, or
// one in its range.
func (m *message) touches(key string) bool {
	switch m.Op {
	case ops.List, ops.ListUploads:
		return strings.HasPrefix(key, m.Object.Key)
	case ops.KVScan, ops.Resolve:
		if len(m.KV.Keys) == 0 {
			from, to := m.KV.Key, m.KV.EndKey
			if m.KV.Reverse {
				from, to = to, from
			}
			return key >= from && (to == "" || key < to)
		}
	}
	return anyKey(m, func(k string) bool { return k == key })
}
