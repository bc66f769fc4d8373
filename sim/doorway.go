package sim

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// The doorway: every effect that the system has on the world passes through
// enter and, if it is a request, through roundTrip. Here it is named, counted,
// traced and given its fate; faults live nowhere else.

// stepName is an interned protocol step.
type stepName struct {
	name  string
	key   uint64
	first uint64 // event at which it was first entered
}

func (u *Universe) stepNamed(name string) *stepName {
	s := u.steps[name]
	if s == nil {
		s = &stepName{name: name, key: keyed.HashText(name), first: u.events}
		u.steps[name] = s
	}
	return s
}

var noStep = stepName{}

// site is a place from which calls are made. Its counter numbers them.
type site struct {
	fault.Site
	step  *stepName
	calls int
}

// call is one passage through the doorway.
type call struct {
	site *site
	nth  int
	id   uint64 // hash of everything that names it: keys its draws
}

// enter names and counts a call of the running task, and lets the faults that
// strike before it happen: a crash never returns from here, a pause returns
// when it is over.
func (u *Universe) enter(t *task, c *simCtx, op ops.Op) call {
	cl, struck := u.name(t, c, op, "", nil)
	for _, f := range struck {
		u.strike(t, f, nil)
	}
	return cl
}

// name counts a call and asks the injectors for its fate. m is nil for calls
// that are not requests.
func (u *Universe) name(t *task, c *simCtx, op ops.Op, key string, m *message) (call, []*fault.Fault) {
	step := c.step
	if step == nil {
		step = &noStep
	}
	s := u.siteOf(t, step, op, key)
	s.calls++
	if t.where.step != nil && t.where.step != step && t.where.step != &noStep {
		t.before = t.where.step
	}
	t.where = waitPlace{step: step, op: op, since: u.sched.now}
	cl := call{site: s, nth: s.calls, id: keyed.Mix(keyed.Mix(u.seed, s.Key), uint64(s.calls)<<16^uint64(t.inc))}
	t.call = cl
	if u.judge.probe != nil {
		u.judge.probe.called(t, m)
	}
	if u.phase != chaosPhase {
		return cl, nil
	}
	if u.passed != nil {
		u.passed(u.cross(t, c, cl, m))
	}
	if u.rivals > 0 {
		u.meetRival(t, cl)
	}
	if len(u.injectors) == 0 {
		return cl, nil
	}
	return cl, u.fate(t, c, cl, m)
}

// siteOf finds the site of a call: mostly that of the task's last one like it.
func (u *Universe) siteOf(t *task, step *stepName, op ops.Op, key string) *site {
	class := ""
	if key != "" {
		class = u.system.Classify(key)
	}
	s := t.sites[op]
	if s == nil || s.step != step || s.Class != class {
		s = u.siteNamed(t, step, op, class)
		t.sites[op] = s
	}
	return s
}

func (u *Universe) siteNamed(t *task, step *stepName, op ops.Op, class string) *site {
	id := siteKey(t.nameKey, step.key, op, class)
	s := u.sites[id]
	if s == nil {
		if len(u.siteSlab) == 0 {
			u.siteSlab = make([]site, 32)
		}
		s, u.siteSlab = &u.siteSlab[0], u.siteSlab[1:]
		program := &t.proc.program
		*s = site{step: step, Site: fault.Site{
			Process: program.Name, Task: t.name, Step: step.name, Op: op, Class: class,
			Client: program.Client, Expendable: program.Expendable, Key: id, StepEntered: step.first,
		}}
		u.sites[id] = s
	}
	return s
}

func (c call) anchor() fault.Anchor {
	crossing := fault.Crossing{Site: &c.site.Site, Nth: c.nth}
	return crossing.Anchor()
}

// fate asks every injector which faults strike a call.
func (u *Universe) fate(t *task, c *simCtx, cl call, m *message) []*fault.Fault {
	return u.injected(u.cross(t, c, cl, m))
}

// cross is the call as injectors are shown it.
func (u *Universe) cross(t *task, c *simCtx, cl call, m *message) *fault.Crossing {
	x := &u.crossing
	*x = fault.Crossing{
		Site: &cl.site.Site, Nth: cl.nth, Seed: u.seed, ID: cl.id,
		Now: time.Duration(u.sched.now), Event: u.events, Thread: t.serial, Scope: c.scope,
	}
	if m != nil {
		x.Subject = m.subject()
		x.Conditional = m.Op == ops.Prewrite || m.Object.Cond != env.Always
	}
	return x
}

