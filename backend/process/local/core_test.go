package local_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// coreTest is one world for core to work in.
type coreTest struct {
	cluster local.Config
	config  func(c *core.Config) // changes coreConfig
	nodes   []core.Role          // one process each, n0, n1, ...
	batches []workload.Batch
	// during disturbs the work; nil lets it run.
	during func(w *coreWorld)
	// end is how the batches end; "" means published.
	end core.Phase
	// again tells that units may be executed more than once.
	again bool
}

const withoutWorker = core.Unified &^ core.Worker

var coreTests = map[string]coreTest{
	"one worker, one unit": {
		nodes:   []core.Role{core.Unified},
		batches: []workload.Batch{batch("arm", 1)},
	},
	"three workers, five units, two sources": {
		nodes:   []core.Role{core.Unified, core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 3, 2)},
	},
	"two slots, parts in flight": {
		config: func(c *core.Config) {
			c.Slots, c.PartsInFlight, c.Heartbeat = 2, 3, 50*time.Millisecond
			c.CheckpointFrames, c.CheckpointEvery = 1000, time.Hour
		},
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 6)},
	},
	"split roles": {
		nodes:   []core.Role{core.Worker, core.Worker, core.Scanner, core.Controller | core.Reaper, core.Merger, core.Janitor},
		batches: []workload.Batch{batch("arm", 4, 4)},
	},
	"two leaders, two batches with limits": {
		config: func(c *core.Config) { c.Slots, c.Heartbeat = 2, 50*time.Millisecond },
		nodes:  []core.Role{core.Worker, core.Worker, withoutWorker, withoutWorker},
		batches: []workload.Batch{
			limited(batch("arm", 4), 1, 0), limited(batch("arm-2", 2, 2), 2, 7),
		},
	},
	"cancelled in mid-flight": {
		config:  func(c *core.Config) { c.Slots = 2 },
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 6)},
		during:  cancelInFlight,
		end:     core.PhaseCancelled,
	},
	"a poisoned unit": {
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{poisoned(batch("arm", 2, 2))},
		end:     core.PhaseFailed,
	},
	"drains and restarts": {
		config:  func(c *core.Config) { c.Slots = 2 },
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 5, 5)},
		during:  drainInTurn,
		again:   true,
	},
	"killed and restarted": {
		config:  shortLeases,
		nodes:   []core.Role{core.Unified, core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 5, 5)},
		during:  killOwners,
		again:   true,
	},
	"a merge is drained": {
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 3)},
		during:  func(w *coreWorld) { stopMerge(w, core.ErrDrain, 0, w.config.MergePoll) },
	},
	"a merger is killed": {
		config:  shortLeases,
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 3)},
		during: func(w *coreWorld) {
			stopMerge(w, errKilled, w.config.StaleAfter, w.config.StaleAfter+2*w.config.MergePoll)
		},
	},
	"slow stores": {
		cluster: local.Config{MinLatency: 50 * time.Millisecond, MaxLatency: 2 * time.Second},
		config:  func(c *core.Config) { c.OpTimeout, c.PartsInFlight = time.Minute, 3 },
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 3, 2)},
	},
	"answers that come too late": {
		cluster: local.Config{
			MaxLatency: 200 * time.Millisecond,
			KV:         tikv.ClientConfig{RPCTimeout: 320 * time.Millisecond},
			Objects:    objstore.ClientConfig{Timeout: 320 * time.Millisecond},
		},
		config:  func(c *core.Config) { c.OpTimeout, c.PartsInFlight = 2*time.Second, 3 },
		nodes:   []core.Role{core.Unified, core.Unified},
		batches: []workload.Batch{batch("arm", 3, 2)},
		again:   true,
	},
}

// TestCore: the whole of core on goroutines, under the race detector, publishes
// the reference dataset, or nothing.
//
// Every world runs twice. The mock clock serves one timer at a time, which
// orders all that happens at different instants: the detector sees no races
// between tasks that sleep. The machine's clock, which is virtual in a bubble,
// too, lets them run at once.
func TestCore(t *testing.T) {
	for name, test := range coreTests {
		t.Run(name+"/mock", func(t *testing.T) {
			cluster := test.clusterConfig(time.Millisecond, 40*time.Millisecond)
			processtest.Run(t, cluster, func(t *testing.T, pw *processtest.World) {
				test.run(&coreWorld{T: t, Cluster: pw.Cluster, drive: pw.Drive})
			})
		})
		t.Run(name+"/machine", func(t *testing.T) {
			// To draw a latency takes a lock that orders a process's tasks.
			cluster := test.clusterConfig(20*time.Millisecond, 20*time.Millisecond)
			synctest.Test(t, func(t *testing.T) {
				w := &coreWorld{T: t, Cluster: local.New(cluster), drive: sleep}
				defer func() {
					w.Stop(errKilled)
					sleep(time.Minute, func() bool { return len(w.Running()) == 0 })
				}()
				test.run(w)
			})
		})
	}
}

