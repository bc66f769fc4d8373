package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Role is a set of roles that a process plays.
type Role uint8

const (
	Scanner    Role = 1 << iota // discovers the sources of batches; one leader at a time
	Controller                  // moves batches and failed units on, writes status rows
	Worker                      // converts units
	Reaper                      // takes units away from owners that have gone silent
	Merger                      // publishes datasets
	Janitor                     // collects what finished batches leave behind

	// Unified is every role, the default.
	Unified = Scanner | Controller | Worker | Reaper | Merger | Janitor
)

// Node is one incarnation of one process.
type Node struct {
	env     *env.Env
	cfg     Config
	codec   dataset.Codec
	kv      *store
	objects *objects     // gives up after Config.StorageTries
	patient *objects     // tries for as long as its caller's context lives
	batches batchRows    // of the roles that look for work
	drainBy atomic.Int64 // monotonic time by which a draining process ends; 0: it does not drain
	// uploadsByPrefix is what Config.Store says, and the probe has found.
	uploadsByPrefix bool
}

// New returns a node that runs in e. cfg must be valid; Run checks.
func New(e *env.Env, cfg Config, codec dataset.Codec) *Node {
	n := &Node{env: e, cfg: cfg, codec: codec, uploadsByPrefix: cfg.Store.UploadsByPrefix}
	n.kv = newStore(e, &n.cfg)
	storage := newBreaker(&n.cfg)
	n.objects = &objects{env: e, cfg: &n.cfg, breaker: storage}
	n.patient = &objects{env: e, cfg: &n.cfg, breaker: storage, patient: true}
	return n
}

func newStore(e *env.Env, cfg *Config) *store {
	return &store{env: e, cfg: cfg, breaker: newBreaker(cfg)}
}

func newBreaker(cfg *Config) *breaker {
	return &breaker{failures: cfg.BreakerFailures, openFor: cfg.BreakerOpen, successes: cfg.BreakerSuccesses}
}

// Run plays roles, each in tasks of its own, until ctx ends. It returns nil if
// ctx ended with the cause [ErrDrain], else the cause; or at once env.ErrInvalid
// if the configuration or the process's name is of no use. Errors of the stores
// never end it.
//
// With a Config.Store.Probe the roles that touch the object store begin once the
// process has found out what the store has, which takes about ten calls. Run
// ends with env.ErrInvalid if the store lists objects in no order, or no uploads
// at all; it takes uploads for listed by whole key if they are, whatever
// Config.Store says.
func (n *Node) Run(ctx context.Context, roles Role) error {
	if err := n.validate(); err != nil {
		return &env.Error{Class: env.ClassInvalid, Op: "run", Err: err}
	}
	g := n.env.Runtime.Group(ctx)
	spawn := func(role Role, name string, loop func(ctx context.Context) error) {
		if roles&role != 0 {
			g.Spawn(name, loop)
		}
	}
	storing := func() {
		spawn(Scanner, "scanner", newScanner(n).run)
		spawn(Merger, "merger", newMerger(n).run)
		spawn(Janitor, "janitor", newJanitor(n).run)
		w := newWorker(n)
		for slot := range n.cfg.Slots {
			name := "worker" + pad(uint64(slot), 1)
			spawn(Worker, name, func(ctx context.Context) error { return w.run(ctx, name) })
		}
	}
	spawn(Controller, "controller", newController(n).run)
	spawn(Reaper, "reaper", newReaper(n).run)
	if n.cfg.Store.Probe == "" {
		storing()
	} else {
		spawn(Scanner|Merger|Janitor|Worker, "probe", func(ctx context.Context) error {
			if err := n.probe(ctx); err != nil {
				return err
			}
			storing()
			return nil
		})
	}
	err := g.Wait()
	if errors.Is(err, ErrDrain) {
		return nil
	}
	return err
}

func (n *Node) validate() error {
	if err := n.cfg.Validate(); err != nil {
		return err
	}
	for _, name := range []string{n.env.Self.Name, n.env.Self.Incarnation} {
		if name == "" || len(name) > maxProcessName || strings.ContainsAny(name, "/ \t\n") {
			return fmt.Errorf("process name and incarnation must be words of at most %d bytes without a slash: %s", maxProcessName, name)
		}
	}
	if ext := n.codec.Ext(); ext == "" || len(ext) > dataset.MaxExt || strings.Contains(ext, "/") {
		return fmt.Errorf("the codec's extension must have 1 to %d bytes: %q", dataset.MaxExt, ext)
	}
	return nil
}

// every runs one round of a role after another, with a pause of about period
// between them, until ctx ends; then it returns the cause. A round's error is
// logged; the next round tries again.
func (n *Node) every(ctx context.Context, role string, period time.Duration, round func(ctx context.Context) error) error {
	for {
		if err := round(ctx); err != nil && ctx.Err() == nil {
			n.env.Metrics.Add("round_errors_total", 1)
			n.log(ctx, slog.LevelWarn, role+" round failed", "", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := n.pause(ctx, period); err != nil {
			return err
		}
	}
}

// pause sleeps for d less up to a quarter of it.
func (n *Node) pause(ctx context.Context, d time.Duration) error {
	return n.env.Clock.Sleep(ctx, d-d/4+jitter(n.env.Rand, d/4))
}

// afterwards returns a context that outlives ctx, which has ended, for what a
// draining process still has to do. All of it together takes at most
// DrainTimeout from the first call on.
func (n *Node) afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	now := n.env.Clock.Monotonic()
	n.drainBy.CompareAndSwap(0, int64(now+n.cfg.DrainTimeout))
	left := time.Duration(n.drainBy.Load()) - now
	return n.env.Clock.WithTimeout(context.WithoutCancel(ctx), max(left, 1))
}

// drained reports whether ctx ended because the process drains.
func drained(ctx context.Context) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrDrain)
}

// log records a transition of what key names. err may be nil.
func (n *Node) log(ctx context.Context, level slog.Level, msg, key string, err error) {
	if !n.env.Log.Enabled(level) {
		return
	}
	attrs := make([]slog.Attr, 0, 2)
	if key != "" {
		attrs = append(attrs, slog.String("key", key))
	}
	if err != nil {
		attrs = append(attrs, slog.String("class", env.ClassOf(err).String()), slog.String("error", err.Error()))
	}
	n.env.Log.Log(ctx, level, msg, attrs...)
}
