package executor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	clienttikv "github.com/tikv/client-go/v2/tikv"

	proc "github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// process is one process: incarnations follow each other under its name.
type process struct {
	u        *universe
	index    int
	program  sim.Program
	life     *incarnation // nil while none runs
	starts   int
	never    bool // crashed for good
	restarts bool // the next incarnation boots later
	skew     time.Duration
	skewed   *fault.Fault
	driftPPM int64
	standing []standing
	temp     map[string][]byte
}

// incarnation is one life of a process.
type incarnation struct {
	u       *universe
	p       *process
	number  int
	dead    chan struct{} // closed with its end
	root    context.Context
	cancel  context.CancelCauseFunc
	store   *clienttikv.KVStore
	opening bool
	owners  map[uint64]owner // by start timestamp

	alive     bool
	began     time.Duration // of its monotonic clock
	driftBase time.Duration // what that showed then
	paused    bool
	suspended bool // paused with its clock stopped
	pausedAt  time.Duration
	stopped   time.Duration // for how long its clock has stood still
	pauses    int
	rival     string        // the step whose call by another process ends the pause, or ""
	rivalFrom time.Duration // and from when on
	held      []chan struct{}
}

// owner is the task and step that a call is made for. It is made behind their back
// if the client does so when they may have gone on.
type owner struct {
	task   *task
	step   string
	behind bool
}

// id tells the owners of a process apart.
func (o owner) id() uint64 {
	id := keyed.HashText(o.step)
	if o.task != nil {
		id = keyed.Mix(id, keyed.HashText(o.task.name))
	}
	return id
}

func ownerOf(ctx context.Context) owner {
	return owner{task: taskOf(ctx), step: string(env.StepOf(ctx))}
}

var errDead = errors.New("executor: the process has ended")

// boot starts a new incarnation. u.mu is held.
func (p *process) boot() {
	p.starts++
	p.restarts = false
	in := &incarnation{
		u: p.u, p: p, number: p.starts, dead: make(chan struct{}), alive: true, opening: true,
		began: p.u.now(), owners: map[uint64]owner{},
	}
	root, cancel := context.WithCancelCause(context.Background())
	in.root, in.cancel = proc.Scope(root), cancel
	p.life = in
	p.u.event(keyed.HashText(p.program.Name), "boot")
	p.u.court.Note(in.actor("", ""), sim.Booted)
	in.spawn("main", in.root, nil, func(ctx context.Context) error {
		kv, err := in.open()
		if err != nil {
			return err
		}
		return p.program.Main(ctx, in.env(kv))
	})
}

func (in *incarnation) env(kv env.KV) *env.Env {
	name := in.p.program.Name
	return &env.Env{
		Self:    env.Process{Name: name, Incarnation: strconv.Itoa(in.number)},
		Clock:   clock{in},
		Runtime: machine{in},
		KV:      kv,
		Objects: objstore.NewClient(objectTransport{in}, objstore.ClientConfig{Timeout: in.u.bounds.ObjectTimeout}),
		Temp:    tempDir{in},
		Rand:    draws{in},
		Log:     noLog{},
		Metrics: noMetrics{},
	}
}

func (in *incarnation) actor(task, step string) sim.Actor {
	return sim.Actor{Process: in.p.program.Name, Incarnation: strconv.Itoa(in.number), Task: task, Step: step}
}

// task is one thread of control of one incarnation.
type task struct {
	in      *incarnation
	name    string
	serial  uint64 // of all tasks of the universe
	key     uint64
	draws   uint64
	step    string // of its last call
	before  string // the last step that was another
	refused error  // with which the step just entered is refused
}

type taskKey struct{}

// taskOf is the task that a call is made for, or nil.
func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// spawn starts a task. u.mu is held.
func (in *incarnation) spawn(name string, ctx context.Context, g *group, fn func(context.Context) error) {
	u := in.u
	u.threads++
	t := &task{in: in, name: name, serial: u.threads}
	t.key = keyed.Mix(keyed.Mix(u.seed, keyed.Mix(keyed.HashText(in.p.program.Name), keyed.HashText(name))), uint64(in.number))
	ctx = context.WithValue(ctx, taskKey{}, t)
	u.running.Go(func() { t.run(g, ctx, fn) })
}

// run is the life of a task's goroutine.
func (t *task) run(g *group, ctx context.Context, fn func(context.Context) error) {
	u, id := t.in.u, goroutine()
	u.mu.Lock()
	u.tasks[id] = t
	u.mu.Unlock()
	var result error
	returned := false
	defer func() {
		value := recover()
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.tasks, id)
		switch {
		case value != nil:
			u.court.Fail(&sim.Violation{Invariant: "no-panic", Text: fmt.Sprintf("%s/%s panicked: %v", t.in.p.program.Name, t.name, value), Stack: string(debug.Stack())})
			u.judged()
		case returned && t.in.alive:
			t.ended(g, result)
		}
	}()
	t.in.live()
	result = fn(ctx)
	returned = true
}

// ended takes a task that has returned out of its process. u.mu is held.
func (t *task) ended(g *group, result error) {
	if g != nil {
		g.taskEnded(result)
		return
	}
	p, u := t.in.p, t.in.u
	u.event(keyed.HashText(p.program.Name)+1, "exit")
	u.court.Note(t.in.actor("", ""), sim.Exited)
	p.end()
	if p.program.Restart > 0 {
		p.restartAfter(p.program.Restart)
	}
	u.judged()
}

// end stops the incarnation. Requests in flight go on. u.mu is held.
func (p *process) end() {
	in := p.life
	p.life = nil
	in.alive, in.paused = false, false
	close(in.dead)
	in.cancel(errDead)
	if in.store != nil {
		p.u.running.Go(in.closeStore)
	}
}

// restartAfter boots the next incarnation later. u.mu is held.
func (p *process) restartAfter(d time.Duration) {
	p.restarts = true
	starts := p.starts
	p.u.after(d, func() {
		if p.life == nil && p.starts == starts {
			p.boot()
		}
	})
}

// hold blocks while the process is paused. It reports false once the incarnation
// has ended.
func (in *incarnation) hold() bool {
	in.u.mu.Lock()
	defer in.u.mu.Unlock()
	for in.alive && in.paused {
		released := make(chan struct{})
		in.held = append(in.held, released)
		in.u.mu.Unlock()
		select {
		case <-released:
		case <-in.dead:
		}
		in.u.mu.Lock()
	}
	return in.alive
}

// live is hold for the process's own tasks: those of an incarnation that has
// ended don't return.
func (in *incarnation) live() {
	if !in.hold() {
		runtime.Goexit()
	}
}

// resume lets a paused process go on: what is held for it, in its order, each a
// nanosecond later than the one before. u.mu is held.
func (in *incarnation) resume() {
	u := in.u
	if !in.paused {
		return
	}
	u.event(3, "resume")
	u.court.Note(in.actor("", ""), sim.Resumed)
	in.paused = false
	if in.suspended {
		stood := u.now() - in.pausedAt
		in.stopped += stood
		in.began += stood
	}
	held := in.held
	in.held = nil
	u.running.Go(func() {
		for _, released := range held {
			close(released)
			time.Sleep(time.Nanosecond)
		}
	})
}
