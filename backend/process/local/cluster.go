// Package local runs processes of the system on goroutines of one program,
// over the in-memory stores of package fakes: core as in production, the world
// in miniature. Package processtest drives it with a mock clock; with the real
// clock it is a demonstration, and the baseline that the simulator is measured
// against.
package local

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Config configures a cluster. The zero value is usable.
type Config struct {
	// Clock is the clock of all processes and of the timestamp oracle; nil
	// means the machine's.
	Clock clock.Clock
	// Seed seeds the processes' randomness.
	Seed uint64
	// MinLatency and MaxLatency bound how long a request takes to a store, and
	// its answer back. MaxLatency 0 means no time at all.
	MinLatency, MaxLatency time.Duration

	KV      tikv.ClientConfig
	Objects objstore.ClientConfig
	// Store chooses the object store's semantics.
	Store objstore.Options
	// Log receives the logs of all processes; nil drops them.
	Log slog.Handler
}

// Cluster is a pair of stores and the processes that share them.
type Cluster struct {
	config  Config
	kv      kvServer
	objects objectServer
	metrics process.Metrics

	mu       sync.Mutex
	machines map[string]*machine
	started  int // processes ever started
}

// machine is what outlives the incarnations of one process name.
type machine struct {
	temp    env.TempDir
	current *Process
	starts  int
}

// New returns a cluster with empty stores and no processes.
func New(config Config) *Cluster {
	if config.Clock == nil {
		config.Clock = clock.New()
	}
	if config.Log == nil {
		config.Log = slog.DiscardHandler
	}
	config.MaxLatency = max(config.MaxLatency, config.MinLatency)
	c := &Cluster{config: config, machines: map[string]*machine{}}
	c.kv.engine, c.kv.clock = tikv.New(tikv.Options{}), process.NewClock(config.Clock)
	c.objects.store = objstore.New(config.Store)
	c.objects.store.Now = c.kv.clock.Monotonic
	return c
}

// Process is one running incarnation.
type Process struct {
	env    env.Env
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error // of main, once done is closed
}

// Start runs main as the first task of a new incarnation of the process name.
// The incarnation's name is the number of its start, from 1; the process's temp
// dir is that of the incarnation before. The earlier incarnation must have
// ended. A panic in a task of the process ends the program.
func (c *Cluster) Start(name string, main func(ctx context.Context, e *env.Env) error) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.machines[name]
	if m == nil {
		m = &machine{temp: process.NewMemoryTempDir()}
		c.machines[name] = m
	}
	if m.current != nil && !m.current.Done() {
		panic(fmt.Sprintf("local: process %s is still running", name))
	}
	m.starts++
	c.started++
	p := &Process{done: make(chan struct{})}
	p.env = c.newEnv(env.Process{Name: name, Incarnation: strconv.Itoa(m.starts)}, m.temp)
	m.current = p

	ctx, cancel := p.env.Clock.WithCancel(context.Background())
	p.cancel = cancel
	tasks := p.env.Runtime.Group(ctx)
	tasks.Spawn("main", func(ctx context.Context) error { return main(ctx, &p.env) })
	go func() {
		defer close(p.done)
		p.err = tasks.Wait()
		cancel(nil)
	}()
	return p
}

func (c *Cluster) newEnv(self env.Process, temp env.TempDir) env.Env {
	clock := process.NewClock(c.config.Clock)
	rand := process.NewRand(c.config.Seed + uint64(c.started))
	link := link{clock: clock, rand: rand, min: c.config.MinLatency, max: c.config.MaxLatency}
	return env.Env{
		Self:    self,
		Clock:   clock,
		Runtime: process.NewRuntime(self),
		KV:      tikv.NewClient(&kvTransport{link, &c.kv}, clock, rand, c.config.KV),
		Objects: objstore.NewClient(&objectTransport{link, &c.objects}, c.config.Objects),
		Temp:    temp,
		Rand:    rand,
		Log:     process.NewLog(c.config.Log, self, clock),
		Metrics: &c.metrics,
	}
}

// Stop ends the process's context with cause, as a request to drain or to die:
// goroutines cannot be killed.
func (p *Process) Stop(cause error) { p.cancel(cause) }

// Done reports whether main has returned.
func (p *Process) Done() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait returns main's error once main has returned.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Running returns the names of the processes that have not ended, in order.
func (c *Cluster) Running() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name, m := range c.machines {
		if !m.current.Done() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Stop stops every process. It does not wait.
func (c *Cluster) Stop(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.machines {
		m.current.Stop(cause)
	}
}

// Metrics returns the metrics of all processes together.
func (c *Cluster) Metrics() *process.Metrics { return &c.metrics }

// InspectKV calls look with the key-value store while no request is handled.
func (c *Cluster) InspectKV(look func(*tikv.Engine)) {
	c.kv.mu.Lock()
	defer c.kv.mu.Unlock()
	look(c.kv.engine)
}

// InspectObjects calls look with the object store while no request is handled.
func (c *Cluster) InspectObjects(look func(*objstore.Store)) {
	c.objects.mu.Lock()
	defer c.objects.mu.Unlock()
	look(c.objects.store)
}
