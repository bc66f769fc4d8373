package relocate

import (
	"fmt"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// How far a search nearby goes. It counts, and reads no clock, so that every machine
// finds the same.
const (
	maxRuns   = 200
	maxEvents = 2_500_000
	maxAway   = 3 // neighbours of a call on either side
)

// walks are the arms under which a plan is tried beside its own: of those that choose
// the order of events, the ones that found most of what edits had moved.
var walks = []string{"elastic", "ta-pct"}

// variation is a plan with little changed.
type variation struct {
	*plan.Plan
	moves []Move
}

// vicinity is where a search looks: the calls and processes of the plan that holds.
type vicinity struct {
	calls []fault.Anchor
	cast  []string
}

// nearby looks for the failure near a plan that has all its calls and yet holds: in
// runs in which its deviations meet a neighbouring call, or another process, last
// longer or less long, or in which what is left to chance falls out otherwise. The
// nearest variation that fails as the plan did is taken, or none.
func nearby(target sim.Target, p *plan.Plan, as *Replayed) (*Replayed, error) {
	calls, err := sim.Anchors(target, p)
	if err != nil {
		return nil, err
	}
	cast, err := sim.Cast(target, p)
	if err != nil {
		return nil, err
	}
	v := &vicinity{calls, cast}
	tried := map[string]bool{p.String(): true}
	runs, events := 0, uint64(0)
	for _, c := range v.variations(variation{p, as.Moves}) {
		if runs == maxRuns || events >= maxEvents {
			break
		}
		text := c.String()
		if tried[text] || slices.ContainsFunc(c.Orders, func(o *fault.Ordering) bool { return o.Hold == o.After }) {
			continue
		}
		tried[text] = true
		target.Events = maxEvents - events
		r, err := sim.Replay(target, c.Plan)
		if err != nil {
			continue // a fault that cannot strike there
		}
		runs, events = runs+1, events+r.Events
		if fails(r, p) {
			return &Replayed{Result: r, Moves: c.moves, Nearby: runs}, nil
		}
	}
	return as, nil
}

// variations are in the order in which they are tried: first those of one deviation,
// then those of what is left to chance.
func (v *vicinity) variations(p variation) []variation {
	roles := v.roles(p)
	list := slices.Concat(roles, v.neighbours(p, 1), lasting(p))
	for away := 2; away <= maxAway; away++ {
		list = append(list, v.neighbours(p, away)...)
	}
	list = append(list, working(p)...)
	for n := range maxRuns {
		list = append(list, seeded(p, uint64(n+1)))
		if len(roles) > 0 {
			list = append(list, seeded(roles[n%len(roles)], uint64(n+1)))
		}
		list = append(list, seeded(p.with("sim.arm", walks[n%len(walks)]), uint64(n+1)))
	}
	return list
}

// but is the plan with one thing more that is changed.
func (v variation) but(p *plan.Plan, what, from, to string) variation {
	return variation{p, append(slices.Clone(v.moves), Move{what, from, to})}
}

// with is the plan with another value of a setting.
func (v variation) with(name, value string) variation {
	i := slices.IndexFunc(v.Settings, func(f plan.Field) bool { return f.Name == name })
	if i < 0 || v.Settings[i].Value == value {
		return v
	}
	return v.but(v.With(name, value), "set "+name, v.Settings[i].Value, value)
}

// roles lets two processes of a role change their parts.
func (v *vicinity) roles(p variation) (list []variation) {
	named := p.Actors()
	for i, one := range v.cast {
		for _, other := range v.cast[i+1:] {
			if plan.Role(one) == plan.Role(other) && (slices.Contains(named, one) || slices.Contains(named, other)) {
				var c variation
				c.Plan, c.moves = swapped(p.Plan, p.moves, one, other)
				list = append(list, c)
			}
		}
	}
	return list
}

// neighbours lets each deviation meet its call's neighbour so many calls away, if there
// is one.
func (v *vicinity) neighbours(p variation, away int) (list []variation) {
	for i, at := range placesOf(p.Clone()) {
		for _, by := range []int{-away, away} {
			to := *at.call
			to.Nth += by
			if !slices.Contains(v.calls, to) {
				continue
			}
			c := p.Clone()
			*placesOf(c)[i].call = to
			list = append(list, p.but(c, at.what, at.call.String(), to.String()))
		}
	}
	return list
}

// percent are the lengths that are tried in the place of one, the nearest first.
var percent = []time.Duration{125, 80, 200, 50, 400}

// lasting lets each fault last longer, or less long.
func lasting(p variation) (list []variation) {
	for i, f := range p.Faults {
		size, has := f.Magnitude()
		if !has {
			continue
		}
		for _, share := range percent {
			c := p.Clone()
			c.Faults = slices.Clone(p.Faults)
			c.Faults[i] = f.Lasting(min(size/100*share, fault.MaxTime))
			list = append(list, p.but(c, "fault", f.String(), c.Faults[i].String()))
		}
	}
	return list
}

// working lets work take longer, or less long: much that happens beside it then meets it
// at another time.
func working(p variation) (list []variation) {
	const name = "sim.work_time"
	for _, f := range p.Settings {
		lasts, err := time.ParseDuration(f.Value)
		if f.Name != name || err != nil {
			continue
		}
		for _, share := range append([]time.Duration{150, 67}, percent...) {
			list = append(list, p.with(name, (lasts/100*share).String()))
		}
	}
	return list
}

// seeded lets what the plan leaves to chance fall out otherwise: it has the n-th seed
// behind its own.
func seeded(p variation, n uint64) variation {
	c := p.Clone()
	c.Seed += n
	return p.but(c, "seed", fmt.Sprintf("0x%016x", p.Seed), fmt.Sprintf("0x%016x", c.Seed))
}
