package sim

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// phase is a part of a run.
type phase uint8

const (
	chaosPhase   phase = iota // faults happen, only safety is judged
	settlePhase               // healed: everything must get done within a bound
	quiescePhase              // done: leftovers must disappear
)

// Universe is one run of a system: one scheduler, one virtual time, one seed.
// It is used by one goroutine.
type Universe struct {
	_      [128]byte // universes run in parallel: keep them off each other's cache lines
	seed   uint64
	config Config
	plan   *plan.Plan // of a universe that is driven by hand
	system System
	bounds Bounds

	arm    *arm
	sched  scheduler
	events uint64

	processes []*process
	strays    []*process // those that were replaced while they lived
	current   *task
	acts      []act
	free      []*message
	idle      []*coroutine
	threads   uint64 // tasks started
	steps     map[string]*stepName
	sites     map[uint64]*site
	siteSlab  []site // not yet given out
	// injectors decide what befalls each call, until the world is healed.
	injectors []fault.Injector
	crossing  fault.Crossing    // what they are shown
	standing  []standing        // what strikes everybody for a while
	faults    []*fault.Fault    // all that were injected or planned, in order
	orders    *orders           // of a plan that has any, until the world is healed
	held      bool              // the plan has some
	ordered   []*fault.Ordering // those that have held something

	kv      *tikv.Engine
	objects *objstore.Store
	// prepared counts what the store's traits did before time began.
	prepared objstore.Shown
	actor    *message // whose request is being handled
	rivals   int      // how many pauses wait for a rival, at most

	phase       phase
	healedAt    int64
	healedEvent uint64
	hastened    bool  // a monotonic clock runs fast, or has run fast
	zombies     int64 // until when those whom healing woke may still act
	world       World
	judge       judge
	hash        uint64
	recorder    *recorder
	witness     *witness
	history     *historian
	steady      bool                  // a task's draws are all the same
	elsewhere   bool                  // the processes live in another executor
	collection  event                 // of TiKV's garbage, if pending
	passed      func(*fault.Crossing) // is told of every call, if set
	pulse       *Pulse                // for a watchdog, if set
	most        uint64                // events that the run may have; 0 for any number
	hasty       bool                  // see Target.Hasty
	// The event after which what is to come is drawn anew, and by which key: 0 for
	// none. See Branch.
	branchAt, branchKey uint64
	// What commits returned to the system, other than success.
	outcomes     []outcome
	told         Told
	undetermined []uint64 // start timestamps
	committed    []uint64 // start timestamps, in the order of judging
	_            [128]byte
}

// act is something that a fault does to a process, performed by the scheduler
// as soon as the running task has blocked.
type act struct {
	fault *fault.Fault
	proc  *process
	inc   int
}

func newUniverse(seed uint64, config Config, system System, bounds Bounds) *Universe {
	u := &Universe{
		seed: seed, config: config, system: system, bounds: bounds,
		steps: make(map[string]*stepName), sites: make(map[uint64]*site),
		hash: keyed.Mix(seed, 0x756e6976),
	}
	u.setArm(config.Arm)
	u.collection.pos = -1
	u.kv = tikv.New(tikv.Options{RecordReads: true})
	u.objects = objstore.New(system.StoreOptions())
	u.objects.Now = u.Now
	u.world.init(u)
	system.Prepare(&Stores{u})
	u.drainPrepared()
	for i, program := range system.Programs() {
		u.processes = append(u.processes, &process{u: u, index: i, program: program, temp: map[string][]byte{}})
	}
	return u
}

// setArm lets an arm order the events from now on.
func (u *Universe) setArm(name string) {
	u.arm, u.sched.config = armNamed(name), &u.config
	u.sched.fixed = name == DefaultArm
	u.sched.steady = u.sched.fixed
	u.sched.strategy = u.arm.start(&u.sched, armSetup{u.seed, &u.bounds})
}

