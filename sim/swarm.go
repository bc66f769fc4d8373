package sim

import (
	"fmt"
	"time"
)

// chaosMonkey draws faults as a universe goes along. Which kinds, how many and
// how often is itself drawn for each run (swarm testing, Groce et al., 2012):
// runs that leave most kinds out find what a uniform mix hides. Each decision
// is keyed by the call that it is about, so the faults of a run can be written
// down as a plan and taken away one by one.
type chaosMonkey struct {
	budget int
	rate   uint64 // of 2^32 per call; operations with effects are likelier
	kinds  []FaultKind
	// expendable says that one process may die for good.
	expendable bool
	magnitudes []time.Duration
	leases     []time.Duration
	// aims are faults of one kind at a few calls of a few protocol steps, each
	// step as likely as another: the moments at which protocols are decided are
	// few, and what befalls them must last, past a lease or past all patience.
	aims      int
	aimKind   FaultKind
	aimChance uint64 // of 2^32 per such call
	aimSteps  int    // permille of the steps
	aimFirst  int    // the first of the calls that are aimed at
	// Most runs spare most steps, and many spare the beginning: else a small
	// budget is spent before the first unit is claimed, on what every process
	// does first and does all the time.
	steps int    // permille of the steps that meet faults; 0 for all
	from  uint64 // the event from which on they do
	where Draw   // which steps
	// In some runs trouble comes in twos: what a process does soon after a fault
	// struck it (recover, drain, wake up late) is likelier to meet another.
	twice    bool
	struck   *process
	struckAt uint64 // event
}

func newChaosMonkey(d Draw, b Bounds) *chaosMonkey {
	c := &chaosMonkey{magnitudes: b.Magnitudes, leases: b.Leases, expendable: d.Chance("expendable", 300)}
	switch size := d.Intn("budget", 100); {
	case size < 9:
		return nil
	case size < 90:
		c.budget = 1 + d.Intn("small", 3)
	default:
		c.budget = 4 + d.Intn("large", 9)
	}
	c.where = d.Sub("where")
	c.twice = d.Chance("twice", 300)
	c.rate = uint64(1<<32) / uint64(d.LogBetween("rate", 60, 4000))
	if d.Chance("late", 500) {
		c.from = uint64(d.LogBetween("from", 50, 2000))
	}
	if d.Chance("some steps", 700) {
		c.steps = int(d.LogBetween("steps", 50, 150))
		c.rate = uint64(1<<32) / uint64(d.LogBetween("rate there", 4, 200))
	}
	for _, k := range FaultKinds() {
		if d.Chance("kind/"+k.String(), kindPermille[k]) {
			c.kinds = append(c.kinds, k)
		}
	}
	if d.Chance("aim", 550) {
		c.budget = d.Intn("beside the aim", 2)
		c.aims = 1 + d.Intn("aims", 4)/2
		c.aimKind = aimKinds[d.Intn("aim kind", len(aimKinds))]
		c.aimFirst = 1
		if d.Chance("aim late", 200) {
			c.aimFirst = int(d.LogBetween("aim first", 2, 64))
		}
		c.aimChance = uint64(1<<32) / uint64(d.LogBetween("aim chance", 2, 30))
		c.aimSteps = int(d.LogBetween("aim steps", 50, 200))
		if c.aimKind == Partition { // what it leaves unknown is seldom what matters
			c.aimSteps *= 3
		}
	}
	if len(c.kinds) == 0 {
		c.kinds = []FaultKind{[...]FaultKind{Crash, Pause, Partition, LoseReply, Delay}[d.Intn("only", 5)]}
	}
	return c
}

// aimKinds are what a run may aim, each as often as it stands here.
var aimKinds = [...]FaultKind{
	Pause, Pause, Pause, Pause, Pause, Pause, Pause, Pause, Pause, Delay, Delay, Terminate, Terminate, Partition, Partition, Partition, Crash, LoseReply, Slow, Slow, Outage, ExpireUpload,
}

// soonEvents is how many events count as soon after a fault.
const soonEvents = 300

// kindPermille is how often a run's swarm includes a kind.
var kindPermille = [faultKinds]int{
	Crash: 500, Terminate: 220, Pause: 500, Slow: 200, Partition: 300, Refuse: 200, LoseRequest: 200,
	LoseReply: 400, Delay: 400, DelayReply: 200, Truncate: 500, ExpireUpload: 500, Skew: 120, Drift: 80,
	Conflict: 150, RegionError: 80, ErrorBody: 500, Outage: 150,
}

// rareFrom is the event from which on a step that is entered for the first time
// counts as a rare one, an ending mostly: few runs get there, so more of them
// aim at it.
const rareFrom = 500

