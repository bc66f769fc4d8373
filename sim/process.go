package sim

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Program is what a process runs: its main function, called once for each
// incarnation. When it returns, the process exits; the world restarts it after
// Restart (virtual time), or never if Restart is 0.
type Program struct {
	Name    string
	Main    func(ctx context.Context, e *env.Env) error
	Restart time.Duration
	// StopCause is the cause with which Main's context ends when the world
	// asks the process to stop (Terminate, as SIGTERM would).
	StopCause error
	// Client marks a trusted process of the workload: it is never crashed,
	// paused or slowed, but its requests can be lost like any other's.
	Client bool
	// Expendable processes may die for good: others do their work.
	Expendable bool
}

// process is one process: incarnations follow each other under its name.
type process struct {
	u         *Universe
	index     int
	program   Program
	inc       int
	alive     bool
	paused    bool
	suspended bool // paused with its clock stopped
	pausedAt  int64
	rival     string // the step whose call by another process ends the pause, or ""
	rivalFrom int64  // and from when on
	never     bool   // crashed for good: heal does not restart it
	stray     bool   // lives on beside its successor
	began     int64
	skew      int64 // wall clock minus true time
	skewed    *fault.Fault
	driftPPM  int64
	driftBase int64      // monotonic time at began
	standing  []standing // what strikes everything that it does
	root      *cancelNode
	tasks     []*task
	held      []*event // what would have happened to a paused process
	watched   []*cancelNode
	temp      map[string][]byte
	env       *env.Env
	restart   *event
	resumeAt  *event
	exit      error // what the last incarnation returned, if it
	exited    bool
}

// absence says why no incarnation runs.
func (p *process) absence() string {
	switch {
	case p.exited && p.exit == nil:
		return "has finished"
	case p.exited:
		return fmt.Sprintf("has failed: %s (%s)", classText(p.exit), plan.Printable(p.exit.Error()))
	}
	return "is dead"
}

// taskNamed returns the process's living task of that name, or nil.
func (p *process) taskNamed(name string) *task {
	for _, t := range p.tasks {
		if t.name == name {
			return t
		}
	}
	return nil
}

// task is one thread of control of one incarnation.
type task struct {
	co         *coroutine
	proc       *process
	inc        int
	name       string
	serial     uint64 // of all tasks of the universe
	nameKey    uint64 // of process and task name: part of every anchor
	key        uint64 // also of seed and incarnation: keys this task's draws
	calls      uint64 // draws so far
	gen        uint32 // raised at every wake-up: older events are stale
	reason     wakeReason
	blockedOn  *cancelNode
	timer      event
	wakeup     event
	group      *group
	dead       bool
	waiting    *message
	sites      [ops.Count]*site // of the last call of each operation
	call       call             // the last one
	where      waitPlace
	before     *stepName // the last step that was another than that of where
	chain      chain
	replyError error
	stepError  error // with which the step just entered is refused
	result     error
}

// waitPlace says what a blocked task waits for, for reports.
type waitPlace struct {
	step  *stepName
	op    ops.Op
	since int64
}

// idle reports whether the task neither calls a store nor computes.
func (t *task) idle() bool { return t.where.op == ops.Sleep || t.where.op == ops.Wait }

// behind reports whether the task outlives who started it: its scope does not
// end with the process's.
func (t *task) behind() bool {
	if t.group == nil {
		return false
	}
	n := t.group.ctx.scope
	for n.parent != nil {
		n = n.parent
	}
	return n != t.proc.root
}

type wakeReason uint8

const (
	wakeStart wakeReason = iota
	wakeReply
	wakeTimer
	wakeCancel
	wakeGroup
	wakeAct // a fault that held the task is over
)

// boot starts a new incarnation.
func (p *process) boot() {
	p.inc++
	p.alive, p.paused, p.exited = true, false, false
	p.restart = nil
	p.began, p.driftBase = p.u.sched.now, 0
	p.root = &cancelNode{proc: p}
	p.root.timer.pos = -1
	p.watched = nil
	p.env = p.u.newEnv(p)
	ctx := &simCtx{scope: p.root}
	p.u.note(p, Booted, strconv.Itoa(p.inc))
	p.spawn("main", ctx, nil, func(ctx context.Context) error { return p.program.Main(ctx, p.env) })
}

func (p *process) spawn(name string, ctx *simCtx, g *group, fn func(context.Context) error) {
	u := p.u
	u.threads++
	t := &task{proc: p, inc: p.inc, name: name, group: g, serial: u.threads}
	t.nameKey = keyed.Mix(keyed.HashText(p.program.Name), keyed.HashText(name))
	t.key = keyed.Mix(keyed.Mix(u.seed, t.nameKey), uint64(p.inc))
	t.timer.pos, t.wakeup.pos = -1, -1
	t.co = u.coroutine()
	t.co.start(func() { t.result = fn(ctx) })
	p.tasks = append(p.tasks, t)
	if u.history != nil {
		u.history.began(u, t)
	}
	u.wake(t, wakeStart)
}

