package sim

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ConfigDeviations compiles a chaos configuration, which must be valid under the
// catalogue. It means
// here what it means to an Injector around real stores: each process counts and
// draws for itself, over all of its incarnations. What is one call there may be
// several requests here; a failure holds for all of them, the repetitions of a
// store's client too, so that the call fails.
func ConfigDeviations(config chaos.Config, catalogue chaos.Catalogue) Deviations {
	c := &configured{catalogue: catalogue}
	for i := range config.Rules {
		c.add(config.Seed, &config.Rules[i])
	}
	slices.SortStableFunc(c.points, func(a, b *pointRule) int {
		return int(a.point)*8 + a.unspecific - int(b.point)*8 - b.unspecific
	})
	return c
}

// ConfigPoints names, in the order of the configuration, what ConfigDeviations
// can inject, as marks call it: "kv.commit fail_before".
func ConfigPoints(config chaos.Config, catalogue chaos.Catalogue) []string {
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
	ops        []Op
	fault      Fault
	trigger    *chaos.Trigger
	min, max   time.Duration // delays
	processes  map[string]*tally
}

// tally is what a point has counted of one process.
type tally struct {
	calls, fired int
	last         map[*task]verdict
}

// verdict is what was decided about a task's last call.
type verdict struct {
	scope *cancelNode
	op    Op
	key   string
	fails bool
}

func (c *configured) add(seed uint64, r *chaos.Rule) {
	op, _ := c.catalogue.Lookup(r.Operation)
	if r.DelayBefore != nil {
		c.at(seed, op, delayBefore, &r.DelayBefore.Trigger, Fault{Kind: Delay}).delays(r.DelayBefore)
	}
	if r.FailBefore != nil {
		class := orDefault(r.FailBefore.Error, op.FailBefore)
		p := c.at(seed, op, failBefore, &r.FailBefore.Trigger, Fault{Kind: beforeKinds[class], Reset: true})
		if class == env.ClassConflict && op.Call == chaos.KVCommit {
			p.ops[0] = opPrewrite // a commit that conflicts does so when it locks
		}
	}
	if r.DelayAfter != nil {
		c.at(seed, op, delayAfter, &r.DelayAfter.Trigger, Fault{Kind: DelayReply}).delays(r.DelayAfter)
	}
	if r.FailAfter != nil {
		kind := LoseReply
		if orDefault(r.FailAfter.Error, op.FailAfter) == env.ClassConflict {
			kind = Conflict
		}
		c.at(seed, op, failAfter, &r.FailAfter.Trigger, Fault{Kind: kind, Reset: true})
	}
}

func orDefault(class env.Class, p chaos.Point) env.Class {
	if class == env.ClassNone {
		return p.Errors[0]
	}
	return class
}

// beforeKinds are the faults behind an error before the effect.
var beforeKinds = map[env.Class]FaultKind{
	env.ClassUnavailable: Refuse, env.ClassUndetermined: LoseRequest, env.ClassConflict: Conflict, env.ClassNotFound: ExpireUpload,
}

// at adds a rule's point.
func (c *configured) at(seed uint64, op chaos.Operation, at point, trigger *chaos.Trigger, f Fault) *pointRule {
	p := &pointRule{
		name: op.Name + " " + pointNames[at], point: at, step: op.Step, fault: f, trigger: trigger,
		processes: map[string]*tally{},
	}
	p.key = mix(mix(seed, hashText(op.Name)), uint64(at))
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

func (c *configured) pick(u *Universe, t *task, ctx *simCtx, cl call, m *message, faults []*Fault) []*Fault {
	var taken [len(pointNames)]bool
	for _, p := range c.points {
		if !p.concerns(t, cl, m) {
			continue
		}
		if p.point > failBefore && taken[failBefore] {
			break // it never gets that far
		}
		if p.picks(u, t, ctx, cl, m) && !taken[p.point] {
			taken[p.point] = true
			faults = append(faults, u.inject(p.sized(u, t), p.name, t, cl))
		}
	}
	return faults
}

func (p *pointRule) concerns(t *task, cl call, m *message) bool {
	op := cl.site.op
	return slices.Contains(p.ops, op) && (p.step == "" || p.step == cl.site.step.name) &&
		applies(p.fault.Kind, op, t.proc.program.Client) &&
		(p.fault.Kind != Conflict || op == opStep || op == opPrewrite || m.object.Cond != env.Always)
}

// picks counts a call and decides about it. Requests of one task for the same
// thing under the same deadline are one call: a store's client repeats them. If
// the call fails, all of them do.
func (p *pointRule) picks(u *Universe, t *task, ctx *simCtx, cl call, m *message) bool {
	s := p.processes[t.proc.program.Name]
	if s == nil {
		s = &tally{last: map[*task]verdict{}}
		p.processes[t.proc.program.Name] = s
	}
	now := verdict{scope: ctx.scope, op: cl.site.op}
	if now.op == opGet || now.op == opScan {
		now.key = kvKey(&m.kv)
	}
	last := s.last[t]
	now.fails = last.fails
	if now.op < opPut && now.op.isRPC() && last == now {
		return now.fails && (p.point == failBefore || p.point == failAfter)
	}
	s.calls++
	now.fails = p.triggered(u, t, s)
	if now.fails {
		s.fired++
	}
	s.last[t] = now
	return now.fails
}

// triggered decides about a process's next call.
func (p *pointRule) triggered(u *Universe, t *task, s *tally) bool {
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
	return float64(p.draw(u, t, s, purposeFault)>>11)*unit < p.trigger.Rate
}

// sized returns the fault for a call that was just counted.
func (p *pointRule) sized(u *Universe, t *task) Fault {
	f := p.fault
	if f.Kind == Delay || f.Kind == DelayReply {
		spread := uint64(p.max - p.min + 1)
		f.For = p.min + time.Duration(below(p.draw(u, t, p.processes[t.proc.program.Name], purposeTimer), spread))
	}
	return f
}

// draw is keyed by the universe, the rule, the process and the call's number:
// changing one rule never moves another's failures.
func (p *pointRule) draw(u *Universe, t *task, s *tally, purpose uint64) uint64 {
	return mix(mix(mix(u.seed, p.key), hashText(t.proc.program.Name)), uint64(s.calls)<<8^purpose)
}
