package sim

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// cancelNode is one scope that can be cancelled. Cancellation is looked up
// through the parents, so that making a scope registers nowhere and dropping it
// costs nothing; ending one looks for the tasks of its process that wait under
// it.
type cancelNode struct {
	parent *cancelNode
	proc   *process
	cause  error // nil until it has ended
	timer  event // the deadline, if any: then its due is not 0
	late   bool  // it ended by its deadline
	heir   bool  // some scope has it as its parent
	watch  *doneWatch
}

// doneWatch is what the standard library wants to know of a scope. Few ask.
type doneWatch struct {
	done     chan struct{}
	after    []*afterFunc
	standard context.Context // ended with the same cause, for context.Cause
}

// asked makes room for what the standard library wants to know.
func (n *cancelNode) asked() *doneWatch {
	if n.watch == nil {
		n.watch = &doneWatch{}
	}
	return n.watch
}

type afterFunc struct {
	call func()
	gone bool
}

// ended returns the nearest ended scope, n itself first, or nil.
func (n *cancelNode) ended() *cancelNode {
	for ; n != nil; n = n.parent {
		if n.cause != nil {
			return n
		}
	}
	return nil
}

// err is what contexts tell of a scope that has ended.
func (n *cancelNode) err() error {
	if n.late {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// end cancels the scope and wakes, in the order of their start, the tasks that
// wait under it. Waking only schedules events. No cause is that it was cancelled.
func (n *cancelNode) end(cause error) {
	if n.ended() != nil {
		return
	}
	if cause == nil {
		cause = context.Canceled
	}
	n.cause = cause
	u := n.proc.u
	u.sched.timers.remove(&n.timer)
	for _, t := range n.proc.tasks {
		if t.blockedOn == n || n.heir && t.blockedOn.ended() != nil {
			u.wake(t, wakeCancel)
		}
	}
	n.proc.notifyDone()
}

// expire ends the scope by its deadline.
func (n *cancelNode) expire() {
	if n.ended() == nil {
		n.late = true
		n.end(context.DeadlineExceeded)
	}
}

// simCtx is the simulator's context: a scope, the protocol step, and whatever
// values its parent carries.
type simCtx struct {
	scope  *cancelNode
	step   *stepName
	values context.Context
	// entered are the steps that were entered from here, each once: the last one,
	// which knows the one before it as its sibling.
	entered, sibling *simCtx
}

func (c *simCtx) Deadline() (time.Time, bool) {
	best := int64(0)
	for n := c.scope; n != nil; n = n.parent {
		if due := n.timer.due; due != 0 && (best == 0 || due < best) {
			best = due
		}
	}
	if best == 0 {
		return time.Time{}, false
	}
	return c.scope.proc.wall(best), true
}

func (c *simCtx) Err() error {
	if n := c.scope.ended(); n != nil {
		return n.err()
	}
	return nil
}

// Done makes the channel only when somebody asks: core never does.
func (c *simCtx) Done() <-chan struct{} {
	w := c.scope.asked()
	if w.done == nil {
		w.done = make(chan struct{})
		c.scope.proc.watched = append(c.scope.proc.watched, c.scope)
		c.scope.proc.notifyDone()
	}
	return w.done
}

// AfterFunc lets contexts derived by the standard library end at once, without
// a goroutine that waits for Done.
func (c *simCtx) AfterFunc(call func()) func() bool {
	a := &afterFunc{call: call}
	w := c.scope.asked()
	w.after = append(w.after, a)
	c.scope.proc.watched = append(c.scope.proc.watched, c.scope)
	c.scope.proc.notifyDone()
	return func() bool {
		stopped := !a.gone
		a.gone = true
		return stopped
	}
}

type simCtxKey struct{}

func (c *simCtx) Value(key any) any {
	switch key {
	case simCtxKey{}:
		return c
	case env.StepKey():
		if c.step == nil {
			return nil
		}
		return env.Step(c.step.name)
	}
	if _, own := key.(*int); own {
		if n := c.scope.ended(); n != nil {
			return n.standardContext().Value(key)
		}
	}
	if c.values == nil {
		return nil
	}
	return c.values.Value(key)
}

// standardContext lets context.Cause find the cause: it asks a context, under a
// key of the standard library's own (a *int), for the standard context that was
// cancelled, and takes Err for the cause if there is none.
func (n *cancelNode) standardContext() context.Context {
	w := n.asked()
	if w.standard == nil {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(n.cause)
		w.standard = ctx
	}
	return w.standard
}

// notifyDone closes the channels and runs the callbacks of watched scopes that
// have ended, in the order in which they were asked for.
func (p *process) notifyDone() {
	for i := 0; i < len(p.watched); i++ {
		n := p.watched[i]
		if n.ended() == nil {
			continue
		}
		p.watched = append(p.watched[:i], p.watched[i+1:]...)
		i--
		if n.watch.done != nil {
			select {
			case <-n.watch.done:
			default:
				close(n.watch.done)
			}
		}
		for _, a := range n.watch.after {
			if !a.gone {
				a.gone = true
				a.call()
			}
		}
		n.watch.after = nil
	}
}

// contextOf finds the simulator's context under ctx. A context that the
// standard library derived in between would end without the scheduler's
// knowledge, so it is refused loudly.
func contextOf(ctx context.Context) *simCtx {
	if c, ok := ctx.(*simCtx); ok {
		return c
	}
	c, ok := ctx.Value(simCtxKey{}).(*simCtx)
	if !ok {
		panic("sim: a seam was called with a context that does not come from its Env")
	}
	if ctx.Done() == nil { // context.WithoutCancel: values, but no end
		scope := &cancelNode{proc: c.scope.proc}
		scope.timer.pos = -1
		return &simCtx{scope: scope, step: c.step, values: ctx}
	}
	if c.Done() != ctx.Done() {
		panic("sim: a seam was called under context.WithCancel or WithTimeout: use env.Clock's")
	}
	return c
}

// child derives a context with a scope of its own. A standard-library context
// in between is fine here: it ends through AfterFunc.
func (p *process) child(ctx context.Context) *simCtx {
	parent := contextOf(ctx)
	both := &struct { // one allocation for what lives and dies together
		ctx   simCtx
		scope cancelNode
	}{}
	c := &both.ctx
	both.scope = cancelNode{parent: parent.scope, proc: p, timer: event{pos: -1}}
	parent.scope.heir = true
	*c = simCtx{scope: &both.scope, step: parent.step, values: parent.values}
	if ctx != context.Context(parent) && parent.values != ctx {
		c.values = ctx
	}
	return c
}

// clock is a process's env.Clock.
type clock struct{ p *process }

func (c clock) Now() time.Time {
	if c.p.skewed != nil {
		c.p.u.fired(c.p.skewed)
	}
	return c.p.wall(c.p.u.sched.now)
}

func (c clock) Monotonic() time.Duration { return time.Duration(c.p.monotonic(c.p.u.sched.now)) }

func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	return c.p.u.running(c.p).sleep(contextOf(ctx), d)
}

func (c clock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	child := c.p.child(ctx)
	u := c.p.u
	t := u.running(c.p)
	n := child.scope
	at := u.sched.now + c.p.trueDuration(max(d, 0))
	n.timer = event{when: at, tie: u.tie(t), pos: -1, kind: evContext, node: n, id: t.identity(), due: at}
	u.sched.timers.push(&n.timer)
	return child, func() { n.end(nil) }
}

func (c clock) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	child := c.p.child(ctx)
	return child, func(cause error) { child.scope.end(cause) }
}

// epoch is the wall time at which every universe begins.
var epoch = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

func (p *process) wall(now int64) time.Time {
	return epoch.Add(time.Duration(now + p.skew))
}

// monotonic is the time since the incarnation began, on its drifting clock.
func (p *process) monotonic(now int64) int64 {
	elapsed := now - p.began
	return p.driftBase + elapsed + elapsed/1e6*p.driftPPM
}

// trueDuration converts the process's monotonic time to the world's, rounding
// up: timers fire late, never early.
func (p *process) trueDuration(d time.Duration) int64 {
	if p.driftPPM == 0 {
		return int64(d)
	}
	return int64(d) - int64(d)/1e6*p.driftPPM + 1e6
}