// injected asks every injector, and lists the faults that are new.
func (u *Universe) injected(x *fault.Crossing) []*fault.Fault {
	var struck []*fault.Fault
	for _, injector := range u.injectors {
		struck = injector.Strike(x, struck)
	}
	for _, f := range struck {
		if !f.Listed {
			f.Listed = true
			u.faults = append(u.faults, f)
		}
	}
	return struck
}

// strike applies the part of a fault that happens before the call, and gives
// the rest to the message.
func (u *Universe) strike(t *task, f *fault.Fault, m *message) {
	if u.phase != chaosPhase { // the world was healed while an earlier one held the call
		return
	}
	if m == nil && f.Kind.Info().Requests {
		u.strikeStep(t, f)
		return
	}
	phase, moment := f.Kind.Moment()
	switch {
	case moment && (m == nil || phase == fault.Before):
		u.acts = append(u.acts, act{fault: f, proc: t.proc, inc: t.inc})
		u.wake(t, wakeAct)
		t.wait(nil)
	case moment || !f.Kind.Befall(t.proc, f):
		m.struck = append(m.struck, f)
	}
}

// strikeStep applies a fault made for requests to the entry of a step.
func (u *Universe) strikeStep(t *task, f *fault.Fault) {
	hold, err := f.Kind.EnterStep()
	if err != nil {
		t.stepError = err
	}
	if hold > 0 {
		t.setTimer(t.identity(), int64(hold))
		t.wait(nil)
	}
	u.fired(f)
}

// message is one request with its reply, alive until both are done with.
type message struct {
	fault.Message
	event    event
	task     *task
	gen      uint32 // of the task when it began to wait
	inc      int
	call     call
	gone     bool // the caller gave up or died: the reply goes nowhere
	copied   bool // arrives once more, for nobody
	sent     int64
	sentStep uint64
	replied  int64

	number   int            // in the history, from 1 on; 0 for none
	answered bool           // with "unavailable", without being handled
	broken   bool           // the caller sees a reset connection
	reset    bool           // it is lost, and the caller will see that
	struck   []*fault.Fault // what befalls it at the stages of its way
	// What holds the request back, and the reply: they count as fired if that
	// changes the order of events.
	held, replyHeld *fault.Fault
}

func (u *Universe) newMessage() *message {
	if n := len(u.free); n > 0 {
		m := u.free[n-1]
		u.free = u.free[:n-1]
		return m
	}
	m := &message{}
	m.event.pos = -1
	return m
}

func (u *Universe) release(m *message) {
	*m = message{} // in place: it is large
	m.event.pos = -1
	u.free = append(u.free, m)
}

// subject is the key that stands for a request in its anchor.
func (m *message) subject() string {
	if m.Op.Service() == ops.Objects {
		return m.Object.Key
	}
	req := &m.KV
	switch {
	case req.Primary != "":
		return req.Primary
	case req.Key != "":
		return req.Key
	case len(req.Keys) > 0:
		return req.Keys[0]
	}
	return ""
}

// kvTransport carries one process's requests to TiKV and PD.
type kvTransport struct{ p *process }

func (k kvTransport) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, timeout time.Duration) error {
	u := k.p.u
	t := u.running(k.p)
	c := contextOf(ctx)
	if n := c.scope.ended(); n != nil {
		return n.cause
	}
	m := u.newMessage()
	m.Op, m.KV = ops.OfKV(req.Kind), *req
	err := u.roundTrip(t, c, m, timeout)
	if err == nil {
		*resp = m.KVReply
		u.release(m)
	}
	return err
}

// objectTransport carries one process's requests to the object store.
type objectTransport struct{ p *process }

func (o objectTransport) Send(ctx context.Context, req *objstore.Request, resp *objstore.Response, timeout time.Duration) error {
	u := o.p.u
	t := u.running(o.p)
	c := contextOf(ctx)
	if n := c.scope.ended(); n != nil {
		return n.cause
	}
	m := u.newMessage()
	m.Op, m.Object = ops.OfObjects(req.Kind), *req
	err := u.roundTrip(t, c, m, timeout)
	if err == nil {
		*resp = m.ObjectReply
		u.release(m)
	}
	return err
}

// Transport errors. The client turns them into the system's classes.
var (
	errRefused error = &env.Error{Class: env.ClassUnavailable, Op: "send"}
	errNoReply error = &env.Error{Class: env.ClassUndetermined, Op: "send"}
)

