package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/proxy"
)

// hold is how long an injector makes a call wait, so that the process can be
// struck there; it is let go on when that is done.
const hold = 20 * time.Second

// campaign is one injection of a scenario under way: it waits until workers reach
// the place, and strikes them.
type campaign struct {
	run   *run
	in    chaos.Injection
	want  int // workers to strike
	rule  chaos.Rule
	after *campaign // must be done first: it is about the same operation
	done  chan struct{}
	// busy: the place is that a worker holds a piece of work; the injector knows no
	// such place, or there is none.
	busy bool

	mu     sync.Mutex
	struck []string
}

// plan makes campaigns of a scenario's injections, and gives the workers the rules
// with which they reach the places.
func (r *run) plan(scenario *chaos.Scenario) (list []*campaign) {
	last := map[string]*campaign{}
	for i := range scenario.Inject {
		c := &campaign{run: r, in: scenario.Inject[i], done: make(chan struct{})}
		if c.in.Fault == chaos.WeakObjects {
			r.did("the object store ignores the conditions of writes")
			continue
		}
		if reason := c.cannot(); reason != "" {
			r.result.Cannot = append(r.result.Cannot, fmt.Sprintf("%s: %s", c.in.Fault, reason))
			continue
		}
		c.want = max(c.in.Count, 1)
		if c.in.Count == chaos.All {
			c.want = len(r.workers)
		}
		c.busy = !c.makeRule(i)
		if !c.busy {
			c.after = last[c.rule.Operation]
			last[c.rule.Operation] = c
			if c.after == nil {
				for _, w := range r.workers {
					w.rules[c.rule.Operation] = c.rule
				}
			}
		}
		list = append(list, c)
	}
	return list
}

// cannot says why the fault cannot be produced with processes of this machine, or
// returns "".
func (c *campaign) cannot() string {
	switch c.in.Fault {
	case chaos.Skew, chaos.Drift:
		return "the processes of one machine share its clocks"
	case chaos.OOM:
		return cgroupProblem()
	case chaos.WeakObjects:
		return ""
	case chaos.Crash, chaos.Terminate, chaos.Pause, chaos.Slow, chaos.Partition, chaos.Truncate:
		return ""
	}
	if !c.run.system.Injects() {
		if !slices.Contains(byNetwork, c.in.Fault) {
			return "the worker has no injector, and the network can do nothing like it"
		}
		return ""
	}
	if info, _ := chaos.FaultInfoOf(c.in.Fault); info.Injector == "" {
		return "the injector has nothing like it"
	}
	return ""
}

// makeRule makes the rule that injects the fault, or that holds a worker at its
// place. It reports false if the injector knows no such place.
func (c *campaign) makeRule(number int) bool {
	at := c.in.At
	name := strings.Trim(at.Step+"/"+at.Call, "/")
	if !c.run.system.Injects() || at.Call == chaos.Work || name == "" {
		return false
	}
	first := max(at.Nth, 1)
	draw := int(c.run.seed>>uint(number%8)) % (max(at.NthTo, first) - first + 1)
	trigger := chaos.Trigger{Nth: []int{first + draw}}
	c.rule = chaos.Rule{Operation: name}
	span := max(c.run.spanOf(&c.in), 300*time.Millisecond)
	switch c.in.Fault {
	case chaos.Refuse:
		c.rule.FailBefore = &chaos.Failure{Trigger: trigger, Error: env.ClassUnavailable}
	case chaos.LoseRequest:
		c.rule.FailBefore = &chaos.Failure{Trigger: trigger, Error: env.ClassUndetermined}
	case chaos.ExpireUpload:
		c.rule.FailBefore = &chaos.Failure{Trigger: trigger, Error: env.ClassNotFound}
	case chaos.Conflict:
		c.rule.FailBefore = &chaos.Failure{Trigger: trigger, Error: env.ClassConflict}
	case chaos.LoseReply:
		c.rule.FailAfter = &chaos.Failure{Trigger: trigger}
	case chaos.Delay:
		c.rule.DelayBefore = &chaos.Latency{Trigger: trigger, Min: span, Max: span}
	case chaos.DelayReply:
		c.rule.DelayAfter = &chaos.Latency{Trigger: trigger, Min: span, Max: span}
	case chaos.Truncate:
		return false
	default:
		waits := &chaos.Latency{Trigger: trigger, Min: hold, Max: hold}
		if at.Phase == chaos.After || at.Phase == chaos.Applied && at.Call != chaos.KVPrewrite {
			c.rule.DelayAfter = waits
		} else {
			c.rule.DelayBefore = waits
		}
	}
	return true
}

func (r *run) spanOf(in *chaos.Injection) time.Duration {
	timing := r.system.Timing()
	return timing.span(in)
}

