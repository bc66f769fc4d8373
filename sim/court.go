package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Court is a universe without the simulator's scheduler and processes: its
// configuration, its stores, those who inject faults, and its judge. Another
// executor runs the system's programs in its own way, carries their requests to
// the stores, and tells the court what happened, in the order in which it did.
// So both judge by the same effects and the same properties. A court is used by
// one goroutine at a time.
type Court struct {
	u *Universe
	// Plan is the configuration, with every fault that was injected so far.
	Plan *plan.Plan
}

// NewCourt makes the court of a plan.
func NewCourt(target Target, p *plan.Plan) (*Court, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	u.processes, u.elsewhere = nil, true
	return &Court{u, p.Clone()}, nil
}

// DrawCourt makes the court of a seed, whose configuration and faults are drawn.
func DrawCourt(target Target, seed uint64) (*Court, error) {
	u, p, err := target.universe(seed)
	if err != nil {
		return nil, err
	}
	u.processes, u.elsewhere = nil, true
	return &Court{u, p}, nil
}

// Config is the simulator's part of the configuration, System the system, and
// Bounds its times, complete.
func (c *Court) Config() Config { return c.u.config }
func (c *Court) System() System { return c.u.system }
func (c *Court) Bounds() Bounds { return c.u.bounds }

// KV and Objects are the stores. What they do is seen with TakeKV, TakeObjects.
func (c *Court) KV() *tikv.Engine         { return c.u.kv }
func (c *Court) Objects() *objstore.Store { return c.u.objects }

// Epoch is the wall time at which universes begin.
func Epoch() time.Time { return epoch }

// Event begins the next event, at that time since the universe began, and returns
// its number.
func (c *Court) Event(at time.Duration) uint64 {
	c.u.events++
	c.u.sched.now = max(c.u.sched.now, int64(at))
	return c.u.events
}

// Strike asks who injects faults what befalls a call: nothing once the world is
// healed.
func (c *Court) Strike(x *fault.Crossing) []*fault.Fault {
	if c.u.phase != chaosPhase {
		return nil
	}
	return c.u.injected(x)
}

// Fired notes that a fault gave a call another outcome, or another place in the
// order. nil is none.
func (c *Court) Fired(f *fault.Fault) { c.u.fired(f) }

// Actor is who did something.
type Actor struct {
	Process, Incarnation, Task, Step string
	// Late is set when nobody waits for it any more.
	Late bool
}

func (c *Court) by(a Actor) Effect {
	e := c.u.effect(nil)
	e.Process, e.Incarnation, e.Task, e.Step, e.Late = a.Process, a.Incarnation, a.Task, a.Step, a.Late
	return e
}

// TakeKV judges what a request did in TiKV, TakeObjects what it did in the object
// store.
func (c *Court) TakeKV(a Actor)      { c.u.takeCommits(func() Effect { return c.by(a) }) }
func (c *Court) TakeObjects(a Actor) { c.u.takeObjects(func() Effect { return c.by(a) }) }

// Record judges what a trusted client says.
func (c *Court) Record(a Actor, rec Record) {
	e := c.by(a)
	e.Kind, e.TS, e.Record = EffectRecord, c.u.kv.LastTS(), rec
	c.u.submit(&e)
	c.u.judge.observe()
}

// Note judges what befell a process; an empty actor is the world.
func (c *Court) Note(a Actor, happened ProcessEvent) {
	e := c.by(a)
	e.Happened = happened
	c.u.noteEffect(e, happened.String(), TraceEvent{})
}

// Call shows a request to the invariants that want to see requests. Event and At
// are filled in.
func (c *Court) Call(call Call) {
	call.Event, call.At = c.u.events, time.Duration(c.u.sched.now)
	for _, watcher := range c.u.judge.watchers {
		watcher.ObserveCall(&c.u.world, &call)
	}
}

// Heal ends the faults: from now on everything must get done.
func (c *Court) Heal() {
	c.u.phase, c.u.healedAt = settlePhase, c.u.sched.now
	c.Note(Actor{}, Healed)
}

// Collect resolves the locks of transactions that began a period of TiKV's
// garbage collection ago or earlier.
func (c *Court) Collect() { c.u.collectLocks() }

// Done and Quiet ask the system, as of the last effect that was judged.
func (c *Court) Done() bool  { return c.u.system.Done(&c.u.world) }
func (c *Court) Quiet() bool { return c.u.system.Quiet(&c.u.world) }

// Close judges what was held back, and gives the invariants their last word.
func (c *Court) Close() {
	if c.u.judge.violation == nil {
		c.u.judge.close()
		c.u.judge.settled()
	}
}

// Fail ends the universe with a violation, unless it has failed before.
func (c *Court) Fail(v *Violation) { c.u.judge.fail(v) }

// Standstill fails the universe because the system is not done when it must be.
func (c *Court) Standstill() { c.Fail(c.u.standstill(NotDone, nil)) }

// Violation is what was violated first, or nil.
func (c *Court) Violation() *Violation { return c.u.judge.violation }

// Result is what the universe has come to so far.
func (c *Court) Result() *Result { return c.u.result(c.Plan) }
