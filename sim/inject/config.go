package inject

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Config compiles a chaos configuration, which must be valid under the
// catalogue. It means
// here what it means to an Injector around real stores: each process counts and
// draws for itself, over all of its incarnations. What is one call there may be
// several requests here; a failure holds for all of them, the repetitions of a
// store's client too, so that the call fails.
func Config(config chaos.Config, catalogue chaos.Catalogue) fault.Injector {
	c := &configured{catalogue: catalogue}
	for i := range config.Rules {
		c.add(config.Seed, &config.Rules[i])
	}
	slices.SortStableFunc(c.points, func(a, b *pointRule) int {
		return int(a.point)*8 + a.unspecific - int(b.point)*8 - b.unspecific
	})
	return c
}

// Points names, in the order of the configuration, what Config can
// inject, as marks call it: "kv.commit fail_before".
func Points(config chaos.Config, catalogue chaos.Catalogue) []string {
	c := &configured{catalogue: catalogue}
	for i := range config.Rules {
		c.add(config.Seed, &config.Rules[i])
	}
	var names []string
	for _, p := range c.points {
		names = append(names, p.name)
	}
	return names
}

// point is where in a call a rule acts, in the order of a call's life.
type point uint8

const (
	delayBefore point = iota
	failBefore
	delayAfter
	failAfter
)

var pointNames = [...]string{"delay_before", "fail_before", "delay_after", "fail_after"}

// configured is a configuration's rules, taken apart into their points: sorted
// by point, the most specific first.
type configured struct {
	catalogue chaos.Catalogue
	points    []*pointRule
}

// pointRule is one rule at one of its points.
type pointRule struct {
	name       string
	key        uint64 // of its draws
	point      point
	unspecific int    // 0: a call in a step, 1: a call, 2: a step
	step       string // "": any
	ops        []ops.Op
	kind       fault.Kind // but for delays, which are drawn
	trigger    *chaos.Trigger
	min, max   time.Duration // delays
	processes  map[string]*tally
}

// tally is what a point has counted of one process.
type tally struct {
	calls, fired int
	last         map[uint64]verdict // by thread
}

// verdict is what was decided about a task's last call.
type verdict struct {
	scope any
	op    ops.Op
	key   string
	fails bool
}

func (c *configured) add(seed uint64, r *chaos.Rule) {
	op, _ := c.catalogue.Lookup(r.Operation)
	if r.DelayBefore != nil {
		c.at(seed, op, delayBefore, &r.DelayBefore.Trigger, &fault.Delay{}).delays(r.DelayBefore)
	}
	if r.FailBefore != nil {
		class := orDefault(r.FailBefore.Error, op.FailBefore)
		p := c.at(seed, op, failBefore, &r.FailBefore.Trigger, before(class))
		if class == env.ClassConflict && op.Call == chaos.KVCommit {
			p.ops[0] = ops.Prewrite // a commit that conflicts does so when it locks
		}
	}
	if r.DelayAfter != nil {
		c.at(seed, op, delayAfter, &r.DelayAfter.Trigger, &fault.DelayReply{}).delays(r.DelayAfter)
	}
	if r.FailAfter != nil {
		var kind fault.Kind = &fault.LoseReply{Reset: true}
		if orDefault(r.FailAfter.Error, op.FailAfter) == env.ClassConflict {
			kind = &fault.Conflict{}
		}
		c.at(seed, op, failAfter, &r.FailAfter.Trigger, kind)
	}
}

func orDefault(class env.Class, p chaos.Point) env.Class {
	if class == env.ClassNone {
		return p.Errors[0]
	}
	return class
}

// before is the fault behind an error before the effect.
func before(class env.Class) fault.Kind {
	switch class {
	case env.ClassUndetermined:
		return &fault.LoseRequest{Reset: true}
	case env.ClassConflict:
		return &fault.Conflict{}
	case env.ClassNotFound:
		return &fault.ExpireUpload{}
	}
	return &fault.Refuse{}
}

