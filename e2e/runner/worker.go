package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

// worker is one process of the system, over all its incarnations.
type worker struct {
	place WorkerPlace
	run   *run

	mu      sync.Mutex
	process *child.Process
	rules   map[string]chaos.Rule // what its injector does, by operation
	lost    bool                  // it stays down, or is down until somebody starts it
	stopped bool                  // by SIGSTOP
	// restarts counts the ends that nobody asked for, after which it was started
	// again.
	restarts int
}

// start starts an incarnation. Its injector gets the rules at once.
func (w *worker) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process != nil && w.process.Running() {
		return nil
	}
	spec := w.run.system.Worker(w.place)
	spec.Output = w.run.output
	p, err := child.Start(spec)
	if err != nil {
		return err
	}
	w.process, w.lost = p, false
	if !w.run.system.Injects() {
		return nil
	}
	for deadline := time.Now().Add(readyIn); ; {
		if err = w.putRules(); err == nil {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("%s ended at its start: %s", w.place.Name, p.Exit())
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// current is the incarnation that was started last.
func (w *worker) current() *child.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process
}

// alive reports whether the worker runs, and nobody wants it to be down.
func (w *worker) alive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.lost && w.process != nil && w.process.Running()
}

// down marks it as one that is not to be started again by itself. It reports
// whether it ran, and nobody else wanted it to be down.
func (w *worker) down() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ran := !w.lost && w.process != nil && w.process.Running()
	w.lost = true
	return ran
}

// supervise starts a worker again that ended although nobody asked for it, as a
// supervisor does.
func (w *worker) supervise() {
	w.mu.Lock()
	ended := !w.lost && w.process != nil && !w.process.Running()
	if ended {
		w.restarts++
		w.run.logf("%s ended by itself: %s", w.place.Name, w.process.Exit())
	}
	w.mu.Unlock()
	if ended {
		if err := w.start(); err != nil {
			w.run.logf("%v", err)
		}
	}
}

// dropTemp removes its scratch space.
func (w *worker) dropTemp() { _ = os.RemoveAll(w.place.Dir) }

// set makes one operation follow a rule, or none if the rule is empty. Calls that
// are held go on.
func (w *worker) set(operation string, rule chaos.Rule) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rules, operation)
	if rule.Operation != "" {
		w.rules[operation] = rule
	}
	if w.lost || w.stopped || w.process == nil || !w.process.Running() {
		return nil // it gets it when it goes on, or its next incarnation
	}
	return w.putRules()
}

// letGo takes a rule away from a worker that is about to end, so that a call which
// is held goes on.
func (w *worker) letGo(operation string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.rules[operation]; ok {
		delete(w.rules, operation)
		_ = w.putRules() // it may have ended already
	}
}

func (w *worker) putRules() error {
	config := chaos.Config{Seed: w.run.seed}
	for _, rule := range w.rules {
		config.Rules = append(config.Rules, rule)
	}
	_, err := w.request(http.MethodPut, config.Marshal())
	return err
}

// counts asks its injector what has happened.
func (w *worker) counts() ([]count, error) {
	text, err := w.request(http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	var told struct{ Counts []count }
	err = json.Unmarshal(text, &told)
	return told.Counts, err
}

// count is what one point of a rule has done.
type count struct {
	Operation string
	Fired     int
}

var web = &http.Client{Timeout: 2 * time.Second}

func (w *worker) request(method string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+w.place.Chaos+"/chaos", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+chaosToken)
	resp, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, w.place.Name, resp.Status, strings.TrimSpace(string(text)))
	}
	return text, err
}

// stop stops the worker for a while.
func (w *worker) stop(ctx context.Context, span time.Duration) {
	w.mu.Lock()
	p := w.process
	w.stopped = true
	w.mu.Unlock()
	p.Signal(syscall.SIGSTOP)
	sleep(ctx, span)
	p.Signal(syscall.SIGCONT)
	w.mu.Lock()
	w.stopped = false
	w.mu.Unlock()
}

// slowDown lets the worker run for a tenth of the time only, until ctx ends.
func (w *worker) slowDown(ctx context.Context, factor float64) {
	const period = 100 * time.Millisecond
	runs := time.Duration(float64(period) / factor)
	for ctx.Err() == nil {
		w.stop(ctx, period-runs)
		sleep(ctx, runs)
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// makeWorkers makes the workers of a run; none is started.
func (r *run) makeWorkers(n int) error {
	addresses, err := loopback.Addresses(2 * n)
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("w%d", i)
		r.workers = append(r.workers, &worker{run: r, rules: map[string]chaos.Rule{}, place: WorkerPlace{
			Name: name, Index: i, Way: r.stores.Ways[i], Dir: filepath.Join(r.dir, name), Chaos: addresses[2*i], Web: addresses[2*i+1],
		}})
	}
	return nil
}