// draw decides whether a call meets a fault, and which.
func (c *chaosMonkey) draw(u *Universe, t *task, cl call) *Fault {
	if c.aims > 0 && c.aimsAt(cl) && applies(c.aimKind, cl.site.op, t.proc.program.Client) {
		if h := mix(cl.id, purposeAim); h&(1<<32-1) < c.aimChance {
			c.aims--
			return c.aimed(u, Draw{mix(h, uint64(cl.site.op))}, t, cl)
		}
	}
	if c.budget == 0 || u.events < c.from || c.steps > 0 && !c.where.Chance(cl.site.step.name, c.steps) {
		return nil
	}
	h := mix(cl.id, purposeFault)
	chance := c.rate
	op := cl.site.op
	if op.hasEffect() || op == opGetObject {
		chance *= 4
	}
	if c.twice && c.struck == t.proc && u.events-c.struckAt < soonEvents {
		chance *= 16
	}
	// What a process does for the first times is where protocols are decided;
	// what it does for the hundredth time is polling.
	switch {
	case cl.nth <= 2:
		chance *= 12
	case cl.nth <= 6:
		chance *= 3
	}
	if h&(1<<32-1) >= chance {
		return nil
	}
	d := Draw{mix(h, uint64(op))}
	var able [faultKinds]FaultKind
	kinds := able[:0]
	for _, kind := range c.kinds {
		if kind.Applies(op) && applies(kind, op, t.proc.program.Client) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	kind := kinds[d.Intn("kind", len(kinds))]
	f := &Fault{Kind: kind, At: u.anchor(t, cl)}
	c.size(u, d, t, f)
	c.budget--
	c.struck, c.struckAt = t.proc, u.events
	u.faults = append(u.faults, f)
	return f
}

// aimsAt reports whether the run's aim may strike such a call: what loses or
// holds back messages only where that leaves an outcome unknown, what slows
// work at any of it.
func (c *chaosMonkey) aimsAt(cl call) bool {
	op, step := cl.site.op, cl.site.step.name
	if c.aimKind == Slow {
		return op == opWork
	}
	steps := c.aimSteps
	if cl.site.step.first > rareFrom {
		steps *= 3
	}
	if step == "" || cl.nth < c.aimFirst || cl.nth >= c.aimFirst+3 || !c.where.Chance(step, steps) {
		return false
	}
	switch c.aimKind {
	case Partition, LoseReply, Delay:
		return op.hasEffect()
	case Outage:
		return op.service() == ServiceObjects
	}
	return op.isRPC()
}

// aimed makes a fault of the run's aim.
func (c *chaosMonkey) aimed(u *Universe, d Draw, t *task, cl call) *Fault {
	f := &Fault{Kind: c.aimKind, At: u.anchor(t, cl)}
	c.size(u, d, t, f)
	lease := c.leases[d.Intn("lease", len(c.leases))]
	lease += time.Duration(d.Between("past", 1, int64(lease)/2))
	switch f.Kind {
	case Pause:
		f.For, f.Stops = lease, d.Chance("clock", 750)
		switch until := d.Intn("until", 100); {
		case until < 35:
			f.For, f.Until = 2*lease, UntilRival
		case until < 75:
			f.For, f.Until = 2*lease, UntilHeir
		}
	case Delay:
		f.For = min(lease, u.config.MaxInFlight)
	case Partition: // the request arrives, and nobody ever hears of it
		f.Direction, f.Service = Replies, f.At.Op.service()
		f.For = u.bounds.GiveUp + time.Duration(d.Between("patience", 1, int64(u.bounds.GiveUp)/2))
	case Outage:
		f.For = lease + time.Duration(d.Between("outage", 1, int64(lease)))
	case Slow:
		f.Factor, f.For = d.LogBetween("work factor", 100, 1000), u.bounds.LongWork+lease
	}
	c.struck, c.struckAt = t.proc, u.events
	u.faults = append(u.faults, f)
	return f
}

// anchor names a call of a task.
func (u *Universe) anchor(t *task, cl call) Anchor {
	return Anchor{
		Process: t.proc.program.Name, Task: t.name, Step: dash(cl.site.step.name),
		Op: cl.site.op, Class: dash(cl.site.class), Nth: cl.nth,
	}
}

// Applies reports whether a fault of this kind can strike an operation. (A chaos
// configuration can also refuse and delay steps, which no store does.)
func (k FaultKind) Applies(op Op) bool {
	return applies(k, op, false) && !(op == opStep && (&Fault{Kind: k}).needsRPC())
}

// HasPhase reports whether a fault of this kind has a phase: it strikes a
// process, before, in or after a call.
func (k FaultKind) HasPhase() bool { return (&Fault{Kind: k}).hasPhase() }

// IsRequest reports whether the operation is a request to a store; others are
// steps, sleep and work.
func (op Op) IsRequest() bool { return op.isRPC() }

// applies reports whether a kind of fault makes sense at an operation.
func applies(kind FaultKind, op Op, client bool) bool {
	f := Fault{Kind: kind}
	switch {
	case f.needsRPC() && !op.isRPC():
		return op == opStep && f.refusesSteps()
	case client && (f.hasPhase() || kind == Slow || kind == Drift):
		return false
	case kind == Truncate:
		return op == opGetObject
	case kind == ExpireUpload:
		return op == opUploadPart || op == opCompleteUpload
	case kind == Slow:
		return op == opWork
	case kind == Partition:
		return op.isRPC()
	case kind == Conflict:
		return op == opPrewrite || op == opPut || op == opCompleteUpload
	case kind == RegionError:
		return op.service() == ServiceKV
	case kind == ErrorBody:
		return op == opCompleteUpload
	}
	return true
}

// size draws how much of a fault there is.
func (c *chaosMonkey) size(u *Universe, d Draw, t *task, f *Fault) {
	if f.hasPhase() && f.At.Op.isRPC() {
		f.Phase = Phase(d.Intn("phase", 3))
	}
	switch f.Kind {
	case Crash:
		f.For = c.duration(d)
		if d.Chance("soon", 500) {
			f.For = time.Duration(d.LogBetween("restart", 1e7, 5e9))
		}
		f.TempLost = d.Chance("temp", 500)
		if c.expendable && t.proc.program.Expendable && d.Chance("never", 300) {
			f.Never, c.expendable = true, false
		}
	case Terminate:
		f.For = time.Duration(d.LogBetween("grace", 1e8, 60e9))
		if d.Chance("patient", 400) {
			f.For = time.Duration(d.LogBetween("long grace", 20e9, 120e9))
		}
	case Pause:
		f.For = c.freeze(d)
		f.Stops = d.Chance("clock", 500)
	case DelayReply:
		f.For = c.duration(d)
	case Delay:
		f.For = min(c.duration(d), u.config.MaxInFlight)
	case Slow:
		f.Factor, f.For = d.LogBetween("factor", 2, 1000), 4*c.duration(d)
	case Partition:
		f.For = c.freeze(d)
		f.Direction = Direction(d.Intn("direction", 3))
		f.Service = f.At.Op.service()
		if d.Chance("all", 300) {
			f.Service = AllServices
		}
	case Outage:
		f.For = c.duration(d)
		f.Service = f.At.Op.service()
	case RegionError:
		f.Region = regionErrors[d.Intn("region", len(regionErrors))].error
	case Skew:
		f.For = c.duration(d)
		if d.Chance("back", 500) {
			f.For = -f.For
		}
	case Drift:
		f.Factor = d.Between("ppm", -100000, 100000)
	case Truncate:
		f.Factor = int64(d.Intn("permille", 1000))
	case LoseRequest, LoseReply:
		f.Reset = d.Chance("reset", 500)
	}
}

// freeze draws how long a process is out of touch: mostly just long enough for
// others to take over.
func (c *chaosMonkey) freeze(d Draw) time.Duration {
	if d.Chance("short", 300) {
		return c.duration(d)
	}
	base := c.leases[d.Intn("lease", len(c.leases))]
	return base + time.Duration(d.Between("past", 1, int64(base)/2))
}

// duration draws a length: one of the durations at which something happens in
// the system, barely missed, barely crossed, or far exceeded.
func (c *chaosMonkey) duration(d Draw) time.Duration {
	base := c.magnitudes[d.Intn("magnitude", len(c.magnitudes))]
	switch v := d.Intn("variant", 100); {
	case v < 50:
		return base + time.Duration(d.Between("past", 1, int64(base)/8+1))
	case v < 70:
		return base - time.Duration(d.Between("under", 0, int64(base)/10))
	default:
		return base + time.Duration(d.Between("beyond", int64(base)/2, 2*int64(base)))
	}
}

// Rule injects faults at every call that matches, instead of at one anchor:
// scenarios and chaos configurations are made of rules. Empty fields match
// everything.
type Rule struct {
	Process, Task, Step, Class string
	Op                         Op
	Nth                        int    // only the n-th match of a process, from 1; 0: each
	PerMillion                 uint64 // chance for each match; 0 counts as always
	Once                       bool   // only the first time in a universe
	Effect                     bool   // only operations that change what a store holds
	Fault                      Fault  // At is filled in
	seen                       map[string]int
	spent                      bool
	struck                     *Fault // the last one injected
}

func (r *Rule) match(u *Universe, t *task, cl call) *Fault {
	s := cl.site
	switch {
	case r.spent,
		r.Process != "" && r.Process != t.proc.program.Name,
		r.Task != "" && r.Task != t.name,
		r.Step != "" && r.Step != s.step.name,
		r.Op != opNone && r.Op != s.op,
		r.Class != "" && r.Class != s.class,
		r.Effect && !s.op.hasEffect(),
		!applies(r.Fault.Kind, s.op, t.proc.program.Client):
		return nil
	}
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	r.seen[t.proc.program.Name]++
	if r.Nth != 0 && r.seen[t.proc.program.Name] != r.Nth {
		return nil
	}
	if r.PerMillion != 0 && below(mix(cl.id, purposeFault), 1e6) >= r.PerMillion {
		return nil
	}
	r.spent = r.Once
	f := r.Fault
	f.At = u.anchor(t, cl)
	u.faults = append(u.faults, &f)
	r.struck = &f
	return &f
}

// String describes the rule for messages.
func (r *Rule) String() string {
	return fmt.Sprintf("%s at %s/%s %s %s %s #%d", r.Fault.Kind, dash(r.Process), dash(r.Task), dash(r.Step), r.Op, dash(r.Class), r.Nth)
}