// wage runs the campaign until all that it wants is struck, or ctx ends.
func (c *campaign) wage(ctx context.Context) {
	var effects sync.WaitGroup
	defer effects.Wait()
	defer close(c.done)
	if c.after != nil {
		select {
		case <-c.after.done:
		case <-ctx.Done():
			return
		}
		for _, w := range c.run.workers {
			_ = w.set(c.rule.Operation, c.rule) // one that is down gets it at its start
		}
	}
	for ctx.Err() == nil && len(c.struck) < c.want {
		w := c.reached(ctx)
		if w == nil {
			sleep(ctx, tick)
			continue
		}
		if c.ends() && !w.down() {
			continue // another campaign was faster
		}
		c.mu.Lock()
		c.struck = append(c.struck, w.place.Name)
		c.mu.Unlock()
		effects.Go(func() { c.strike(ctx, w) })
		if c.in.Every > 0 {
			sleep(ctx, c.in.Every/scale)
		}
	}
	if !c.busy {
		c.release()
	}
}

// ends reports whether the fault ends a process.
func (c *campaign) ends() bool {
	return c.in.Fault == chaos.Crash || c.in.Fault == chaos.Terminate || c.in.Fault == chaos.OOM
}

// release takes the rule away from those that it has not struck.
func (c *campaign) release() {
	for _, w := range c.run.workers {
		if !slices.Contains(c.struck, w.place.Name) {
			_ = w.set(c.rule.Operation, chaos.Rule{}) // one that is down has no rule in effect
		}
	}
}

// reached returns a worker that is at the place and was not struck yet, or nil.
func (c *campaign) reached(ctx context.Context) *worker {
	if c.busy {
		return c.reachedBusy(ctx)
	}
	for _, w := range c.run.workers {
		if slices.Contains(c.struck, w.place.Name) || !w.alive() {
			continue
		}
		counts, err := w.counts()
		if err != nil {
			continue // it is just ending, or stopped
		}
		for _, count := range counts {
			if count.Operation == c.rule.Operation && count.Fired > 0 {
				return w
			}
		}
	}
	return nil
}

// reachedBusy: the stores say that the worker holds a piece of work. It is left
// with it for as long as a few messages take, drawn from the injection's numbers.
func (c *campaign) reachedBusy(ctx context.Context) *worker {
	names, err := c.run.system.Busy(ctx, c.run.stores)
	if err != nil {
		return nil
	}
	for _, w := range c.run.workers {
		if w.alive() && slices.Contains(names, w.place.Name) && !slices.Contains(c.struck, w.place.Name) {
			sleep(ctx, time.Duration(c.in.At.Nth)*100*time.Millisecond)
			return w
		}
	}
	return nil
}

// missed says what was not reached, or returns "".
func (c *campaign) missed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.struck) >= c.want:
		return ""
	case c.in.Count == chaos.All && len(c.struck) > 0:
		return "" // some never did such a call
	}
	return fmt.Sprintf("%s %s: %d of %d", c.in.Fault, c.where(), len(c.struck), c.want)
}

func (c *campaign) where() string {
	if c.busy {
		return "while a worker holds work"
	}
	return "at " + c.rule.Operation
}

// strike does to a worker what the injection says, and undoes it.
func (c *campaign) strike(ctx context.Context, w *worker) {
	name, span := w.place.Name, c.run.spanOf(&c.in)
	resume := func() {
		if !c.busy {
			_ = w.set(c.rule.Operation, chaos.Rule{}) // lets it go on
		}
	}
	switch c.in.Fault {
	case chaos.Crash:
		c.crash(ctx, w)
	case chaos.OOM:
		c.outOfMemory(ctx, w)
	case chaos.Terminate:
		c.terminate(ctx, w)
	case chaos.Pause:
		c.run.did("%s stopped for %v %s", name, span, c.where())
		w.stop(ctx, span)
		resume()
	case chaos.Slow:
		c.run.did("%s runs a tenth of the time from then on, %s", name, c.where())
		resume()
		w.slowDown(ctx, c.in.Factor)
	case chaos.Partition:
		c.run.did("%s and %s do not hear each other (%s) for %v, %s", name, c.in.Service, c.in.Direction, span, c.where())
		p := c.link(w)
		if c.run.packets != nil {
			if err := c.run.packets.drop(p.Addr(), c.in.Direction, span); err != nil {
				c.run.logf("%v", err)
			}
			resume()
			return
		}
		p.Change(func(f *proxy.Faults) {
			f.StallRequests = c.in.Direction != chaos.DirectionReply
			f.StallReplies = c.in.Direction != chaos.DirectionRequest
		})
		resume()
		sleep(ctx, span)
		p.Change(func(f *proxy.Faults) { f.StallRequests, f.StallReplies = false, false })
	case chaos.Truncate:
		c.run.did("a body that %s reads is cut off", name)
		w.place.Way.S3.CutReplies(1)
	default:
		if c.run.system.Injects() {
			c.run.did("%s %s %s", c.in.Fault, c.where(), name)
			return
		}
		c.onNetwork(ctx, w)
	}
}

// byNetwork are the faults of single calls for which the network does something
// like it to all that a worker sends, where there is no injector.
var byNetwork = []chaos.Fault{chaos.Refuse, chaos.LoseRequest, chaos.LoseReply, chaos.Delay, chaos.DelayReply}

