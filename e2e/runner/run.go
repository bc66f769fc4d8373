package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/proxy"
)

// Options say how runs are made.
type Options struct {
	Bin Binaries
	// Seed keys the draws.
	Seed uint64
	// Pace is the time that every message of the object store's takes, in each
	// direction: what makes a conversion last.
	Pace time.Duration
	// Output receives what the processes write, and what the runner does.
	Output io.Writer
	// Packets lets nftables drop packets where the proxies would hold what is sent.
	Packets bool
	// Keep leaves a run's folder where it is.
	Keep bool
}

// Result is what a run came to.
type Result struct {
	Scenario string
	Took     time.Duration
	// Injected says what was broken, and Missed what was to be and was not
	// reached. Cannot are faults that no process of this machine can be given.
	Injected, Missed, Cannot []string
	// Seen are the scenario's marks that the stores' history shows.
	Seen []string
	// Counted is what the workers that lived to the end say of themselves. Nothing is
	// judged by it.
	Counted []string
	// Skipped says why there was no run, or is "".
	Skipped string
	// Err is what is wrong with the end state, or nil.
	Err error
	// Dir is the run's folder, if it was kept.
	Dir string

	published map[string][]byte
}

// OK reports whether everything held, and all that can be broken was.
func (r *Result) OK() bool { return r.Skipped != "" || r.Err == nil && len(r.Missed) == 0 }

// Skip says why a scenario cannot be run with a system, or returns "".
func Skip(system System, scenario *chaos.Scenario, bin Binaries) string {
	can := 0
	reason := ""
	for i := range scenario.Inject {
		c := &campaign{run: &run{system: system}, in: scenario.Inject[i]}
		if c.in.Fault == chaos.WeakObjects && bin.VersityGW != "" {
			return "versitygw honours the conditions of writes"
		}
		if text := c.cannot(); text != "" {
			reason = text
			continue
		}
		can++
	}
	if can == 0 {
		return reason
	}
	return ""
}

// run is one run of a system.
type run struct {
	system  System
	opts    *Options
	seed    uint64
	dir     string
	output  io.Writer
	stores  *Stores
	workers []*worker
	packets *packetFilter // nil: the proxies make partitions
	began   time.Time

	mu     sync.Mutex // guards result
	result Result
}