// newEnv makes the seams for a new incarnation.
func (u *Universe) newEnv(p *process) *env.Env {
	b := u.bounds
	kv := tikv.ClientConfig{
		Group:      runtimeSeam{p}.Group,
		RPCTimeout: b.RPCTimeout, PDTimeout: min(b.RPCTimeout, 3*time.Second), Region: u.system.Region, MaxEntry: b.MaxEntry, MaxTxn: b.MaxTxn,
	}
	return &env.Env{
		Self:    env.Process{Name: p.program.Name, Incarnation: strconv.Itoa(p.inc)},
		Clock:   clock{p},
		Runtime: runtimeSeam{p},
		KV: &recordedKV{
			KV: tikv.NewClient(kvTransport{p}, clock{p}, taskRand{p}, kv), told: &u.told,
			ended: func(startTS uint64, err error) { u.noteCommit(p, startTS, err) },
		},
		Objects: objstore.NewClient(objectTransport{p}, objstore.ClientConfig{Timeout: b.ObjectTimeout}),
		Temp:    tempDir{p},
		Rand:    taskRand{p},
		Log:     logSeam{p},
		Metrics: noMetrics{},
	}
}

// tie orders events of the same instant by identity, not by who was first.
func (u *Universe) tie(t *task) uint64 { return u.sched.tie(t.identity()) }

// step lets one event happen. It reports false when none is left.
func (u *Universe) step() bool {
	e := u.sched.pick()
	if e == nil {
		return false
	}
	u.dispatch(e)
	u.performActs()
	return true
}

func (u *Universe) dispatch(e *event) {
	if t := e.task; t != nil && t.proc.paused && t.proc.inc == t.inc {
		t.proc.held = append(t.proc.held, e)
		return
	}
	if n := e.node; n != nil && n.proc.paused {
		n.proc.held = append(n.proc.held, e)
		return
	}
	if u.orders != nil && u.orders.hold(u, e) {
		return
	}
	if u.witness != nil {
		u.witness.see(u, e)
	}
	if u.events == u.branchAt {
		u.branch()
	}
	u.events++
	if u.pulse != nil && u.events%pulseEvery == 0 {
		u.pulse.events.Store(u.events)
	}
	switch e.kind {
	case evRequest:
		u.fold(e, 0)
		u.handle(e.msg)
	case evReply:
		u.fold(e, uint64(e.msg.KVReply.Status))
		u.deliver(e.msg)
	case evTimer:
		if t := e.task; t.gen == e.gen && !t.dead {
			u.fold(e, t.key)
			u.noteTimer(t)
			u.resumeTask(t, wakeTimer)
		}
	case evResume:
		if t := e.task; t.gen == e.gen && !t.dead {
			u.fold(e, t.key)
			u.resumeTask(t, wakeReason(e.due))
		}
	case evContext:
		u.fold(e, 0)
		e.node.expire()
	case evWorld:
		u.fold(e, 0)
		e.act()
	}
	if u.orders != nil {
		u.orders.release(u)
	}
}

// performActs carries out what faults do to processes.
func (u *Universe) performActs() {
	for len(u.acts) > 0 {
		a := u.acts[0]
		u.acts = u.acts[:copy(u.acts, u.acts[1:])]
		p := a.proc
		if p.inc != a.inc || !p.alive {
			continue
		}
		u.fired(a.fault)
		a.fault.Kind.Befall(p, a.fault)
	}
}

// meetRival ends, a little later, the pauses that wait for another process to
// make a call in this step by now.
func (u *Universe) meetRival(t *task, cl call) {
	for _, p := range u.everybody() {
		if !p.paused || p.rival != fault.Dash(cl.site.Step) || u.sched.now < p.rivalFrom || p == t.proc {
			continue
		}
		p.rival = ""
		u.rivals--
		if p.resumeAt != nil {
			u.sched.timers.remove(p.resumeAt)
		}
		soon := int64(time.Millisecond) << (keyed.Mix(cl.id, keyed.ForRival) % 11) // up to 1 s
		p.resumeAt = u.at(soon, p, func() { u.resume(p) })
	}
}