// roundTrip sends a message and waits for its reply, its time-out or the end
// of ctx. Request, reply and time-out are independent events: giving up never
// retracts a request that was sent. On nil the caller owns m again.
func (u *Universe) roundTrip(t *task, c *simCtx, m *message, timeout time.Duration) error {
	cl, struck := u.name(t, c, m.Op, m.subject(), m)
	m.task, m.call, m.inc, m.Class = t, cl, t.inc, cl.site.Class
	for _, f := range struck {
		u.strike(t, f, m)
		if n := c.scope.ended(); n != nil { // while a pause held the call back
			u.release(m)
			return n.cause
		}
	}
	m.gen, m.sent, m.sentStep = t.gen, u.sched.now, u.events
	if u.history != nil {
		u.history.sent(u, m)
	}
	number := m.number
	t.waiting = m
	u.send(m)
	t.setTimer(keyed.Mix(cl.id, keyed.ForTimeout), t.proc.trueDuration(timeout))
	reason := t.wait(c.scope)
	if u.history != nil {
		u.history.returned(u, number, reason)
	}
	if m := t.waiting; m != nil {
		if m.gone = reason != wakeReply; m.gone {
			u.fired(m.held)
			u.fired(m.replyHeld)
		}
		t.waiting = nil
	}
	if reason == wakeReply {
		return t.replyError
	}
	if reason == wakeCancel {
		return c.scope.ended().cause
	}
	return errNoReply
}

// stage is where on its way a message is when faults decide about it.
type stage uint8

const (
	sending stage = iota
	admitting
	replying
)

// decide asks the faults at a message about it: those that stand around its
// process, the latest first, those that stand everywhere, and its own. The first
// that decides anything decides; who only changes the message lets it go on.
func (u *Universe) decide(m *message, at stage) (fault.Verdict, *fault.Fault) {
	p := m.task.proc
	if len(p.standing)+len(u.standing)+len(m.struck) == 0 || m.copied {
		return fault.Passed, nil
	}
	for _, list := range [][]standing{p.standing, u.standing} {
		for i := len(list) - 1; i >= 0; i-- {
			if s := &list[i]; u.sched.now < s.until {
				if v := at.ask(s.fault, m); v > fault.Changed {
					u.fired(s.fault)
					return v, s.fault
				}
			}
		}
	}
	for _, f := range m.struck {
		v := at.ask(f, m)
		if v == fault.Passed {
			continue
		}
		u.fired(f)
		if v > fault.Changed {
			return v, f
		}
	}
	return fault.Passed, nil
}

func (at stage) ask(f *fault.Fault, m *message) fault.Verdict {
	switch at {
	case sending:
		return f.Kind.Send(&m.Message)
	case admitting:
		return f.Kind.Admit(&m.Message)
	}
	return f.Kind.Reply(&m.Message)
}

// send puts a request on its way, unless it is lost or refused at once.
func (u *Universe) send(m *message) {
	if verdict, f := u.decide(m, sending); verdict != fault.Passed {
		u.lose(m, verdict, Lost, f)
		return
	}
	if verdict, f := u.decide(m, admitting); verdict != fault.Passed {
		m.answered = verdict == fault.Refused
		u.noteCall(m, Refused, f)
		u.reply(m)
		return
	}
	m.event = event{pos: -1, kind: evRequest, msg: m, id: keyed.Mix(m.call.id, keyed.ForRequest)}
	m.event.tie = u.sched.tie(m.event.id)
	hold := time.Duration(0)
	for _, f := range m.struck {
		if h := f.Kind.Hold(); h > 0 {
			m.held, hold = f, h
		}
		if later := f.Kind.Repeat(); later > 0 {
			u.repeat(m, f, later)
		}
	}
	if m.held != nil {
		u.holdRequest(m, hold)
		return
	}
	u.sched.send(&m.event)
}

// holdRequest lets a request arrive later, as long as it may be under way.
func (u *Universe) holdRequest(m *message, hold time.Duration) {
	m.event.when = u.sched.now + min(int64(hold), int64(u.config.MaxInFlight)-1)
	m.event.due = m.event.when
	u.sched.timers.push(&m.event)
}

// repeat lets a copy of the request arrive later. Nobody waits for its reply.
func (u *Universe) repeat(m *message, f *fault.Fault, later time.Duration) {
	again := u.newMessage()
	*again = *m
	again.struck, again.copied, again.gone, again.held = nil, true, true, f
	again.event = event{pos: -1, kind: evRequest, msg: again, id: keyed.Mix(m.call.id, keyed.ForCopy)}
	again.event.tie = u.sched.tie(again.event.id)
	if u.history != nil {
		u.history.sent(u, again)
	}
	u.holdRequest(again, later)
}

