package executor

import (
	"context"
	"time"

	proc "github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// clock is an incarnation's env.Clock.
type clock struct{ in *incarnation }

// monotonic is the incarnation's time at a moment at which it is not suspended.
func (in *incarnation) monotonic(now time.Duration) time.Duration {
	elapsed := now - in.began
	return in.driftBase + elapsed + elapsed/1e6*time.Duration(in.p.driftPPM)
}

// trueDuration converts the incarnation's time to the world's, rounding up.
func (in *incarnation) trueDuration(d time.Duration) time.Duration {
	ppm := time.Duration(in.p.driftPPM)
	if ppm == 0 {
		return d
	}
	return d - d/1e6*ppm + 1e6
}

func (c clock) Now() time.Time {
	c.in.live()
	u := c.in.u
	u.mu.Lock()
	defer u.mu.Unlock()
	u.court.Fired(c.in.p.skewed)
	return sim.Epoch().Add(u.now() + c.in.p.skew)
}

func (c clock) Monotonic() time.Duration {
	c.in.live()
	c.in.u.mu.Lock()
	defer c.in.u.mu.Unlock()
	return c.in.monotonic(c.in.u.now())
}

func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	c.in.live()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	cl := c.in.enter(ctx, ops.Sleep)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.in.sleep(ctx, c.in.trueLocked(d), cl.id)
}

// trueLocked is trueDuration for who does not hold u.mu.
func (in *incarnation) trueLocked(d time.Duration) time.Duration {
	in.u.mu.Lock()
	defer in.u.mu.Unlock()
	return in.trueDuration(d)
}

// sleep lets d pass for a task of the process, or as much as ctx allows.
func (in *incarnation) sleep(ctx context.Context, d time.Duration, id uint64) error {
	why := in.wait(ctx, d, nil)
	in.live()
	if why == cancelled {
		return context.Cause(ctx)
	}
	in.u.mu.Lock()
	in.u.event(id, "timer")
	in.u.judged()
	in.u.mu.Unlock()
	return nil
}

// reason is why a wait has ended.
type reason uint8

const (
	timeUp reason = iota
	cancelled
	replied
	died
)

// wait lets d of the world's time pass, without that for which the process's
// clock stands still; or until ctx ends, the reply is there, or the incarnation
// has ended. It returns when the process is not paused.
func (in *incarnation) wait(ctx context.Context, d time.Duration, reply <-chan struct{}) reason {
	u := in.u
	u.mu.Lock()
	stopped := in.stopped
	at := u.instant(u.now() + d)
	u.mu.Unlock()
	for {
		why := in.waitOnce(ctx, at, reply)
		if !in.hold() {
			return died
		}
		if why != timeUp {
			return why
		}
		u.mu.Lock()
		longer := in.stopped - stopped
		stopped = in.stopped
		if at += longer; longer > 0 {
			at = u.instant(at)
		}
		now := u.now()
		u.mu.Unlock()
		if at <= now {
			return timeUp
		}
	}
}

func (in *incarnation) waitOnce(ctx context.Context, at time.Duration, reply <-chan struct{}) reason {
	timer := time.NewTimer(at - in.u.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return timeUp
	case <-ctx.Done():
		return cancelled
	case <-reply:
		return replied
	case <-in.dead:
		return died
	}
}

func (c clock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c.in.live()
	child, cancel := context.WithCancelCause(ctx)
	if d <= 0 {
		cancel(context.DeadlineExceeded)
		return proc.Scope(child), func() {}
	}
	due := c.in.trueLocked(d)
	c.in.u.running.Go(func() {
		if c.in.wait(child, due, nil) == timeUp {
			cancel(context.DeadlineExceeded)
		}
	})
	return proc.Scope(child), func() { cancel(context.Canceled) }
}

func (c clock) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	c.in.live()
	child, cancel := context.WithCancelCause(ctx)
	return proc.Scope(child), cancel
}

// machine is an incarnation's env.Runtime.
type machine struct{ in *incarnation }

func (m machine) Step(ctx context.Context, step env.Step) (context.Context, error) {
	m.in.live()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	next := env.WithStep(ctx, step)
	t := taskOf(ctx)
	t.refused = nil
	m.in.enter(next, ops.Step)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if t.refused != nil {
		return nil, t.refused
	}
	return next, nil
}

// Work costs the universe's work time for each piece, more on a slow process.
// Work that was stretched ends in good time once the world is healed.
func (m machine) Work(ctx context.Context, pieces int) error {
	m.in.live()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if pieces <= 0 {
		return nil
	}
	u := m.in.u
	cl := m.in.enter(ctx, ops.Work)
	u.mu.Lock()
	cost := time.Duration(m.in.p.stretch(int64(pieces) * u.config.WorkTime.Nanoseconds()))
	late := u.now() + cost
	healing := u.healing
	if u.phase != chaos {
		healing = nil
	}
	u.mu.Unlock()
	if cost <= 0 {
		return nil
	}
	why := m.in.wait(ctx, cost, healing)
	m.in.live()
	if left := late - u.now(); why == replied && left > 0 {
		return m.in.sleep(ctx, min(left, u.config.WorkTime), cl.id)
	}
	if why == cancelled {
		return context.Cause(ctx)
	}
	u.mu.Lock()
	u.event(keyed.Mix(cl.id, keyed.ForWork), "work")
	u.judged()
	u.mu.Unlock()
	return nil
}

// Record tells the judge what a trusted client's task says.
func (m machine) Record(rec sim.Record) {
	m.in.live()
	u := m.in.u
	u.mu.Lock()
	defer u.mu.Unlock()
	u.event(keyed.HashText(rec.What)^keyed.HashText(rec.Of)<<1^uint64(rec.Class)<<2^uint64(rec.Value)<<8, "record")
	u.court.Record(m.in.actor(u.tasks[goroutine()].name, ""), rec)
	u.judged()
}

func (m machine) Group(ctx context.Context) env.Group {
	m.in.live()
	child, cancel := context.WithCancelCause(ctx)
	return &group{in: m.in, ctx: proc.Scope(child), cancel: cancel}
}

// group is an env.Group. u.mu guards it.
type group struct {
	in      *incarnation
	ctx     context.Context
	cancel  context.CancelCauseFunc
	tasks   int
	first   error
	waiters []chan struct{}
}

func (g *group) Spawn(name string, fn func(context.Context) error) {
	g.in.live()
	g.in.u.mu.Lock()
	defer g.in.u.mu.Unlock()
	g.tasks++
	g.in.spawn(name, g.ctx, g, fn)
}

func (g *group) Wait() error {
	u := g.in.u
	for {
		g.in.live()
		u.mu.Lock()
		if g.tasks == 0 {
			defer u.mu.Unlock()
			return g.first
		}
		ended := make(chan struct{})
		g.waiters = append(g.waiters, ended)
		u.mu.Unlock()
		select {
		case <-ended:
		case <-g.in.dead:
		}
	}
}

func (g *group) Cancel(cause error) {
	g.in.live()
	g.cancel(cause)
}

// taskEnded takes a task that has returned out of the group. u.mu is held.
func (g *group) taskEnded(err error) {
	g.tasks--
	if err != nil && g.first == nil {
		g.first = err
		g.cancel(err)
	}
	if g.tasks > 0 {
		return
	}
	for _, ended := range g.waiters {
		close(ended)
	}
	g.waiters = nil
}