// coroutine returns one that has nothing to do: many tasks live for one request.
func (u *Universe) coroutine() *coroutine {
	n := len(u.idle)
	if n == 0 {
		return newCoroutine()
	}
	c := u.idle[n-1]
	u.idle = u.idle[:n-1]
	return c
}

// identity returns a fresh key for one of the task's own decisions.
func (t *task) identity() uint64 {
	t.calls++
	return keyed.Mix(t.key, t.calls)
}

// resumeTask gives the task the processor until it blocks or ends.
func (u *Universe) resumeTask(t *task, reason wakeReason) {
	t.gen++
	t.reason = reason
	t.blockedOn = nil
	u.sched.timers.remove(&t.timer)
	u.current = t
	if u.pulse != nil {
		u.pulse.task.Store(t)
	}
	t.co.resume()
	u.current = nil
	if t.co.done {
		u.finished(t)
	}
}

// finished takes a task that has returned out of its process.
func (u *Universe) finished(t *task) {
	p := t.proc
	t.dead = true
	if u.history != nil {
		u.history.ended(u, t)
	}
	for i, other := range p.tasks {
		if other == t {
			p.tasks = append(p.tasks[:i], p.tasks[i+1:]...)
			break
		}
	}
	if t.co.crash != nil {
		u.judge.fail(u.judge.panicked(p.program.Name+"/"+t.name, t.co.crash, t.co.stack))
		return
	}
	u.idle = append(u.idle, t.co)
	if t.group != nil {
		t.group.taskEnded(t.result)
		return
	}
	p.exit, p.exited = t.result, true
	u.note(p, Exited, classText(t.result))
	u.end(p)
	if p.program.Restart > 0 {
		u.restartAfter(p, int64(p.program.Restart))
	}
}

// end stops an incarnation: every task is killed, in the order of their start,
// and whatever was held for it is dropped. Requests in flight go on.
func (u *Universe) end(p *process) {
	p.alive, p.paused = false, false
	for _, t := range p.tasks {
		t.dead = true
		if u.history != nil {
			u.history.ended(u, t)
		}
		u.sched.timers.remove(&t.timer)
		u.sched.messages.remove(&t.wakeup)
		u.sched.timers.remove(&t.wakeup)
	}
	for _, t := range p.tasks {
		u.current = t
		t.co.kill()
		u.current = nil
	}
	p.tasks = nil
	for _, e := range p.held {
		if e.msg != nil {
			u.drop(e.msg)
		}
	}
	p.held = nil
	if p.root.cause == nil {
		p.root.cause = errProcessEnded
	}
	if p.resumeAt != nil {
		u.sched.timers.remove(p.resumeAt)
		p.resumeAt = nil
	}
}

var errProcessEnded = errors.New("sim: the process has ended")

// running returns the task that is calling in. A task that is already dead is
// unwinding: its deferred calls go nowhere.
func (u *Universe) running(p *process) *task {
	t := u.current
	if t == nil {
		panic("sim: a seam was called from outside the universe's tasks")
	}
	if t.dead {
		runtime.Goexit()
	}
	if t.proc != p {
		panic("sim: " + t.proc.program.Name + " called a seam of " + p.program.Name)
	}
	return t
}

// wait blocks the running task until something wakes it. Waking by the end of
// ctx is armed here; timers and replies by the caller.
func (t *task) wait(scope *cancelNode) wakeReason {
	t.blockedOn = scope
	t.co.block()
	return t.reason
}

// wake schedules a task's resumption. A second wake-up before the first is
// delivered changes nothing.
func (u *Universe) wake(t *task, reason wakeReason) {
	if t.dead || t.wakeup.kind == evResume && t.wakeup.gen == t.gen {
		return
	}
	u.sched.messages.remove(&t.wakeup) // a stale one
	t.wakeup = event{tie: u.tie(t), pos: -1, kind: evResume, gen: t.gen, task: t, id: t.identity(), due: int64(reason)}
	u.sched.push(&t.wakeup, 0)
}

func (t *task) sleep(c *simCtx, d time.Duration) error {
	u := t.proc.u
	if n := c.scope.ended(); n != nil {
		return n.cause
	}
	if d <= 0 {
		return nil
	}
	call := u.enter(t, c, ops.Sleep)
	if n := c.scope.ended(); n != nil {
		return n.cause
	}
	t.setTimer(call.id, t.proc.trueDuration(d))
	if t.wait(c.scope) == wakeCancel {
		return c.scope.ended().cause
	}
	return nil
}