// lose ends the way of a message, or tells its caller of the broken connection.
func (u *Universe) lose(m *message, verdict fault.Verdict, fate Fate, f *fault.Fault) {
	m.reset = verdict == fault.Broken
	u.noteCall(m, fate, f)
	if verdict != fault.Broken {
		u.drop(m)
		return
	}
	m.broken = true
	u.reply(m)
}

// handle lets the store execute a request and sends the reply.
func (u *Universe) handle(m *message) {
	if u.sched.now-m.sent > int64(u.config.MaxInFlight) {
		u.noteCall(m, Expired, nil)
		u.drop(m)
		return
	}
	if m.held != nil && u.events > m.sentStep+1 {
		u.fired(m.held)
	}
	u.execute(m)
	if f := fault.TakeMoment(&m.struck, fault.Applied); f != nil && m.task.proc.inc == m.inc && m.task.proc.alive {
		u.acts = append(u.acts, act{fault: f, proc: m.task.proc, inc: m.inc})
	}
	if m.copied {
		u.drop(m)
		return
	}
	if verdict, f := u.decide(m, replying); verdict != fault.Passed {
		u.lose(m, verdict, ReplyLost, f)
		return
	}
	u.reply(m)
}

// execute lets the store handle a request, and collects what it did.
func (u *Universe) execute(m *message) {
	u.actor = m
	if m.Op.Service() != ops.Objects {
		if m.Op == ops.TSO {
			m.KV.PhysicalMS = epoch.UnixMilli() + (u.sched.now+u.oracleAhead())/1e6
		}
		u.kv.Handle(&m.KV, &m.KVReply)
		u.foldKV(m)
		u.collectCommits(m)
	} else {
		for _, f := range m.struck {
			if f.Kind.Store(&m.Message, u.objects) {
				u.fired(f)
			}
		}
		u.objects.Handle(&m.Object, &m.ObjectReply)
		u.foldObject(m)
		u.collectObjects(m)
	}
	switch {
	case m.copied:
		u.Mark("repeated_execution")
	case m.Op.HasEffect() && (m.gone || !m.task.proc.alive || m.task.inc != m.task.proc.inc):
		u.Mark("late_execution")
	}
	u.actor = nil
	u.noteCall(m, Handled, nil)
}

// oracleAhead is by how much the oracle's clock has leapt ahead. It never goes back:
// PD hands out no timestamp twice, so it would only stand still.
func (u *Universe) oracleAhead() int64 {
	until := u.sched.now
	if u.phase != chaosPhase {
		until = u.healedAt
	}
	if u.config.OracleJump == 0 {
		return 0
	}
	return until / int64(u.config.OracleEvery) * int64(u.config.OracleJump)
}

// spare lifts what was still to befall a message.
func (m *message) spare() { m.struck, m.replyHeld = nil, nil }

// drop forgets a message that will never be answered. Its caller, if it still
// waits, runs into its time-out.
func (u *Universe) drop(m *message) {
	if t := m.task; t.waiting == m {
		t.waiting = nil
	}
	u.release(m)
}

// reply sends the answer back to the caller.
func (u *Universe) reply(m *message) {
	m.replied = u.sched.now
	m.event = event{pos: -1, kind: evReply, msg: m, id: keyed.Mix(m.call.id, keyed.ForReply), task: m.task, gen: m.gen}
	m.event.tie = u.sched.tie(m.event.id)
	hold := time.Duration(0)
	for _, f := range m.struck {
		if h := f.Kind.HoldReply(); h > 0 {
			m.replyHeld, hold = f, h
		}
	}
	if m.replyHeld != nil {
		m.event.when = u.sched.now + int64(hold)
		m.event.due = m.event.when
		u.sched.timers.push(&m.event)
		return
	}
	u.sched.send(&m.event)
}

// deliver hands a reply to its caller, if that still waits for it.
func (u *Universe) deliver(m *message) {
	t := m.task
	if t.dead || t.gen != m.gen || m.gone {
		u.noteCall(m, ReplyDropped, nil)
		u.drop(m)
		return
	}
	if f := fault.TakeMoment(&m.struck, fault.After); f != nil {
		u.acts = append(u.acts, act{fault: f, proc: t.proc, inc: t.inc})
		u.sched.push(&m.event, 0)
		return
	}
	if m.replyHeld != nil && u.events > m.sentStep+2 {
		u.fired(m.replyHeld)
	}
	t.replyError = nil
	switch {
	case m.answered:
		t.replyError = errRefused
	case m.broken:
		t.replyError = errNoReply
	}
	if t.replyError != nil {
		u.drop(m)
	}
	u.resumeTask(t, wakeReply)
}
