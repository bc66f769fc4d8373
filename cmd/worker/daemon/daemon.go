// Package daemon is one worker process: core's roles over real stores, with
// what an orchestrator wants of it: health, metrics, logs, and an orderly end.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ErrNotDrained: the process was told to end before all that it held was let go.
// What is left, others take over when the leases have run out.
var ErrNotDrained = errors.New("not drained in time")

// Stores are the clients of what the processes share.
type Stores struct {
	KV      env.KV
	Objects env.Objects
	Close   func() error // once nothing is under way
}

// Config is what a process is made of.
type Config struct {
	Settings settings.Settings
	Codec    dataset.Codec
	// Open connects to the stores. It is tried again, for as long as it says
	// env.ErrUnavailable.
	Open func(ctx context.Context) (Stores, error)
	// Log receives the process's logs.
	Log slog.Handler
	// Token is what a request to the injector must show.
	Token string
	// Serving, if not nil, is told where HTTP is served, once it is.
	Serving func(address string)
}

// oneRequest is the time in which several signals are one request to end:
// supervisors send one to the process and to its group, and wrappers pass them on.
const oneRequest = time.Second

// openAgain is the pause between two tries to connect.
const openAgain = time.Second

// Run runs the process until a signal tells it to end. The first one makes it
// drain: it begins nothing new, checkpoints and releases what it holds, and Run
// returns nil. One that comes more than a second later, or the end of the grace
// period, makes Run return ErrNotDrained at once. Other errors: env.ErrInvalid for
// what can never work.
func Run(ctx context.Context, cfg Config, signals <-chan os.Signal) error {
	p, err := newProcess(&cfg)
	if err != nil {
		return err
	}
	defer p.unlock()
	server, err := p.serve()
	if err != nil {
		return err
	}
	defer server.Close()
	if p.injection, err = newInjection(cfg.Settings.ChaosListen, cfg.Token, p.env.Clock, p.env.Log); err != nil {
		return err
	}
	defer p.injection.close()

	ctx, cancel := p.env.Clock.WithCancel(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- p.work(ctx) }()
	var grace <-chan time.Time
	var asked time.Duration
	for {
		select {
		case err := <-ended:
			p.log(slog.LevelInfo, "ended", slog.Any("error", err))
			return err
		case <-grace:
			p.log(slog.LevelWarn, "the grace period is over")
			return ErrNotDrained
		case s := <-signals:
			now := p.env.Clock.Monotonic()
			if p.draining.Load() && now-asked < oneRequest {
				continue
			}
			if p.draining.Swap(true) {
				p.log(slog.LevelWarn, "told to end at once", slog.String("signal", s.String()))
				return ErrNotDrained
			}
			p.log(slog.LevelInfo, "draining", slog.String("signal", s.String()))
			asked = now
			cancel(core.ErrDrain)
			grace = time.After(cfg.Settings.Grace)
		}
	}
}

// processState is one incarnation.
type processState struct {
	cfg      *Config
	env      env.Env
	metrics  *metrics
	node     atomic.Pointer[core.Node]
	draining atomic.Bool
	lock     *os.File

	injection *injection // nil: none
}

// newProcess makes all of the environment but the stores.
//
// The incarnation is drawn, not counted: a counter in the scratch directory
// would begin again when that is lost, and an incarnation is never used twice
// (R2).
func newProcess(cfg *Config) (*processState, error) {
	s := &cfg.Settings
	self := env.Process{Name: s.Name, Incarnation: fmt.Sprintf("%016x", process.RandomSeed())}
	c := process.NewClock(clock.New())
	p := &processState{cfg: cfg, metrics: newMetrics(self, s.Roles)}
	dir := s.ScratchDir()
	var err error
	if p.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	temp, err := process.NewTempDir(filepath.Join(dir, "chunks"))
	if err != nil {
		p.unlock()
		return nil, fmt.Errorf("scratch: %w", err)
	}
	p.env = env.Env{
		Self: self, Clock: c, Runtime: process.NewRuntime(self), Temp: temp,
		Rand: process.NewRand(process.RandomSeed()), Log: process.NewLog(cfg.Log, self, c), Metrics: p.metrics,
	}
	p.metrics.readiness(func() bool { return p.health().Ready })
	return p, nil
}

// lockDir takes a scratch directory for this process: no two may share one.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("scratch: %s is another running worker's, allowed: a directory, or a name, of its own", dir)
	}
	return f, nil
}

func (p *processState) unlock() { p.lock.Close() }

func (p *processState) log(level slog.Level, msg string, attrs ...slog.Attr) {
	p.env.Log.Log(context.Background(), level, msg, attrs...)
}

// work connects and plays the roles, until ctx ends.
func (p *processState) work(ctx context.Context) error {
	s := &p.cfg.Settings
	stores, err := p.open(ctx)
	if errors.Is(err, core.ErrDrain) {
		return nil
	}
	if err != nil {
		return err
	}
	defer stores.Close()
	p.env.KV, p.env.Objects = stores.KV, stores.Objects
	node := core.New(p.injection.wrap(&p.env), s.Core, p.cfg.Codec)
	p.node.Store(node)
	p.log(slog.LevelInfo, "started", slog.Any("roles", settings.RoleNames(s.Roles)), slog.Int("slots", s.Core.Slots))
	return node.Run(ctx, s.Roles)
}

// open connects. An outage is waited out: it is no reason to be restarted.
func (p *processState) open(ctx context.Context) (Stores, error) {
	for {
		stores, err := p.cfg.Open(ctx)
		if env.ClassOf(err) != env.ClassUnavailable {
			return stores, err
		}
		p.log(slog.LevelWarn, "stores not reached", slog.String("error", err.Error()))
		if err := p.env.Clock.Sleep(ctx, openAgain); err != nil {
			return Stores{}, err
		}
	}
}

// health is the node's, and what the node cannot know.
func (p *processState) health() core.Health {
	if p.draining.Load() {
		return core.Health{Alive: true, Reason: "draining"}
	}
	if node := p.node.Load(); node != nil {
		return node.Health()
	}
	return core.Health{Alive: true, Reason: "the stores have not been reached yet"}
}