// setTimer arms the running task's timer after d of true time.
func (t *task) setTimer(id uint64, d int64) {
	u := t.proc.u
	at := u.sched.now + d
	t.timer = event{when: at, tie: u.tie(t), pos: -1, kind: evTimer, gen: t.gen, task: t, id: id, due: at}
	u.sched.timers.push(&t.timer)
}

// runtimeSeam is a process's env.Runtime.
type runtimeSeam struct{ p *process }

func (r runtimeSeam) Step(ctx context.Context, step env.Step) (context.Context, error) {
	t := r.p.u.running(r.p)
	c := contextOf(ctx)
	if n := c.scope.ended(); n != nil {
		return nil, n.cause
	}
	next := r.p.u.within(ctx, c, string(step))
	t.stepError = nil
	if r.p.u.history != nil {
		r.p.u.history.entered(r.p.u, t, string(step))
	}
	r.p.u.enter(t, next, ops.Step)
	if n := c.scope.ended(); n != nil {
		return nil, n.cause
	}
	if t.stepError != nil {
		return nil, t.stepError
	}
	return next, nil
}

// within is ctx, whose simulator's context is c, within a step. Roles enter their
// steps over and over, from the same context.
func (u *Universe) within(ctx context.Context, c *simCtx, step string) *simCtx {
	if ctx != context.Context(c) {
		return &simCtx{scope: c.scope, step: u.stepNamed(step), values: ctx}
	}
	for within := c.entered; within != nil; within = within.sibling {
		if within.step.name == step {
			return within
		}
	}
	within := &simCtx{scope: c.scope, step: u.stepNamed(step), values: c.values, sibling: c.entered}
	c.entered = within
	return within
}

// Work costs the universe's work time for each piece, more on a slow process.
func (r runtimeSeam) Work(ctx context.Context, pieces int) error {
	t := r.p.u.running(r.p)
	c := contextOf(ctx)
	if n := c.scope.ended(); n != nil {
		return n.cause
	}
	if pieces <= 0 {
		return nil
	}
	call := r.p.u.enter(t, c, ops.Work)
	if n := c.scope.ended(); n != nil { // by a fault that struck here: nobody would wake it
		return n.cause
	}
	cost := r.p.stretch(int64(pieces) * r.p.u.config.WorkTime.Nanoseconds())
	if cost <= 0 {
		return nil
	}
	t.setTimer(keyed.Mix(call.id, keyed.ForWork), cost)
	work := r.p.u.history.works(r.p.u, t, c.step)
	reason := t.wait(c.scope)
	r.p.u.history.worked(r.p.u, work)
	if reason == wakeCancel {
		return c.scope.ended().cause
	}
	return nil
}

func (r runtimeSeam) Group(ctx context.Context) env.Group {
	c := r.p.child(ctx)
	return &group{p: r.p, ctx: c}
}

// group is an env.Group.
type group struct {
	p       *process
	ctx     *simCtx
	running int
	first   error
	waiter  *task
}

func (g *group) Spawn(name string, fn func(context.Context) error) {
	g.p.u.running(g.p)
	g.running++
	g.p.spawn(name, g.ctx, g, fn)
}

func (g *group) Wait() error {
	t := g.p.u.running(g.p)
	for g.running > 0 {
		g.waiter = t
		t.where = waitPlace{step: g.ctx.step, op: ops.Wait, since: g.p.u.sched.now}
		t.wait(nil)
	}
	return g.first
}

func (g *group) Cancel(cause error) {
	g.p.u.running(g.p)
	g.ctx.scope.end(cause)
}

func (g *group) taskEnded(err error) {
	g.running--
	if err != nil && g.first == nil {
		g.first = err
		g.ctx.scope.end(err)
	}
	if g.running == 0 && g.waiter != nil {
		g.p.u.wake(g.waiter, wakeGroup)
		g.waiter = nil
	}
}

// tempDir is a process's env.TempDir.
type tempDir struct{ p *process }

func (d tempDir) Read(name string) ([]byte, error) {
	d.p.u.running(d.p)
	data, ok := d.p.temp[name]
	if !ok {
		return nil, env.ErrNotFound
	}
	return data, nil
}

func (d tempDir) Write(name string, data []byte) error {
	d.p.u.running(d.p)
	d.p.temp[name] = append([]byte(nil), data...)
	return nil
}

func (d tempDir) Remove(name string) error {
	d.p.u.running(d.p)
	delete(d.p.temp, name)
	return nil
}

// taskRand is a process's env.Rand: each draw is keyed by the task that makes
// it and how many it made; in a steady universe by the task alone.
type taskRand struct{ p *process }

func (r taskRand) Uint64() uint64 {
	t := r.p.u.running(r.p)
	if r.p.u.steady {
		return t.key
	}
	return t.identity()
}
