// Package inject turns what somebody asks for (a rule, a scenario, a chaos
// configuration) into faults at calls. Each is written down as a fault at an
// anchor, so the plan of such a run replays it without the one who asked.
package inject

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Rule injects faults at every call that matches, instead of at one anchor.
// Empty fields match everything.
type Rule struct {
	Process, Task, Step, Class string
	Op                         ops.Op
	Nth                        int    // only the n-th match of a process, from 1; 0: each
	PerMillion                 uint64 // chance for each match; 0 counts as always
	Once                       bool   // only the first time in a universe
	Effect                     bool   // only operations that change what a store holds
	Kind                       fault.Kind
	// Struck is the fault that was injected last, or nil.
	Struck *fault.Fault

	seen  map[string]int
	spent bool
}

// Strike injects the rule's fault if the call matches.
func (r *Rule) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if !r.matches(c) {
		return faults
	}
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	r.seen[c.Process]++
	if r.Nth != 0 && r.seen[c.Process] != r.Nth {
		return faults
	}
	if r.PerMillion != 0 && keyed.Below(keyed.Mix(c.ID, keyed.ForFault), 1e6) >= r.PerMillion {
		return faults
	}
	r.spent = r.Once
	r.Struck = &fault.Fault{Kind: r.Kind, At: c.Anchor()}
	return append(faults, r.Struck)
}

func (r *Rule) matches(c *fault.Crossing) bool {
	switch {
	case r.spent,
		r.Process != "" && r.Process != c.Process,
		r.Task != "" && r.Task != c.Task,
		r.Step != "" && r.Step != c.Step,
		r.Op != ops.None && r.Op != c.Op,
		r.Class != "" && r.Class != c.Class,
		r.Effect && !c.Op.HasEffect():
		return false
	}
	return r.Kind.Info().CanStrike(c.Op, c.Client)
}

// String describes the rule for messages.
func (r *Rule) String() string {
	return fmt.Sprintf("%s at %s/%s %s %s %s #%d", r.Kind.Info().Name, fault.Dash(r.Process), fault.Dash(r.Task), fault.Dash(r.Step), r.Op, fault.Dash(r.Class), r.Nth)
}

// MarkPrefix begins the names of the marks that count the faults of one entry
// of a scenario or a configuration: those that changed the outcome or the order
// of a call.
const MarkPrefix = "injected: "

// opOf returns the operation behind the name of a call in the vocabulary of
// package chaos.
func opOf(call string) (ops.Op, bool) {
	switch call {
	case "":
		return ops.Step, true
	case "work":
		return ops.Work, true
	case "kv.begin":
		return ops.TSO, true
	}
	return ops.Named(call)
}

// write makes a fault of an entry at a call.
func write(k fault.Kind, source string, c *fault.Crossing) *fault.Fault {
	return &fault.Fault{Kind: k, At: c.Anchor(), Source: source}
}