// clusterConfig is the world's, or one with the given latencies.
func (test *coreTest) clusterConfig(min, max time.Duration) local.Config {
	c := test.cluster
	if c.MaxLatency == 0 {
		c.MinLatency, c.MaxLatency = min, max
	}
	c.Seed, c.Store.MinPart = 7, 1
	return c
}

// sleep lets time pass in a bubble, until done returns true or a bound has
// passed, and returns what done returned last.
func sleep(bound time.Duration, done func() bool) bool {
	for end := time.Now().Add(bound); time.Now().Before(end) && !done(); {
		time.Sleep(10 * time.Millisecond)
	}
	return done()
}

func (test *coreTest) run(w *coreWorld) {
	w.config, w.roles, w.batches = coreConfig(), test.nodes, test.batches
	if test.config != nil {
		test.config(&w.config)
	}
	w.begin()
	if test.during != nil {
		test.during(w)
	}
	require.True(w, w.drive(3*time.Hour, w.ended), "not finished")
	w.requireEnd(test.end)
	w.requireNothingLeft()
	if !test.again {
		w.requireOnce()
	}
}

func coreConfig() core.Config {
	config := core.DefaultConfig()
	config.CheckpointFrames, config.CheckpointEvery = 5, time.Second
	config.ReadChunk, config.PartSize, config.MultipartAbove, config.PartsInFlight = 256, 300, 500, 2
	config.Store.MinPart = 1
	return config
}

func shortLeases(c *core.Config) {
	c.Heartbeat, c.StaleAfter, c.FenceMargin = 2*time.Second, 20*time.Second, 4*time.Second
	c.ReapEvery, c.MergePoll, c.ScannerLease, c.ScanEvery = 5*time.Second, 5*time.Second, 20*time.Second, 5*time.Second
}

// batch returns a batch of one source for each number of recordings. Episodes
// take several parts each.
func batch(name string, recordings ...int) workload.Batch {
	b := workload.Batch{Namespace: "lab", Name: name, Output: "out/" + name + "/", ChunkSize: 4, MaxAttempts: 20}
	for s, count := range recordings {
		source := workload.Source{Prefix: fmt.Sprintf("in/%s/%d/", name, s), Filter: "*.rec", Ignored: []string{"notes.txt"}}
		for i := range count {
			source.Recordings = append(source.Recordings, workload.Recording{
				Name: fmt.Sprintf("%d.rec", i), ID: uint64(10*s + i), Frames: 40, Task: "pick",
			})
		}
		b.Sources = append(b.Sources, source)
	}
	return b
}

func limited(b workload.Batch, parallelism, priority int) workload.Batch {
	b.Parallelism, b.Priority = parallelism, priority
	return b
}

// poisoned damages the second half of a recording.
func poisoned(b workload.Batch) workload.Batch {
	b.Sources[0].Recordings[1].Poison = 30
	return b
}

// coreWorld is a cluster that runs core, with a client for each batch.
type coreWorld struct {
	*local.Cluster
	*testing.T
	// drive lets time pass until done returns true or bound has passed.
	drive func(bound time.Duration, done func() bool) bool

	config  core.Config
	roles   []core.Role
	batches []workload.Batch

	nodes   []*local.Process
	starts  []int // of each node
	clients []*local.Process
	status  []core.BatchStatus
}

// begin stores the recordings and starts all processes.
func (w *coreWorld) begin() {
	spec := workload.Spec{Batches: w.batches}
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		for _, o := range spec.Objects() {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: o.Key, Body: o.Body}, &resp)
		}
	})
	w.nodes, w.starts = make([]*local.Process, len(w.roles)), make([]int, len(w.roles))
	for i := range w.roles {
		w.start(i)
	}
	w.status = make([]core.BatchStatus, len(w.batches))
	for i := range w.batches {
		client := w.Start(fmt.Sprintf("client%d", i), func(ctx context.Context, e *env.Env) error {
			return follow(ctx, e, core.NewClient(e, w.config), &w.batches[i], &w.status[i])
		})
		w.clients = append(w.clients, client)
	}
}

