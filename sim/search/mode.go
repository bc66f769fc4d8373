package search

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Modes are traits of a whole run: a service that refuses now and then, a link that
// loses, repeats or reorders messages. Single faults, few in a run, never meet what
// needs the same plain error at two places; measured on an outside system, two of
// four missed bugs fell at 1 in 15 and 1 in 72 universes once 2 % of the object calls
// were refused.
//
// They are settings of a plan: one line each, whatever they come to. What a mode
// injects is ambient (fault.Fault.Ambient): a replay injects it again, and reduction
// writes it out as single faults.
type Modes struct {
	// Flaky is how many of 10,000 requests to a service are refused; 0 for none.
	Flaky int
	// FlakyService is the service that refuses them.
	FlakyService string
	// Lossy is how many of 10,000 requests to a service are lost, or their replies
	// are; 0 for none.
	Lossy int
	// LossyService is the service behind the link that loses them.
	LossyService string
	// LossyReset is whether the callers see a broken connection at once.
	LossyReset bool
	// Repeated is how many of 10,000 requests with an effect arrive twice; 0 for none.
	Repeated int
	// Reordered is how many of 10,000 requests are held back, so that later ones
	// overtake them; 0 for none.
	Reordered int
	// ReorderedBy is for how long at most.
	ReorderedBy time.Duration
	// Rolling is how many of 10,000 requests meet that their process is asked to stop,
	// as when deployments roll again and again; 0 for none.
	Rolling int
}

// Of 10,000 requests: 5 % are the most that a mode of a run draws, 2 % of losses,
// which cost a time-out each.
const (
	outOf       = 10_000
	mostFlaky   = 500
	mostLosses  = 200
	mostRolling = 60 // a process that is always starting gets nothing done
)

// Settings bind the modes to their names in a plan; 0 switches one off.
func (m *Modes) Settings() []plan.Setting {
	services := ops.Services()
	slices.Reverse(services) // all of them first
	rate := func(name string, field *int) plan.Setting {
		return plan.Setting{Name: name, Int: field, Max: outOf, Absent: "0"}
	}
	return []plan.Setting{
		rate("sim.flaky", &m.Flaky),
		{Name: "sim.flaky_service", Text: &m.FlakyService, Allowed: services, Absent: "all"},
		rate("sim.lossy", &m.Lossy),
		{Name: "sim.lossy_service", Text: &m.LossyService, Allowed: services, Absent: "all"},
		{Name: "sim.lossy_reset", Bool: &m.LossyReset, Absent: "false"},
		rate("sim.repeated", &m.Repeated),
		rate("sim.reordered", &m.Reordered),
		{Name: "sim.reordered_by", Duration: &m.ReorderedBy, Max: int64(time.Hour), Absent: "0s"},
		rate("sim.rolling", &m.Rolling),
	}
}

// None are no modes at all.
func None() Modes { return Modes{FlakyService: "all", LossyService: "all"} }