// shiftTimers moves every timer of a process, and its monotonic clock, by the
// time for which its machine was suspended.
func (u *Universe) shiftTimers(p *process, d int64) {
	p.began += d
	var mine []*event
	for _, e := range u.sched.timers.heap {
		if e.kind == evTimer && e.task.proc == p || e.kind == evContext && e.node.proc == p {
			mine = append(mine, e)
		}
	}
	for _, e := range mine {
		u.sched.timers.remove(e)
	}
	for _, e := range p.held {
		if e.kind == evTimer || e.kind == evContext {
			mine = append(mine, e)
		}
	}
	p.held = slices.DeleteFunc(p.held, func(e *event) bool { return e.kind == evTimer || e.kind == evContext })
	for _, e := range mine {
		e.when, e.due = e.due+d, e.due+d
		u.sched.timers.push(e)
	}
}

// resume lets a paused process go on: what was held for it happens now, in the
// order in which it would have.
func (u *Universe) resume(p *process) {
	if !p.paused || !p.alive {
		return
	}
	u.note(p, Resumed, "")
	p.paused = false
	if p.resumeAt != nil {
		u.sched.timers.remove(p.resumeAt)
		p.resumeAt = nil
	}
	if p.suspended {
		u.shiftTimers(p, u.sched.now-p.pausedAt)
	}
	held := p.held
	p.held = nil
	for i, e := range held {
		if e.kind == evTimer || e.kind == evContext {
			e.when = u.sched.now + int64(i)
			u.sched.timers.push(e)
			continue
		}
		if u.steady { // first what it was about to do, then what it has missed
			u.sched.push(e, 0)
			continue
		}
		u.sched.push(e, int64(i))
	}
}

// heal ends the chaos phase: every fault is lifted, every process is brought
// back (except one that died for good), latencies become narrow and fair.
func (u *Universe) heal() {
	pending := make([]*event, 0, u.sched.messages.len())
	for u.sched.messages.len() > 0 {
		pending = append(pending, u.sched.messages.pop())
	}
	u.phase = settlePhase
	if !u.arm.timely {
		u.sched.strategy = newNarrow(&u.sched, armSetup{})
	}
	u.healedAt, u.healedEvent = u.sched.now, u.events
	u.standing = nil
	u.note(nil, Healed, "")
	for _, p := range u.strays {
		p.stop()
	}
	if u.orders != nil {
		pending = append(pending, u.orders.end(u)...)
	}
	var late []*event // what was held back on its way arrives now
	for _, e := range u.sched.timers.heap {
		if e.kind == evRequest || e.kind == evReply {
			late = append(late, e)
		}
	}
	slices.SortFunc(late, func(a, b *event) int { return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.tie, b.tie)) })
	for _, e := range late {
		u.sched.timers.remove(e)
	}
	if len(late) > 0 || slices.ContainsFunc(u.processes, func(p *process) bool { return p.paused }) {
		u.zombies = u.sched.now + 2*int64(u.bounds.RPCTimeout)
	}
	for i, e := range append(pending, late...) {
		e.when = u.sched.now + int64(i)*1000
		if e.msg != nil {
			e.msg.spare()
		}
		u.sched.messages.push(e)
	}
	for _, p := range u.processes {
		p.standing = nil
		for _, t := range p.tasks { // work that was stretched ends in good time
			if t.where.op == ops.Work && t.timer.pos >= 0 && t.timer.when > u.sched.now+int64(u.config.WorkTime) {
				u.sched.timers.remove(&t.timer)
				t.timer.when = u.sched.now + int64(u.config.WorkTime)
				t.timer.due = t.timer.when
				u.sched.timers.push(&t.timer)
			}
		}
		for _, e := range p.held {
			if e.msg != nil {
				e.msg.spare()
			}
		}
		u.resume(p)
		if !p.alive && !p.never && p.restart != nil {
			u.sched.timers.remove(p.restart)
			p.boot()
		}
	}
}

// fired notes that a fault changed the outcome or the order of a call.
func (u *Universe) fired(f *fault.Fault) {
	if f == nil {
		return
	}
	if f.Fired == 0 {
		if f.Source != "" {
			u.Mark(inject.MarkPrefix + f.Source)
		}
		u.noteFault(f)
	}
	f.Fired++
}

// classText is an error's class as traces print it.
func classText(err error) string { return env.ClassOf(err).String() }