// onNetwork lets the network stand in for an injector, for a while.
func (c *campaign) onNetwork(ctx context.Context, w *worker) {
	p := c.link(w)
	if strings.HasPrefix(c.in.At.Call, "objects.") {
		p = w.place.Way.S3
	}
	span := max(c.run.spanOf(&c.in), 500*time.Millisecond)
	var faults proxy.Faults
	switch c.in.Fault {
	case chaos.Refuse:
		faults.Refuse = true
	case chaos.LoseRequest:
		faults.StallRequests = true
	case chaos.LoseReply:
		faults.StallReplies = true
	default:
		faults.MinLatency, faults.MaxLatency = span, span
	}
	c.run.did("%s of all that %s sends to a store, for %v, %s", c.in.Fault, w.place.Name, span, c.where())
	p.Set(faults)
	sleep(ctx, span)
	if c.in.Fault != chaos.Delay && c.in.Fault != chaos.DelayReply {
		p.Reset() // what is held is lost
	}
	p.Set(proxy.Faults{})
}

// link is the connection that a partition cuts.
func (c *campaign) link(w *worker) *proxy.Proxy {
	switch c.in.Service {
	case chaos.ServicePD:
		return w.place.Way.PD
	case chaos.ServiceObjects:
		return w.place.Way.S3
	}
	if !c.run.system.Injects() {
		return w.place.Way.Gateway
	}
	return w.place.Way.KV
}

// crash kills a worker where it is held. Between the halves of a commit there is
// no such place: there its locks are let through, and the answer is not.
func (c *campaign) crash(ctx context.Context, w *worker) {
	where := c.where()
	if c.in.At.Call == chaos.KVPrewrite && c.in.At.Phase == chaos.Applied && !c.busy {
		where += ", with its locks set"
		w.place.Way.KV.Change(func(f *proxy.Faults) { f.StallReplies = true })
		w.letGo(c.rule.Operation)
		sleep(ctx, 300*time.Millisecond)
	}
	w.current().Kill()
	w.place.Way.KV.Reset()
	w.place.Way.KV.Change(func(f *proxy.Faults) { f.StallReplies = false })
	c.run.did("%s killed %s", w.place.Name, where)
	c.restart(ctx, w)
}

// restart starts the next incarnation, if there is to be one.
func (c *campaign) restart(ctx context.Context, w *worker) {
	if !c.busy {
		w.mu.Lock()
		delete(w.rules, c.rule.Operation)
		w.mu.Unlock()
	}
	if !c.in.KeepTemp {
		w.dropTemp()
	}
	if c.in.Restart == 0 {
		return
	}
	sleep(ctx, c.in.Restart/scale)
	if err := w.start(); err != nil {
		c.run.logf("%v", err)
	}
}

func (c *campaign) terminate(ctx context.Context, w *worker) {
	p := w.current()
	w.letGo(c.rule.Operation) // it cannot drain while a call is held
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended():
		c.run.did("%s told to end %s, which it did: %s", w.place.Name, c.where(), p.Exit())
	case <-time.After(c.in.Grace):
		p.Kill()
		c.run.did("%s told to end %s, and killed %v later", w.place.Name, c.where(), c.in.Grace)
	}
	c.restart(ctx, w)
}

// cgroupProblem says why no process can be given a limit of memory, or returns "".
func cgroupProblem() string {
	dir, _, err := memoryGroup("gauntlet-e2e-probe")
	if err != nil {
		return "no cgroup for memory can be made: " + errors.Unwrap(err).Error()
	}
	_ = os.Remove(dir)
	return ""
}

// memoryGroup makes a cgroup, of version 1 or 2, and returns its folder and the
// file of its limit.
func memoryGroup(name string) (dir, limit string, err error) {
	const v1, v2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(v1, "memory.limit_in_bytes")); err == nil {
		dir = filepath.Join(v1, name)
		return dir, filepath.Join(dir, "memory.limit_in_bytes"), os.Mkdir(dir, 0o755)
	}
	dir = filepath.Join(v2, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", "", err
	}
	limit = filepath.Join(dir, "memory.max")
	if _, err := os.Stat(limit); err != nil {
		_ = os.Remove(dir)
		return "", "", err
	}
	return dir, limit, nil
}

// outOfMemory gives the worker less memory than it has: the kernel kills it as
// soon as it asks for more.
func (c *campaign) outOfMemory(ctx context.Context, w *worker) {
	p := w.current()
	dir, limit, err := memoryGroup("gauntlet-e2e-" + strconv.Itoa(p.PID()))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(p.PID())), 0o644)
	}
	if err == nil {
		err = os.WriteFile(limit, []byte("4194304"), 0o644)
	}
	if err != nil {
		c.run.logf("out of memory: %v", err)
		return
	}
	select {
	case <-p.Ended():
		c.run.did("%s killed by the kernel for its memory, %s: %s", w.place.Name, c.where(), p.Exit())
	case <-time.After(10 * time.Second):
		p.Kill()
		c.run.logf("%s lives with 4 MiB", w.place.Name)
	}
	_ = os.Remove(dir)
	c.restart(ctx, w)
}