// DrawModes draws the modes of a run: one run in six is flaky or lossy, one in
// thirty meets repetitions, overtaking, or both, and one in forty rolls. scale is of
// the run's system.
func DrawModes(d keyed.Draw, o Options, scale fault.Scale) Modes {
	m := None()
	service := func(label string) string { return ops.Services()[d.Intn(label, len(ops.Services()))] }
	if d.Chance("flaky", 110) && o.allowsAll(&fault.Refuse{}) {
		m.FlakyService = service("flaky service")
		m.Flaky = int(d.LogBetween("flaky rate", 10, mostFlaky))
	}
	if d.Chance("lossy", 60) && o.allowsAll(&fault.LoseRequest{}, &fault.LoseReply{}) {
		m.LossyService = service("lossy service")
		m.Lossy = int(d.LogBetween("lossy rate", 10, mostLosses))
		m.LossyReset = d.Chance("lossy reset", 500) // as a client with keep-alive sees it
	}
	if scale.Unrest > 0 && o.allowsAll(&fault.Refuse{}, &fault.LoseRequest{}, &fault.LoseReply{}) {
		unrest := int64(scale.Unrest)
		m.FlakyService, m.Flaky = "all", int(min(d.Between("unrest", unrest/2, unrest+unrest/2), outOf))
		m.LossyService, m.Lossy = "all", m.Flaky/8
	}
	if o.allowsAll(&fault.Terminate{}) {
		switch {
		case scale.Unrest > 0:
			m.Rolling = int(d.LogBetween("rolling unrest", 3, mostRolling))
		case d.Chance("rolling", 25):
			m.Rolling = int(d.LogBetween("rolling rate", 3, mostRolling))
		}
	}
	if d.Chance("repeated", 20) && o.allowsAll(&fault.DuplicateRequest{}) {
		m.Repeated = int(d.LogBetween("repeated rate", 50, mostFlaky))
	}
	if d.Chance("reordered", 20) && o.allowsAll(&fault.Delay{}) {
		m.Reordered = int(d.LogBetween("reordered rate", 100, 2*mostFlaky))
		// Mostly within a client's patience: else it is a delay like any other.
		m.ReorderedBy = time.Duration(d.LogBetween("reordered by", 1e6, int64(slices.Min(scale.Magnitudes))+1e6))
	}
	return m
}

// allowsAll reports whether the runs may meet all these kinds.
func (o Options) allowsAll(kinds ...fault.Kind) bool {
	return !slices.ContainsFunc(kinds, func(k fault.Kind) bool { return !o.allows(k.Info()) })
}

// Injector is who injects what the modes come to; nil if they are none.
func (m *Modes) Injector() fault.Injector {
	if m.Flaky+m.Lossy+m.Repeated+m.Reordered+m.Rolling == 0 {
		return nil
	}
	flaky, _ := ops.ServiceNamed(m.FlakyService)
	lossy, _ := ops.ServiceNamed(m.LossyService)
	stop, _ := fault.Named("terminate")
	return &modes{Modes: *m, flaky: flaky, lossy: lossy, stop: stop}
}

type modes struct {
	Modes
	flaky, lossy ops.Service
	stop         *fault.Info
}

// Strike decides about each request by itself, and about each mode.
func (m *modes) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if !c.Op.IsRequest() {
		return faults
	}
	h := keyed.Mix(c.ID, keyed.ForMode)
	meet := func(permyriad int, salt uint64, kind func(h uint64) fault.Kind) {
		own := keyed.Mix(h, salt)
		if permyriad > 0 && int(keyed.Below(own, outOf)) < permyriad {
			faults = append(faults, &fault.Fault{Kind: kind(keyed.Mix(own, 1)), At: c.Anchor(), Ambient: true})
		}
	}
	if m.flaky.Is(c.Op) {
		meet(m.Flaky, 1, func(uint64) fault.Kind { return &fault.Refuse{} })
	}
	if m.lossy.Is(c.Op) {
		meet(m.Lossy, 2, func(h uint64) fault.Kind {
			if h&1 == 0 {
				return &fault.LoseRequest{Reset: m.LossyReset}
			}
			return &fault.LoseReply{Reset: m.LossyReset}
		})
	}
	if c.Op.HasEffect() {
		meet(m.Repeated, 3, func(h uint64) fault.Kind {
			return &fault.DuplicateRequest{After: time.Duration(keyed.Of(h).LogBetween("after", 1e6, 1e9))}
		})
	}
	if !c.Client {
		meet(m.Rolling, 5, func(h uint64) fault.Kind { return fault.Draw(m.stop, keyed.Of(h), nil, c).Kind })
	}
	meet(m.Reordered, 4, func(h uint64) fault.Kind {
		return &fault.Delay{For: 1 + time.Duration(keyed.Below(h, uint64(m.ReorderedBy)+1))}
	})
	return faults
}