func (r *run) logf(format string, args ...any) {
	fmt.Fprintf(r.output, "e2e %6.2fs %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// did notes something that was broken.
func (r *run) did(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.logf("injected: %s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Injected = append(r.result.Injected, text)
}

// Run runs a system through a scenario. The scenario without injections is the
// fault-free run; reference, if not nil, is what that came to.
func Run(ctx context.Context, system System, scenario chaos.Scenario, opts Options, reference *Result) (result Result) {
	r := &run{system: system, opts: &opts, seed: opts.Seed, began: time.Now(), output: opts.Output}
	if r.output == nil {
		r.output = io.Discard
	}
	r.result.Scenario = scenario.Name
	defer func() {
		result = r.result
		result.Took = time.Since(r.began)
	}()
	var err error
	if r.dir, err = os.MkdirTemp("", "gauntlet-e2e-"); err != nil {
		r.result.Err = err
		return r.result
	}
	defer func() {
		if opts.Keep {
			r.result.Dir = r.dir
			return
		}
		_ = os.RemoveAll(r.dir)
	}()
	if err := r.play(ctx, scenario, reference); err != nil {
		r.result.Err = err
	}
	return r.result
}

// play is the whole of a run.
func (r *run) play(ctx context.Context, scenario chaos.Scenario, reference *Result) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	r.stores, err = openStores(ctx, storesConfig{
		dir: r.dir, bin: r.opts.Bin, workers: scenario.Workers, seed: r.seed, output: r.output,
		weak: slices.ContainsFunc(scenario.Inject, func(in chaos.Injection) bool { return in.Fault == chaos.WeakObjects }),
	})
	if err != nil {
		return err
	}
	defer r.stores.Close()
	if r.opts.Packets {
		if r.packets, err = newPacketFilter(); err != nil {
			return err
		}
		defer r.packets.close()
	}
	r.pace()
	if err := r.makeWorkers(scenario.Workers); err != nil {
		return err
	}
	defer r.killAll()
	campaigns := r.plan(&scenario)
	for _, w := range r.workers {
		if err := w.start(); err != nil {
			return err
		}
	}
	work := workOf(&scenario)
	if err := r.system.Submit(ctx, r.stores, work); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	r.logf("submitted")
	striking, stop := context.WithCancel(ctx)
	defer stop()
	var going sync.WaitGroup
	for _, c := range campaigns {
		going.Go(func() { c.wage(striking) })
	}
	ended, err := r.awaitEnd(ctx)
	stop()
	going.Wait()
	for _, c := range campaigns {
		if text := c.missed(); text != "" {
			r.result.Missed = append(r.result.Missed, text)
		}
	}
	if err != nil {
		return err
	}
	r.logf("ended: %s", ended)
	r.stores.Heal()
	// Who still believes that it may publish does so now.
	sleep(ctx, r.system.Timing().Stale)
	if err := r.judge(ctx, work); err != nil {
		return err
	}
	if r.result.published, err = r.system.Published(ctx, r.stores); err != nil {
		return err
	}
	if r.result.Seen, err = r.seen(&scenario); err != nil {
		return err
	}
	r.result.Counted = r.counted()
	if reference != nil {
		if err := sameAs(reference.published, r.result.published); err != nil {
			return fmt.Errorf("not what the fault-free run published: %w", err)
		}
	}
	return r.drain()
}

// pace makes every message between workers and object store take its time.
func (r *run) pace() {
	for _, way := range r.stores.Ways {
		way.S3.Set(proxy.Faults{MinLatency: r.opts.Pace, MaxLatency: r.opts.Pace})
	}
}

// tick is the pause between two looks.
const tick = 20 * time.Millisecond

// awaitEnd waits for the end of the work, and starts workers again that end by
// themselves.
func (r *run) awaitEnd(ctx context.Context) (string, error) {
	limit := r.system.Timing().Limit
	last := ""
	for {
		for _, w := range r.workers {
			w.supervise()
		}
		looking, cancel := context.WithTimeout(ctx, 5*time.Second)
		ended, err := r.system.Ended(looking, r.stores)
		cancel()
		if ended != "" {
			return ended, nil
		}
		if err != nil && err.Error() != last {
			last = err.Error()
			r.logf("look: %v", err)
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if time.Since(r.began) > limit {
			return "", fmt.Errorf("the work has not ended after %v", limit)
		}
		sleep(ctx, 5*tick)
	}
}

// judge looks until nothing is wrong, or what is has had time enough to go.
func (r *run) judge(ctx context.Context, work Work) error {
	deadline := time.Now().Add(r.system.Timing().Clean)
	last := ""
	for {
		looking, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := r.system.Judge(looking, r.stores, work)
		cancel()
		if err == nil {
			r.logf("the end state is right")
			return nil
		}
		if err.Error() != last {
			last = err.Error()
			r.logf("not yet: %v", err)
		}
		var last *final
		if errors.As(err, &last) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, 10*tick)
	}
}

// final is an error that no time mends.
type final struct{ Err error }

func (f *final) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *final) Unwrap() error { return f.Err }

// sameAs compares what two runs have published.
func sameAs(want, got map[string][]byte) error {
	for name, body := range want {
		other, ok := got[name]
		switch {
		case !ok:
			return fmt.Errorf("%s is missing", name)
		case string(other) != string(body):
			return fmt.Errorf("%s has other bytes", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("%s is in no other run", name)
		}
	}
	return nil
}

// drain ends the workers as an orchestrator does, and looks at how they end.
func (r *run) drain() error {
	for _, w := range r.workers {
		if p := w.current(); p != nil {
			w.down()
			p.Signal(syscall.SIGCONT)
			p.Signal(syscall.SIGTERM)
		}
	}
	var errs []error
	for _, w := range r.workers {
		p := w.current()
		if p == nil {
			continue
		}
		select {
		case <-p.Ended():
			if code := p.Exit(); r.system.Injects() && code != "exit status 0" && !strings.Contains(code, "signal: killed") {
				errs = append(errs, fmt.Errorf("%s was told to end, and ended with %s", w.place.Name, code))
			}
		case <-time.After(20 * time.Second):
			errs = append(errs, fmt.Errorf("%s was told to end, and has not after 20 s", w.place.Name))
		}
	}
	return errors.Join(errs...)
}

func (r *run) killAll() {
	for _, w := range r.workers {
		if p := w.current(); p != nil {
			p.Kill()
		}
	}
}

// seen lists the scenario's marks that the history shows.
func (r *run) seen(scenario *chaos.Scenario) ([]string, error) {
	all, err := r.system.Seen(r.stores)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, mark := range scenario.Observe {
		if slices.Contains(all, mark) {
			list = append(list, mark)
		}
	}
	return list, nil
}
