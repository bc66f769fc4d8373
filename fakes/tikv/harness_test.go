package tikv_test

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// latency is the virtual time that every RPC takes.
const latency = 200 * time.Microsecond

// world is a store, a clock that moves only by sleeping and by RPCs, and a
// place to put faults. It is a Transport, an env.Clock and an env.Rand.
type world struct {
	t      testingT
	engine *tikv.Engine
	now    time.Duration
	rpcs   map[tikv.Kind]int
	seed   uint64
	// fault decides about a request before it is handled; nil means none.
	fault func(req *tikv.Request, resp *tikv.Response) fault
	// arrived, if set, is called when the answer to a request has come.
	arrived func(req *tikv.Request)
	// silent makes a lost request cost its whole timeout; else the caller
	// learns of it at once, as from a broken connection.
	silent bool
	// tasks are what clients do beside their callers, current the one that runs:
	// nil is the test itself.
	tasks   []*task
	current *task
}

// task is a coroutine of the world.
type task struct {
	at  time.Duration // when it goes on, or as soon as ctx has ended
	ctx context.Context
	// resume lets it run until it pauses, and reports false if it has ended.
	resume func() bool
	pause  func()
}

// fault is what becomes of one RPC.
type fault uint8

const (
	deliver   fault = iota
	answered        // the fault hook has filled in the response
	lose            // not handled, no answer
	loseReply       // handled, no answer
	refuse          // not handled, and the caller is told
)

var errLost = &env.Error{Class: env.ClassUndetermined, Op: "rpc"}

// testingT is what *testing.T, *testing.B and *rapid.T have in common.
type testingT interface {
	require.TestingT
	Helper()
}

func newWorld(t testingT) *world {
	return &world{t: t, engine: tikv.New(tikv.Options{RecordReads: true}), rpcs: map[tikv.Kind]int{}, now: time.Hour, seed: 1}
}

func (w *world) client(cfg tikv.ClientConfig) *tikv.Client {
	cfg.Group = w.group
	return tikv.NewClient(w, w, w, cfg)
}

func (w *world) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, timeout time.Duration) error {
	w.rpcs[req.Kind]++
	copied := *req
	copied.PhysicalMS = w.now.Milliseconds()
	fate := deliver
	if w.fault != nil {
		fate = w.fault(&copied, resp)
	}
	took := latency
	var handled tikv.Response
	switch fate {
	case deliver, loseReply:
		w.engine.Handle(&copied, &handled)
	case refuse:
		return env.ErrUnavailable
	}
	if w.silent && (fate == lose || fate == loseReply) {
		took = timeout
	}
	if w.pass(ctx, took); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if fate == lose || fate == loseReply {
		return errLost
	}
	if fate == deliver {
		*resp = handled
	}
	if w.arrived != nil {
		w.arrived(&copied)
	}
	return nil
}

func (w *world) Now() time.Time           { return time.Unix(0, 0).Add(w.now) }
func (w *world) Monotonic() time.Duration { return w.now }

// timer is the deadline that a context of the world carries.
type timer struct {
	at     time.Duration
	cancel context.CancelCauseFunc
}

type timerKey struct{}

// pass lets d go by, or what is left until ctx's deadline or its end. Whatever
// other tasks do meanwhile happens.
func (w *world) pass(ctx context.Context, d time.Duration) {
	until := w.now + d
	tm, timed := ctx.Value(timerKey{}).(timer)
	timed = timed && ctx.Err() == nil && until >= tm.at
	if timed {
		until = max(w.now, tm.at)
	}
	if t := w.current; t != nil {
		t.at, t.ctx = until, ctx
		t.pause()
	} else {
		w.run(ctx, until)
	}
	if timed && w.now >= until {
		tm.cancel(context.DeadlineExceeded)
	}
}

// run lets the tasks run until that time, or until ctx ends.
func (w *world) run(ctx context.Context, until time.Duration) {
	began := ctx.Err() == nil
	for w.step(until) {
		if began && ctx.Err() != nil {
			return
		}
	}
	w.now = max(w.now, until)
}

// idle lets the tasks run until none is left.
func (w *world) idle() {
	for w.step(math.MaxInt64) {
	}
}

// step resumes the task that goes on first, if one does by then.
func (w *world) step(until time.Duration) bool {
	first, at := -1, until
	for i, t := range w.tasks {
		due := t.at
		if t.ctx.Err() != nil {
			due = min(due, w.now)
		}
		if due < at || due == at && first < 0 {
			first, at = i, due
		}
	}
	if first < 0 {
		return false
	}
	t, before := w.tasks[first], w.current
	w.now, w.current = max(w.now, at), t
	more := t.resume()
	w.current = before
	if !more {
		w.tasks = slices.DeleteFunc(w.tasks, func(other *task) bool { return other == t })
	}
	return true
}