// at adds a rule's point.
func (c *configured) at(seed uint64, op chaos.Operation, at point, trigger *chaos.Trigger, kind fault.Kind) *pointRule {
	p := &pointRule{
		name: op.Name + " " + pointNames[at], point: at, step: op.Step, kind: kind, trigger: trigger,
		processes: map[string]*tally{},
	}
	p.key = keyed.Mix(keyed.Mix(seed, keyed.HashText(op.Name)), uint64(at))
	calls := []string{op.Call}
	if op.Call == "" {
		p.unspecific = 2
		if at == delayAfter || at == failAfter {
			calls = op.FailAfter.Calls
		}
	} else if op.Step == "" {
		p.unspecific = 1
	}
	for _, call := range calls {
		if found, ok := opOf(call); ok {
			p.ops = append(p.ops, found)
		}
	}
	c.points = append(c.points, p)
	return p
}

func (p *pointRule) delays(d *chaos.Latency) { p.min, p.max = d.Min, d.Max }

func (c *configured) Strike(call *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	var taken [len(pointNames)]bool
	for _, p := range c.points {
		if !p.concerns(call) {
			continue
		}
		if p.point > failBefore && taken[failBefore] {
			break // it never gets that far
		}
		if p.picks(call) && !taken[p.point] {
			taken[p.point] = true
			faults = append(faults, write(p.sized(call), p.name, call))
		}
	}
	return faults
}

func (p *pointRule) concerns(c *fault.Crossing) bool {
	if !slices.Contains(p.ops, c.Op) || p.step != "" && p.step != c.Step || !p.kind.Info().CanStrike(c.Op, c.Client) {
		return false
	}
	_, conflicts := p.kind.(*fault.Conflict)
	return !conflicts || c.Op == ops.Step || c.Conditional
}

// picks counts a call and decides about it. Requests of one task for the same
// thing under the same deadline are one call: a store's client repeats them. If
// the call fails, all of them do.
func (p *pointRule) picks(c *fault.Crossing) bool {
	s := p.processes[c.Process]
	if s == nil {
		s = &tally{last: map[uint64]verdict{}}
		p.processes[c.Process] = s
	}
	now := verdict{scope: c.Scope, op: c.Op}
	if now.op == ops.KVGet || now.op == ops.KVScan {
		now.key = c.Subject
	}
	last := s.last[c.Thread]
	now.fails = last.fails
	if now.op.IsRequest() && now.op.Service() != ops.Objects && last == now {
		return now.fails && (p.point == failBefore || p.point == failAfter)
	}
	s.calls++
	now.fails = p.triggered(c, s)
	if now.fails {
		s.fired++
	}
	s.last[c.Thread] = now
	return now.fails
}

// triggered decides about a process's next call.
func (p *pointRule) triggered(c *fault.Crossing, s *tally) bool {
	if p.trigger.Once && s.fired > 0 {
		return false
	}
	if p.trigger.Once && p.trigger.Rate == 0 && len(p.trigger.Nth) == 0 {
		return true
	}
	if _, found := slices.BinarySearch(p.trigger.Nth, s.calls); found {
		return true
	}
	const unit = 1.0 / (1 << 53)
	return float64(p.draw(c, s, keyed.ForFault)>>11)*unit < p.trigger.Rate
}

// sized returns what befalls a call that was just counted.
func (p *pointRule) sized(c *fault.Crossing) fault.Kind {
	if p.point != delayBefore && p.point != delayAfter {
		return p.kind
	}
	spread := uint64(p.max - p.min + 1)
	d := p.min + time.Duration(keyed.Below(p.draw(c, p.processes[c.Process], keyed.ForTimer), spread))
	if p.point == delayBefore {
		return &fault.Delay{For: d}
	}
	return &fault.DelayReply{For: d}
}

// draw is keyed by the universe, the rule, the process and the call's number:
// changing one rule never moves another's failures.
func (p *pointRule) draw(c *fault.Crossing, s *tally, purpose uint64) uint64 {
	return keyed.Mix(keyed.Mix(keyed.Mix(c.Seed, p.key), keyed.HashText(c.Process)), uint64(s.calls)<<8^purpose)
}
