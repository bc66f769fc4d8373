package executor

import (
	"context"
	"errors"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// The doorway: every effect that the system has on the world passes through
// enter and, if it is a request, through roundTrip. It follows that of package
// sim, stage by stage, on goroutines: the caller's until the request has left, the
// message's own while it is under way.

type siteName struct {
	process, task, step string
	op                  ops.Op
	class               string
}

// site is a place from which calls are made. Its counter numbers them.
type site struct {
	fault.Site
	calls int
}

// call is one passage through the doorway.
type call struct {
	*site
	nth int
	id  uint64 // hash of everything that names it: keys its draws
}

// enter names and counts a call of a task that is no request, and lets the faults
// that strike it happen.
func (in *incarnation) enter(ctx context.Context, op ops.Op) call {
	u := in.u
	u.mu.Lock()
	cl, struck := u.name(in, ownerOf(ctx), op, "", nil)
	u.mu.Unlock()
	for _, f := range struck {
		u.mu.Lock()
		hold := u.strike(in, taskOf(ctx), f, nil)
		u.mu.Unlock()
		if hold > 0 {
			in.wait(context.Background(), hold, nil)
		}
		in.live()
	}
	return cl
}

// name counts a call and asks the injectors for its fate. m is nil for calls
// that are not requests. u.mu is held.
func (u *universe) name(in *incarnation, o owner, op ops.Op, key string, m *message) (call, []*fault.Fault) {
	s := u.siteOf(in.p, o, op, key)
	s.calls++
	serial := uint64(0)
	if o.task != nil {
		serial = o.task.serial
	}
	if t := o.task; t != nil && !o.behind {
		if t.step != "" && t.step != o.step {
			t.before = t.step
		}
		t.step = o.step
	}
	cl := call{site: s, nth: s.calls, id: keyed.Mix(keyed.Mix(u.seed, s.Key), uint64(s.calls)<<16^uint64(in.number))}
	if u.phase != chaos {
		return cl, nil
	}
	u.meetRival(in.p, cl)
	x := &u.crossing
	*x = fault.Crossing{Site: &s.Site, Nth: cl.nth, Seed: u.seed, ID: cl.id, Now: u.now(), Event: u.events, Thread: serial, Subject: key}
	if m != nil {
		x.Conditional = m.Op == ops.Prewrite || m.Object.Cond != env.Always
	}
	return cl, u.court.Strike(x)
}

func (u *universe) siteOf(p *process, o owner, op ops.Op, key string) *site {
	name := siteName{process: p.program.Name, step: o.step, op: op}
	if o.task != nil {
		name.task = o.task.name
	}
	if key != "" {
		name.class = u.court.System().Classify(key)
	}
	s := u.sites[name]
	if s != nil {
		return s
	}
	first, known := u.entered[o.step]
	if !known {
		first = u.events
		u.entered[o.step] = first
	}
	hash := keyed.Mix(keyed.Mix(keyed.HashText(name.process), keyed.HashText(name.task)), keyed.HashText(name.step))
	s = &site{Site: fault.Site{
		Process: name.process, Task: name.task, Step: name.step, Op: op, Class: name.class,
		Client: p.program.Client, Expendable: p.program.Expendable,
		Key: keyed.Mix(hash, uint64(op)<<56^keyed.HashText(name.class)>>8), StepEntered: first,
	}}
	u.sites[name] = s
	return s
}

// strike applies the part of a fault that happens before the call, and gives the
// rest to the message. It returns for how long the fault holds the task at the
// entry of a step. u.mu is held.
func (u *universe) strike(in *incarnation, t *task, f *fault.Fault, m *message) (hold time.Duration) {
	if u.phase != chaos || !in.alive { // healed, or ended, while an earlier one held the call
		return 0
	}
	if m == nil && f.Kind.Info().Requests {
		hold, t.refused = f.Kind.EnterStep()
		u.court.Fired(f)
		return hold
	}
	at, moment := f.Kind.Moment()
	switch {
	case moment && (m == nil || at == fault.Before):
		u.befall(in, f)
	case moment || !f.Kind.Befall(in.p, f):
		m.struck = append(m.struck, f)
	}
	return 0
}

// befall lets a fault of a process befall it. u.mu is held.
func (u *universe) befall(in *incarnation, f *fault.Fault) {
	if !in.alive {
		return
	}
	u.event(keyed.HashText(f.Name()), f.Name())
	u.court.Fired(f)
	f.Kind.Befall(in.p, f)
	u.judged()
}

// message is one request with its reply.
type message struct {
	fault.Message
	in    *incarnation
	owner owner
	// subject is the key that stands for it, startTS its transaction.
	subject string
	startTS uint64
	// spared: it meets no faults, and is no call of the system's.
	spared bool
	// serve lets the store handle it, and answer, if set, turns the reply that a
	// fault gave (m.KVReply) into the caller's. Both are given the message, or its
	// copy. What the caller gets of TiKV and PD is result, or err.
	serve, answer func(*message)
	result        any
	err           error

	call      call
	sent      time.Duration
	sentEvent uint64
	gone      bool // the caller gave up or died
	copied    bool // arrives once more, for nobody
	refused   bool // answered with "unavailable", without being handled
	broken    bool // the caller sees a broken connection
	struck    []*fault.Fault
	held      *fault.Fault  // what held the request back,
	replyHeld *fault.Fault  // and the reply
	reply     chan struct{} // closed when it is there
}

// Why no reply came.
var (
	errRefused error = &env.Error{Class: env.ClassUnavailable, Op: "send"}
	errBroken        = errors.New("executor: connection lost")
	errNoReply       = errors.New("executor: no answer in time")
)

// roundTrip sends a message and waits for its reply, its time-out or the end of
// ctx. Giving up never retracts a request that was sent.
func (m *message) roundTrip(ctx context.Context, timeout time.Duration) error {
	in, u := m.in, m.in.u
	if !in.hold() {
		return errDead
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.reply = make(chan struct{})
	u.mu.Lock()
	var struck []*fault.Fault
	if m.call = (call{id: keyed.Mix(u.seed, u.events)}); !m.spared {
		m.call, struck = u.name(in, m.owner, m.Op, m.subject, m)
		m.Class = m.call.Class
	}
	u.mu.Unlock()
	for _, f := range struck {
		u.mu.Lock()
		u.strike(in, m.owner.task, f, m)
		u.mu.Unlock()
		if !in.hold() {
			return errDead
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	u.mu.Lock()
	if !in.alive {
		u.mu.Unlock()
		return errDead
	}
	m.sent, m.sentEvent = u.now(), u.events
	patience := in.trueDuration(timeout)
	m.send()
	u.mu.Unlock()

	why := in.wait(ctx, patience, m.reply)
	u.mu.Lock()
	defer u.mu.Unlock()
	if why != replied {
		m.gone = true
		u.court.Fired(m.held)
		u.court.Fired(m.replyHeld)
	}
	switch {
	case why == died:
		return errDead
	case why == cancelled:
		return context.Cause(ctx)
	case why == timeUp:
		return errNoReply
	case m.refused:
		return errRefused
	case m.broken:
		return errBroken
	}
	return nil
}

// stage is where on its way a message is when faults decide about it.
type stage uint8

const (
	sending stage = iota
	admitting
	replying
)

func (at stage) ask(f *fault.Fault, m *message) fault.Verdict {
	switch at {
	case sending:
		return f.Kind.Send(&m.Message)
	case admitting:
		return f.Kind.Admit(&m.Message)
	}
	return f.Kind.Reply(&m.Message)
}

// decide asks the faults at a message about it: those that stand around its
// process, the latest first, those that stand everywhere, and its own. The first
// that decides anything decides. u.mu is held.
func (m *message) decide(at stage) fault.Verdict {
	u := m.in.u
	if m.copied || m.spared {
		return fault.Passed
	}
	for _, list := range [][]standing{m.in.p.standing, u.standing} {
		for i := len(list) - 1; i >= 0; i-- {
			if s := &list[i]; u.now() < s.until {
				if v := at.ask(s.fault, m); v > fault.Changed {
					u.court.Fired(s.fault)
					return v
				}
			}
		}
	}
	for _, f := range m.struck {
		v := at.ask(f, m)
		if v == fault.Passed {
			continue
		}
		u.court.Fired(f)
		if v > fault.Changed {
			return v
		}
	}
	return fault.Passed
}

// latency draws a way from its identity.
func (u *universe) latency(id uint64) time.Duration {
	lo, hi := u.config.LatencyMin, u.config.LatencyMax
	l := lo + time.Duration(keyed.Below(keyed.Mix(id, keyed.ForPick), uint64(hi-lo+1)))
	if q := u.config.Quantum; q > 0 {
		l = (l + q - 1) / q * q
	}
	return l
}

// send puts a request on its way, unless it is lost or refused at once. u.mu is
// held.
func (m *message) send() {
	u := m.in.u
	if v := m.decide(sending); v != fault.Passed {
		m.note(sim.Lost)
		if m.broken = v == fault.Broken; m.broken {
			m.goBack()
		}
		return
	}
	if v := m.decide(admitting); v != fault.Passed {
		if m.refused = v == fault.Refused; !m.refused && m.answer != nil {
			m.answer(m)
		}
		m.note(sim.Refused)
		m.goBack()
		return
	}
	way, hold := u.latency(keyed.Mix(m.call.id, keyed.ForRequest)), time.Duration(0)
	for _, f := range m.struck {
		if h := f.Kind.Hold(); h > 0 {
			m.held, hold = f, h
		}
		if later := f.Kind.Repeat(); later > 0 {
			again := *m
			again.struck, again.copied, again.gone, again.held = nil, true, true, f
			again.goThere(later, true)
		}
	}
	if m.held != nil {
		way = hold
	}
	m.goThere(way, m.held != nil)
}

// goThere takes the request to its store, which handles it after that time. What
// is late arrives at once when the world is healed. u.mu is held.
func (m *message) goThere(after time.Duration, late bool) {
	u := m.in.u
	var sooner <-chan struct{}
	if late {
		after, sooner = min(after, u.config.MaxInFlight-1), u.healing
	}
	at := u.instant(u.now() + after)
	u.running.Go(func() {
		if !u.sleepUntil(at, sooner) {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		m.handle()
	})
}

// event begins the event that the message, or its reply, arrives. What the client
// does for itself is none.
func (m *message) event(purpose uint64) {
	if !m.spared {
		m.in.u.event(keyed.Mix(m.call.id, purpose), m.Op.String())
	}
}

// handle lets the store execute a request and sends the reply. u.mu is held.
func (m *message) handle() {
	u := m.in.u
	m.event(keyed.ForRequest)
	if u.phase != chaos {
		m.struck = nil
	}
	if u.now()-m.sent > u.config.MaxInFlight {
		m.note(sim.Expired)
		return
	}
	if m.held != nil && u.events > m.sentEvent+1 {
		u.court.Fired(m.held)
	}
	for _, f := range m.struck {
		if m.Op.Service() == ops.Objects && f.Kind.Store(&m.Message, u.court.Objects()) {
			u.court.Fired(f)
		}
	}
	m.serve(m)
	actor := m.actor()
	u.court.TakeKV(actor)
	u.court.TakeObjects(actor)
	m.note(sim.Handled)
	u.judged()
	if f := fault.TakeMoment(&m.struck, fault.Applied); f != nil {
		u.befall(m.in, f)
	}
	if m.copied {
		return
	}
	if v := m.decide(replying); v != fault.Passed {
		m.note(sim.ReplyLost)
		if m.broken = v == fault.Broken; !m.broken {
			return
		}
	}
	m.goBack()
}

// goBack takes the reply to the caller. u.mu is held.
func (m *message) goBack() {
	u := m.in.u
	way := u.latency(keyed.Mix(m.call.id, keyed.ForReply))
	var sooner <-chan struct{}
	for _, f := range m.struck {
		if h := f.Kind.HoldReply(); h > 0 {
			m.replyHeld, way, sooner = f, h, u.healing
		}
	}
	at := u.instant(u.now() + way)
	u.running.Go(func() {
		if !u.sleepUntil(at, sooner) {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		m.deliver()
	})
}

// deliver hands the reply to the caller, if that still waits for it. u.mu is held.
func (m *message) deliver() {
	u := m.in.u
	m.event(keyed.ForReply)
	if m.gone || !m.in.alive {
		m.note(sim.ReplyDropped)
		return
	}
	if m.replyHeld != nil && u.events > m.sentEvent+2 {
		u.court.Fired(m.replyHeld)
	}
	if f := fault.TakeMoment(&m.struck, fault.After); f != nil && u.phase == chaos {
		if u.befall(m.in, f); !m.in.alive {
			return
		}
	}
	close(m.reply)
}

// actor is who has what the request does.
func (m *message) actor() sim.Actor {
	name := ""
	if m.owner.task != nil {
		name = m.owner.task.name
	}
	a := m.in.actor(name, m.owner.step)
	a.Late = m.gone || !m.in.alive
	return a
}

// note shows the request, and what became of it, to those who watch.
func (m *message) note(fate sim.Fate) {
	if m.spared {
		return
	}
	a := m.actor()
	c := sim.Call{
		Process: a.Process, Incarnation: a.Incarnation, Task: a.Task, Step: a.Step,
		Op: m.Op, Key: m.subject, StartTS: m.startTS, Fate: fate, Late: a.Late,
	}
	switch {
	case fate != sim.Handled && fate != sim.Refused:
	case m.refused:
		c.Answer = sim.Answer{Class: env.ClassUnavailable}
	case m.Op.Service() == ops.Objects:
		c.Answer = sim.Answer{Class: m.ObjectReply.Err, Code: m.ObjectReply.Code}
	default:
		c.Answer = sim.Answer{KV: m.KVReply.Status, Region: m.KVReply.Region}
	}
	m.in.u.court.Call(c)
}