// group is an env.Group of the world's tasks.
type group struct {
	w       *world
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running int
	first   error
}

func (w *world) group(ctx context.Context) env.Group {
	if ctx.Done() == nil {
		ctx = context.WithValue(ctx, timerKey{}, nil) // the deadline is the caller's alone
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{w: w, ctx: ctx, cancel: cancel}
}

func (g *group) Spawn(name string, fn func(context.Context) error) {
	g.running++
	t := &task{at: g.w.now, ctx: context.Background()}
	next, _ := iter.Pull(func(yield func(struct{}) bool) {
		t.pause = func() { yield(struct{}{}) }
		err := fn(g.ctx)
		g.running--
		if err != nil && g.first == nil {
			g.first = err
			g.cancel(err)
		}
	})
	t.resume = func() bool {
		_, more := next()
		return more
	}
	g.w.tasks = append(g.w.tasks, t)
}

func (g *group) Wait() error {
	require.Nil(g.w.t, g.w.current, "a task waits for tasks")
	for g.running > 0 {
		require.True(g.w.t, g.w.step(math.MaxInt64))
	}
	return g.first
}

func (g *group) Cancel(cause error) { g.cancel(cause) }

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil && d > 0 {
		w.pass(ctx, d)
	}
	return context.Cause(ctx)
}

// WithTimeout returns a context that ends when time passes its deadline.
func (w *world) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	return context.WithValue(ctx, timerKey{}, timer{w.now + d, cancel}), func() { cancel(nil) }
}

func (w *world) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(ctx)
}

func (w *world) Uint64() uint64 {
	w.seed += 0x9e3779b97f4a7c15
	z := w.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (w *world) begin(kv env.KV) env.Txn {
	w.t.Helper()
	tx, err := kv.Begin(context.Background())
	require.NoError(w.t, err)
	return tx
}

// put commits one value for each key.
func (w *world) put(kv env.KV, value string, keys ...string) {
	w.t.Helper()
	require.NoError(w.t, w.buffer(kv, value, keys...).Commit(context.Background()))
}

// buffer returns a transaction that is about to commit one value for each key.
func (w *world) buffer(kv env.KV, value string, keys ...string) env.Txn {
	w.t.Helper()
	tx := w.begin(kv)
	for _, key := range keys {
		tx.Put(key, []byte(value))
	}
	return tx
}

// get reads one value in a transaction of its own, "" if there is none.
func (w *world) get(kv env.KV, key string) string {
	w.t.Helper()
	return w.read(w.begin(kv), key)
}

// read returns what a transaction reads, "" if there is nothing.
func (w *world) read(tx env.Txn, key string) string {
	w.t.Helper()
	value, err := tx.Get(context.Background(), key)
	if env.ClassOf(err) == env.ClassNotFound {
		return ""
	}
	require.NoError(w.t, err)
	return string(value)
}

// only applies fate to requests of one kind.
func only(kind tikv.Kind, fate fault) func(*tikv.Request, *tikv.Response) fault {
	return func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == kind {
			return fate
		}
		return deliver
	}
}

// once applies f until it has changed the fate of one request.
func (w *world) once(f func(*tikv.Request, *tikv.Response) fault) {
	w.fault = func(req *tikv.Request, resp *tikv.Response) fault {
		fate := f(req, resp)
		if fate != deliver {
			w.fault = nil
		}
		return fate
	}
}

// region answers requests of one kind with a region error.
func region(kind tikv.Kind, e tikv.RegionError) func(*tikv.Request, *tikv.Response) fault {
	return func(req *tikv.Request, resp *tikv.Response) fault {
		if req.Kind != kind {
			return deliver
		}
		*resp = tikv.Response{Region: e}
		return answered
	}
}

// orphan leaves the locks of a transaction whose committer died between
// prewrite and commit.
func (w *world) orphan(kv env.KV, keys ...string) {
	w.t.Helper()
	ctx, die := context.WithCancel(context.Background())
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind != tikv.KindCommit {
			return deliver
		}
		die()
		return lose
	}
	require.Error(w.t, w.buffer(kv, "orphan", keys...).Commit(ctx))
	w.fault = nil
	require.Len(w.t, w.engine.Locks(), len(keys))
}
