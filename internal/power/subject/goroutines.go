package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// What a test on goroutines has: three processes, one batch, and an end that it can
// look at. Times are a thousandth of production's, since the clock is the machine's.
const (
	realProcesses = 3
	realTroubles  = 4                      // processes that are stopped or killed, at most
	realSleep     = 150 * time.Millisecond // between two of them, at most
	realPatience  = 10 * time.Second       // for the whole
)

var errKilled = errors.New("killed")

// onGoroutines runs core on goroutines: requests take a random time, processes are
// drained or killed after random sleeps and come back, and in the end the published
// dataset is compared with the reference and the rows are counted. No store is
// watched, so nothing but the end can fail.
func onGoroutines(seed uint64) (*sim.Result, error) {
	draw := rand.New(rand.NewPCG(seed, 1))
	w := &realWorld{config: realConfig(), batch: realBatch(draw)}
	w.Cluster = local.New(local.Config{Seed: seed, MaxLatency: 3 * time.Millisecond, Store: objstore.Options{MinPart: 1}})
	w.begin()
	for range draw.IntN(realTroubles + 1) {
		time.Sleep(time.Duration(draw.Int64N(int64(realSleep))))
		w.trouble(draw)
	}
	text := w.judge()
	w.Stop(errKilled)
	for end := time.Now().Add(5 * time.Second); len(w.Running()) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	r := &sim.Result{Seed: seed}
	if text != "" {
		r.Violation = &sim.Violation{Invariant: "end-state", Text: text}
	}
	return r, nil
}

type realWorld struct {
	*local.Cluster
	config core.Config
	batch  workload.Batch
	nodes  [realProcesses]*local.Process
	status atomic.Pointer[core.BatchStatus]
	client *local.Process
}

func realConfig() core.Config {
	c := core.DefaultConfig()
	c.WorkerPoll, c.ControlEvery, c.ScanEvery, c.MergePoll, c.ReapEvery = 5*time.Millisecond, 5*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond
	c.JanitorEvery = 100 * time.Millisecond
	c.Heartbeat, c.StaleAfter, c.FenceMargin, c.ScannerLease = 40*time.Millisecond, 400*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond
	c.UnitBackoff, c.UnitBackoffMax, c.UnitTimeout = 5*time.Millisecond, 50*time.Millisecond, 5*time.Second
	c.CheckpointFrames, c.CheckpointEvery = 4, 5*time.Millisecond
	c.OpTimeout, c.StorageTimeout, c.MaxInFlight, c.WatchFor = time.Second, time.Second, 2*time.Second, 4*time.Second
	c.StorageBackoff, c.StorageBackoffMax, c.ConflictBackoff = time.Millisecond, 50*time.Millisecond, time.Millisecond
	c.DrainTimeout, c.BreakerOpen = time.Second, 50*time.Millisecond
	c.ReadChunk, c.PartSize, c.MultipartAbove, c.PartsInFlight, c.Shards = 256, 300, 500, 2, 4
	c.Store.MinPart = 1
	return c
}

func realBatch(draw *rand.Rand) workload.Batch {
	b := workload.Batch{Namespace: "lab", Name: "arm", Output: "out/arm/", ChunkSize: 4, MaxAttempts: 20, Parallelism: draw.IntN(3)}
	for s := range 1 + draw.IntN(2) {
		source := workload.Source{Prefix: fmt.Sprintf("in/arm/%d/", s), Filter: "*.rec", Ignored: []string{"notes.txt"}}
		for i := range 1 + draw.IntN(4) {
			source.Recordings = append(source.Recordings, workload.Recording{Name: fmt.Sprintf("%d.rec", i), ID: uint64(10*s + i), Frames: 5 + draw.IntN(40), Task: "pick"})
		}
		b.Sources = append(b.Sources, source)
	}
	return b
}

// begin stores the recordings, starts the processes, and submits the batch.
func (w *realWorld) begin() {
	spec := workload.Spec{Batches: []workload.Batch{w.batch}}
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		for _, o := range spec.Objects() {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: o.Key, Body: o.Body}, &resp)
		}
	})
	for i := range w.nodes {
		w.start(i)
	}
	w.client = w.Start("client", func(ctx context.Context, e *env.Env) error {
		return w.follow(ctx, e, core.NewClient(e, w.config))
	})
}

func (w *realWorld) start(i int) {
	w.nodes[i] = w.Start(fmt.Sprintf("n%d", i), func(ctx context.Context, e *env.Env) error {
		return core.New(e, w.config, plain.Codec{}).Run(ctx, core.Unified)
	})
}

// follow submits the batch and looks at it until it has ended.
func (w *realWorld) follow(ctx context.Context, e *env.Env, client *core.Client) error {
	spec := core.BatchSpec{
		Namespace: w.batch.Namespace, Name: w.batch.Name, Output: strings.TrimSuffix(w.batch.Output, "/"),
		MaxAttempts: w.batch.MaxAttempts, EpisodesPerChunk: w.batch.ChunkSize, Parallelism: w.batch.Parallelism,
	}
	for _, s := range w.batch.Sources {
		spec.Sources = append(spec.Sources, core.Source{URL: s.Prefix, Filter: s.Filter})
	}
	if _, err := client.Submit(ctx, spec); err != nil {
		return err
	}
	for {
		status, err := client.Status(ctx, spec.Namespace, spec.Name)
		if err == nil && !status.Finished.IsZero() {
			w.status.Store(&status)
			return nil
		}
		if err := e.Clock.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// trouble drains or kills a process, and starts it again when it has ended.
func (w *realWorld) trouble(draw *rand.Rand) {
	i, cause := draw.IntN(len(w.nodes)), errKilled
	if draw.IntN(2) == 0 {
		cause = core.ErrDrain
	}
	w.nodes[i].Stop(cause)
	for end := time.Now().Add(w.config.DrainTimeout + time.Second); !w.nodes[i].Done() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if w.nodes[i].Done() {
		w.start(i)
	}
}

// judge says what is wrong with the end, "" for nothing.
func (w *realWorld) judge() string {
	for end := time.Now().Add(realPatience); !w.client.Done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return "the batch does not end"
		}
	}
	status := w.status.Load()
	switch {
	case status == nil:
		return fmt.Sprintf("the client gave up: %v", w.client.Wait())
	case status.Phase != core.PhaseComplete:
		return fmt.Sprintf("the batch is %s: %s", status.Phase, status.Error)
	}
	published := map[string][]byte{}
	w.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			name, inside := strings.CutPrefix(obj.Key, path.Dir(status.Manifest)+"/")
			if inside && obj.Key != status.Manifest {
				published[name] = body
			}
		}
	})
	if err := workload.Diff(workload.Reference(&w.batch), published); err != nil {
		return err.Error()
	}
	return ""
}
