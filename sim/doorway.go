package sim

import (
	"cmp"
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// The doorway: every effect that the system has on the world passes through
// enter and, if it is a request, through roundTrip. Here it is named, counted,
// traced and given its fate; faults live nowhere else.

// Purposes of keyed draws about one call.
const (
	purposeWork = iota + 1
	purposeRequest
	purposeReply
	purposePick
	purposeTimer
	purposeTimeout
	purposeFault
	purposeAim
	purposeRival
	purposeTie
)

// stepName is an interned protocol step.
type stepName struct {
	name  string
	key   uint64
	first uint64 // event at which it was first entered
}

func (u *Universe) stepNamed(name string) *stepName {
	s := u.steps[name]
	if s == nil {
		s = &stepName{name: name, key: hashText(name), first: u.events}
		u.steps[name] = s
	}
	return s
}

var noStep = stepName{}

// site is a place from which calls are made: process, task, step, operation
// and key class. Its counter numbers the calls.
type site struct {
	step   *stepName
	op     Op
	class  string
	calls  int
	faults []*Fault // of the plan, on any n-th call
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
func (u *Universe) enter(t *task, c *simCtx, op Op, key string) call {
	cl, faults := u.name(t, c, op, key, nil)
	for _, f := range faults {
		u.strike(t, f, nil)
	}
	return cl
}

// name counts a call and looks up its fate. m is nil for calls that are not
// requests.
func (u *Universe) name(t *task, c *simCtx, op Op, key string, m *message) (call, []*Fault) {
	step := c.step
	if step == nil {
		step = &noStep
	}
	class := ""
	if key != "" {
		class = u.system.Classify(key)
	}
	siteKey := mix(mix(t.nameKey, step.key), uint64(op)<<56^hashText(class)>>8)
	s := u.sites[siteKey]
	if s == nil {
		s = &site{step: step, op: op, class: class}
		s.faults = u.planned[Anchor{t.proc.program.Name, t.name, dash(step.name), op, dash(class), 0}]
		u.sites[siteKey] = s
	}
	s.calls++
	if t.where.step != nil && t.where.step != step && t.where.step != &noStep {
		t.before = t.where.step
	}
	t.where = waitPlace{step: step, op: op, since: u.now}
	cl := call{site: s, nth: s.calls, id: mix(mix(u.seed, siteKey), uint64(s.calls)<<16^uint64(t.inc))}
	if u.phase != chaosPhase {
		return cl, nil
	}
	if u.passed != nil {
		u.passed(t, cl)
	}
	if u.rivals > 0 {
		u.meetRival(t, cl)
	}
	var faults []*Fault
	for _, f := range s.faults {
		if f.At.Nth == s.calls {
			faults = append(faults, f)
		}
	}
	for _, r := range u.rules {
		if f := r.match(u, t, cl); f != nil {
			faults = append(faults, f)
		}
	}
	if u.deviations != nil {
		faults = u.deviations.pick(u, t, c, cl, m, faults)
	}
	if u.chaos != nil {
		if f := u.chaos.draw(u, t, cl); f != nil {
			faults = append(faults, f)
		}
	}
	return cl, faults
}

// strike applies the part of a fault that happens before the call, and gives
// the rest to the message.
func (u *Universe) strike(t *task, f *Fault, m *message) {
	if u.phase != chaosPhase { // the world was healed while an earlier one held the call
		return
	}
	p := t.proc
	if m == nil && f.needsRPC() {
		u.strikeStep(t, f)
		return
	}
	switch f.Kind {
	case Crash, Terminate, Pause:
		if m != nil && f.Phase == Applied {
			m.onApplied = f
		} else if m != nil && f.Phase == After {
			m.onReply = f
		} else {
			u.acts = append(u.acts, act{fault: f, proc: p, inc: p.inc})
			u.wake(t, wakeAct)
			t.wait(nil)
		}
	case Slow:
		p.slow = slowness{factor: f.Factor, until: u.now + int64(f.For), fault: f}
	case Partition:
		u.cut(p, f)
	case Skew:
		p.skew += int64(f.For)
		p.skewed = f
	case Drift:
		p.driftBase, p.began = p.monotonic(u.now), u.now
		p.driftPPM = f.Factor
		u.fired(f)
	case Refuse, Conflict, RegionError, ErrorBody:
		m.refused = f
	case Outage:
		u.outage = outage{service: f.Service, until: u.now + int64(f.For), fault: f}
	case LoseRequest:
		m.lost = f
	case LoseReply:
		m.replyLost = f
	case Delay:
		m.delay = f
	case DelayReply:
		m.replyDelay = f
	case Truncate:
		m.truncate = f
	case ExpireUpload:
		m.expire = f
	}
}

// strikeStep applies a fault made for requests to the entry of a step.
func (u *Universe) strikeStep(t *task, f *Fault) {
	switch f.Kind {
	case Refuse:
		t.stepError = errRefused
	case Conflict:
		t.stepError = errStepConflict
	case Delay:
		t.setTimer(t.identity(), int64(f.For))
		t.wait(nil)
	}
	u.fired(f)
}

// outage is a time during which services refuse every request.
type outage struct {
	service Service
	until   int64
	fault   *Fault
}

func (o *outage) hits(op Op, now int64) bool {
	return now < o.until && (o.service == AllServices || o.service == op.service())
}

// cut breaks the links that a partition names until its end.
func (u *Universe) cut(p *process, f *Fault) {
	until := u.now + int64(f.For)
	for s := range p.links {
		if f.Service != AllServices && f.Service != Service(s) {
			continue
		}
		l := &p.links[s]
		l.fault = f
		if f.Direction != Replies {
			l.requests = until
		}
		if f.Direction != Requests {
			l.replies = until
		}
	}
}

// message is one request with its reply, alive until both are done with.
type message struct {
	event    event
	task     *task
	gen      uint32 // of the task when it began to wait
	inc      int
	call     call
	gone     bool // the caller gave up or died: the reply goes nowhere
	sent     int64
	sentStep uint64

	kv         tikv.Request
	kvReply    tikv.Response
	object     objstore.Request
	objReply   objstore.Response
	answered   bool // with "unavailable", without being handled
	broken     bool // the caller sees a reset connection
	refused    *Fault
	lost       *Fault
	replyLost  *Fault
	delay      *Fault
	replyDelay *Fault
	truncate   *Fault
	expire     *Fault
	onApplied  *Fault
	onReply    *Fault
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
	*m = message{event: event{pos: -1}}
	u.free = append(u.free, m)
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
	m.kv = *req
	err := u.roundTrip(t, c, m, kvOps[req.Kind], kvKey(req), timeout)
	if err == nil {
		*resp = m.kvReply
		u.release(m)
	}
	return err
}

// kvKey is the key that stands for a request in its anchor.
func kvKey(req *tikv.Request) string {
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
	m.object = *req
	err := u.roundTrip(t, c, m, objectOps[req.Kind], req.Key, timeout)
	if err == nil {
		*resp = m.objReply
		u.release(m)
	}
	return err
}

// Transport errors. The client turns them into the system's classes.
var (
	errRefused error = &env.Error{Class: env.ClassUnavailable, Op: "send"}
	errNoReply error = &env.Error{Class: env.ClassUndetermined, Op: "send"}
	// What a step is refused with.
	errStepConflict error = &env.Error{Class: env.ClassConflict, Op: "step"}
)

// roundTrip sends a message and waits for its reply, its time-out or the end
// of ctx. Request, reply and time-out are independent events: giving up never
// retracts a request that was sent. On nil the caller owns m again.
func (u *Universe) roundTrip(t *task, c *simCtx, m *message, op Op, key string, timeout time.Duration) error {
	cl, faults := u.name(t, c, op, key, m)
	m.task, m.call, m.inc = t, cl, t.inc
	for _, f := range faults {
		u.strike(t, f, m)
	}
	if n := c.scope.ended(); n != nil { // while a pause held the call back
		u.release(m)
		return n.cause
	}
	m.gen, m.sent, m.sentStep = t.gen, u.now, u.events
	t.waiting = m
	u.send(t, m)
	t.setTimer(mix(cl.id, purposeTimeout), t.proc.trueDuration(timeout))
	reason := t.wait(c.scope)
	if m := t.waiting; m != nil {
		if m.gone = reason != wakeReply; m.gone {
			u.fired(m.delay)
			u.fired(m.replyDelay)
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

// send puts a request on its way, unless it is lost or refused at once.
func (u *Universe) send(t *task, m *message) {
	l := &t.proc.links[m.call.site.op.service()]
	switch {
	case u.now < l.requests:
		u.fired(l.fault)
		u.noteCall(m, "lost: partition")
		u.drop(m)
		return
	case m.lost != nil:
		u.fired(m.lost)
		u.noteCall(m, "lost")
		if !m.lost.Reset {
			u.drop(m)
			return
		}
		m.broken = true
		u.reply(m)
		return
	case u.outage.hits(m.call.site.op, u.now):
		u.refuse(m, u.outage.fault)
		return
	case m.refused != nil && m.canRefuse(m.refused.Kind):
		u.refuse(m, m.refused)
		return
	}
	m.event = event{pos: -1, kind: evRequest, msg: m, id: mix(m.call.id, purposeRequest)}
	m.event.tie = mix(m.event.id, purposeTie)
	if m.delay != nil {
		hold := min(int64(m.delay.For), int64(u.config.MaxInFlight)-1)
		m.event.when = u.now + hold
		m.event.due = m.event.when
		u.timers.push(&m.event)
		return
	}
	u.pushMessage(&m.event, u.latency(m.event.id))
}

// canRefuse reports whether the store could answer this very request so: only a
// conditional write of an object can conflict.
func (m *message) canRefuse(kind FaultKind) bool {
	op := m.call.site.op
	return kind != Conflict || op == opPrewrite || op > opPrewrite && m.object.Cond != env.Always
}

// refuse answers a request that the store never handles.
func (u *Universe) refuse(m *message, f *Fault) {
	u.fired(f)
	switch f.Kind {
	case Conflict:
		m.kvReply = tikv.Response{Status: tikv.StatusWriteConflict, Key: m.kv.Primary}
		m.objReply = objstore.Response{Err: env.ClassConflict, Code: "PreconditionFailed"}
	case RegionError:
		m.kvReply = tikv.Response{Region: cmp.Or(f.Region, tikv.RegionNotLeader)}
	case ErrorBody:
		m.objReply = objstore.Response{Err: env.ClassUndetermined, Code: "InternalError"}
	default:
		m.answered = true
	}
	what := "refused"
	if !m.answered {
		what += ": " + f.Kind.String()
	}
	u.noteCall(m, what)
	u.reply(m)
}

// handle lets the store execute a request and sends the reply.
func (u *Universe) handle(m *message) {
	if u.now-m.sent > int64(u.config.MaxInFlight) {
		u.noteCall(m, "expired in flight")
		u.drop(m)
		return
	}
	if m.delay != nil && u.events > m.sentStep+1 {
		u.fired(m.delay)
	}
	op := m.call.site.op
	u.actor = m
	if op < opPut {
		if op == opTSO {
			m.kv.PhysicalMS = epoch.UnixMilli() + u.now/1e6
		}
		u.kv.Handle(&m.kv, &m.kvReply)
		u.foldKV(m)
		u.collectCommits(m)
	} else {
		if m.expire != nil && m.object.UploadID != "" && u.objects.ExpireUpload(m.object.Key, m.object.UploadID) {
			u.fired(m.expire)
		}
		u.objects.Handle(&m.object, &m.objReply)
		u.foldObject(m)
		u.collectObjects(m)
	}
	if op.hasEffect() && (m.gone || !m.task.proc.alive || m.task.inc != m.task.proc.inc) {
		u.Mark("late_execution")
	}
	u.actor = nil
	u.noteCall(m, "")
	if f := m.onApplied; f != nil && m.task.proc.inc == m.inc && m.task.proc.alive {
		u.acts = append(u.acts, act{fault: f, proc: m.task.proc, inc: m.inc})
	}
	l := &m.task.proc.links[op.service()]
	switch {
	case u.now < l.replies:
		u.fired(l.fault)
		u.noteCall(m, "reply lost: partition")
		u.drop(m)
	case m.replyLost != nil && !m.replyLost.Reset:
		u.fired(m.replyLost)
		u.noteCall(m, "reply lost")
		u.drop(m)
	case m.replyLost != nil:
		u.fired(m.replyLost)
		u.noteCall(m, "reply lost, connection reset")
		m.broken = true
		u.reply(m)
	default:
		if m.truncate != nil && op == opGetObject && len(m.objReply.Body) > 0 {
			u.fired(m.truncate)
			m.objReply.Body = m.objReply.Body[:int64(len(m.objReply.Body))*m.truncate.Factor/1000]
		}
		u.reply(m)
	}
}

// spare lifts what was still to befall a message.
func (m *message) spare() {
	m.replyLost, m.replyDelay, m.truncate, m.expire, m.onApplied, m.onReply = nil, nil, nil, nil, nil, nil
}

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
	m.event = event{pos: -1, kind: evReply, msg: m, id: mix(m.call.id, purposeReply), task: m.task, gen: m.gen}
	m.event.tie = mix(m.event.id, purposeTie)
	if m.replyDelay != nil {
		m.event.when = u.now + int64(m.replyDelay.For)
		m.event.due = m.event.when
		u.timers.push(&m.event)
		return
	}
	u.pushMessage(&m.event, u.latency(m.event.id))
}

// deliver hands a reply to its caller, if that still waits for it.
func (u *Universe) deliver(m *message) {
	t := m.task
	if t.dead || t.gen != m.gen || m.gone {
		u.noteCall(m, "reply dropped")
		u.drop(m)
		return
	}
	if f := m.onReply; f != nil {
		m.onReply = nil
		u.acts = append(u.acts, act{fault: f, proc: t.proc, inc: t.inc})
		u.pushMessage(&m.event, 0)
		return
	}
	if m.replyDelay != nil && u.events > m.sentStep+2 {
		u.fired(m.replyDelay)
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