// start starts node i.
func (w *coreWorld) start(i int) {
	w.starts[i]++
	w.nodes[i] = w.Start(fmt.Sprintf("n%d", i), func(ctx context.Context, e *env.Env) error {
		return core.New(e, w.config, plain.Codec{}).Run(ctx, w.roles[i])
	})
}

// restart stops node i for a cause and starts it again once it has ended.
func (w *coreWorld) restart(i int, cause error) {
	w.Helper()
	w.nodes[i].Stop(cause)
	require.True(w, w.drive(w.config.DrainTimeout+time.Second, w.nodes[i].Done), "does not stop")
	if errors.Is(cause, core.ErrDrain) {
		require.NoError(w, w.nodes[i].Wait())
	} else {
		require.ErrorIs(w, w.nodes[i].Wait(), cause)
	}
	w.start(i)
}

// follow submits a batch and follows it to its end.
func follow(ctx context.Context, e *env.Env, client *core.Client, b *workload.Batch, status *core.BatchStatus) error {
	spec := core.BatchSpec{
		Namespace: b.Namespace, Name: b.Name, Output: strings.TrimSuffix(b.Output, "/"),
		MaxAttempts: b.MaxAttempts, EpisodesPerChunk: b.ChunkSize, Parallelism: b.Parallelism, Priority: b.Priority,
	}
	for _, s := range b.Sources {
		spec.Sources = append(spec.Sources, core.Source{URL: s.Prefix, Filter: s.Filter})
	}
	_, err := client.Submit(ctx, spec)
	for ; env.ClassOf(err) == env.ClassUnavailable; _, err = client.Submit(ctx, spec) {
		if err := e.Clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	for {
		now, err := client.Status(ctx, b.Namespace, b.Name)
		if err == nil {
			*status = now
		}
		if !status.Finished.IsZero() {
			return nil
		}
		if err := e.Clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// ended reports whether every batch has.
func (w *coreWorld) ended() bool {
	for _, c := range w.clients {
		if !c.Done() {
			return false
		}
	}
	return true
}

// cancelInFlight cancels the batch when conversions have been checkpointed.
func cancelInFlight(w *coreWorld) {
	w.Helper()
	require.True(w, w.drive(time.Hour, func() bool { return w.Metrics().Counter("checkpoints_total") >= 3 }))
	canceller := w.Start("canceller", func(ctx context.Context, e *env.Env) error {
		return core.NewClient(e, w.config).Cancel(ctx, w.batches[0].Namespace, w.batches[0].Name)
	})
	require.True(w, w.drive(time.Minute, canceller.Done))
	require.NoError(w, canceller.Wait())
	claims := w.Metrics().Counter("claims_total")
	require.True(w, w.drive(time.Minute, w.ended))
	w.drive(time.Minute, func() bool { return false })
	require.Equal(w, claims, w.Metrics().Counter("claims_total"), "claimed after the cancel was acknowledged")
	require.Less(w, w.Metrics().Counter("units_completed_total"), int64(w.batches[0].Units()), "cancelled too late")
}

// drainInTurn drains and restarts one node after another, for as long as the
// work lasts: at first those that have checkpointed what they are converting.
func drainInTurn(w *coreWorld) {
	w.Helper()
	w.interrupt(3, core.ErrDrain)
	for i := 0; !w.drive(8*time.Second, w.ended); i++ {
		require.Less(w, i, 60, "makes no progress")
		w.restart(i%len(w.nodes), core.ErrDrain)
	}
	require.Positive(w, w.Metrics().Counter("releases_total"))
	require.Positive(w, w.Metrics().Counter("resumes_total"))
	require.Zero(w, w.Metrics().Counter("attempts_failed_total"), "a drain costs no attempt")
	require.Zero(w, w.Metrics().Counter("units_reaped_total"), "a drain lets everything go")
	require.EqualValues(w, w.batches[0].Units(), w.Metrics().Counter("units_completed_total"))
}

// killOwners kills and restarts nodes that have checkpointed what they are
// converting. They let nothing go.
func killOwners(w *coreWorld) {
	w.Helper()
	w.interrupt(3, errKilled)
	require.True(w, w.drive(time.Hour, w.ended))
	require.Positive(w, w.Metrics().Counter("units_reaped_total"))
	require.Positive(w, w.Metrics().Counter("resumes_total"))
}

// interrupt restarts, so many times, a node that holds a unit with a
// checkpoint.
func (w *coreWorld) interrupt(times int, cause error) {
	w.Helper()
	for range times {
		owner := 0
		require.True(w, w.drive(time.Hour, func() (found bool) {
			owner, found = w.checkpointed()
			return found
		}))
		w.restart(owner, cause)
	}
}

// checkpointed returns a running node that holds a unit with a checkpoint.
func (w *coreWorld) checkpointed() (node int, found bool) {
	for _, key := range w.rows("checkpoint/") {
		unit := strings.TrimPrefix(key, "checkpoint/")
		for i := range w.nodes {
			if slices.Contains(w.rows("lease/"), fmt.Sprintf("lease/n%d/%d/%s", i, w.starts[i], unit)) {
				return i, true
			}
		}
	}
	return 0, false
}

// stopMerge restarts all nodes in the middle of a merge. One of them must take
// it over after at least min and at most max, and publish.
func stopMerge(w *coreWorld, cause error, min, max time.Duration) {
	w.Helper()
	claims := func() int64 { return w.Metrics().Counter("merge_claims_total") }
	require.True(w, w.drive(time.Hour, func() bool { return claims() == 1 }))
	require.False(w, w.drive(time.Second, w.ended), "published before it could be stopped")
	for i := range w.nodes {
		w.restart(i, cause)
	}
	if min > 0 {
		require.False(w, w.drive(min, func() bool { return claims() > 1 }), "taken over too soon")
		max -= min
	}
	require.True(w, w.drive(max, func() bool { return claims() > 1 }), "not taken over")
	require.True(w, w.drive(time.Minute, w.ended))
	require.EqualValues(w, 2, claims())
}

// requireEnd requires that the batches ended as they should.
func (w *coreWorld) requireEnd(end core.Phase) {
	w.Helper()
	published := int64(0)
	for i := range w.batches {
		status := &w.status[i]
		require.NoError(w, w.clients[i].Wait())
		if end != "" {
			require.Equal(w, end, status.Phase, status.Error)
			require.Empty(w, status.Manifest)
			continue
		}
		require.Equal(w, core.PhaseComplete, status.Phase, status.Error)
		require.NoError(w, workload.Diff(workload.Reference(&w.batches[i]), w.dataset(status.Manifest)))
		require.Equal(w, framesOf(&w.batches[i]), status.Frames)
		published++
	}
	// Who published may not know yet.
	w.drive(time.Minute, func() bool { return w.Metrics().Counter("publications_total") == published })
	require.Equal(w, published, w.Metrics().Counter("publications_total"))
	if end == core.PhaseFailed {
		require.Contains(w, w.status[0].Error, "in/arm/0/1.rec")
		require.Equal(w, core.Counts{Complete: 3, Dead: 1}, w.status[0].Counts)
	}
}

// framesOf is how many frames a batch's recordings have.
func framesOf(b *workload.Batch) (frames int64) {
	for _, s := range b.Sources {
		for _, r := range s.Recordings {
			frames += int64(r.Frames)
		}
	}
	return frames
}

// requireNothingLeft requires that soon no row tells of work any more.
func (w *coreWorld) requireNothingLeft() {
	w.Helper()
	require.True(w, w.drive(w.config.StaleAfter+w.config.ReapEvery+time.Minute, func() bool {
		return len(w.rows("lease/", "queue/", "checkpoint/", "active/")) == 0
	}), "rows that stay")
}

// requireOnce requires that no unit was executed twice.
func (w *coreWorld) requireOnce() {
	w.Helper()
	units := 0
	for i := range w.batches {
		units += w.batches[i].Units()
	}
	require.LessOrEqual(w, w.Metrics().Counter("claims_total"), int64(units))
	require.Zero(w, w.Metrics().Counter("units_reaped_total"))
	require.Zero(w, w.Metrics().Counter("releases_total"))
}

// dataset returns the dataset that a manifest belongs to, without it.
func (w *coreWorld) dataset(manifest string) map[string][]byte {
	dataset := map[string][]byte{}
	w.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			name, inside := strings.CutPrefix(obj.Key, path.Dir(manifest)+"/")
			if inside && obj.Key != manifest {
				dataset[name] = body
			}
		}
	})
	return dataset
}

// rows returns the keys of some tables, in order.
func (w *coreWorld) rows(tables ...string) (keys []string) {
	w.InspectKV(func(engine *tikv.Engine) {
		for key := range engine.SnapshotAt(engine.LastTS()) {
			if slices.ContainsFunc(tables, func(table string) bool { return strings.HasPrefix(key, table) }) {
				keys = append(keys, key)
			}
		}
	})
	slices.Sort(keys)
	return keys
}
