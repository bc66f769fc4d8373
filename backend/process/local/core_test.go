package local_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// recordings is a batch of two sources whose episodes take several parts each.
func recordings() *workload.Batch {
	batch := &workload.Batch{Namespace: "lab", Name: "arm", Output: "out/arm/", ChunkSize: 4, MaxAttempts: 3}
	for s := range 2 {
		source := workload.Source{Prefix: fmt.Sprintf("in/%d/", s), Filter: "*.rec", Ignored: []string{"notes.txt"}}
		for i := range 5 {
			source.Recordings = append(source.Recordings, workload.Recording{
				Name: fmt.Sprintf("%d.rec", i), ID: uint64(10*s + i), Frames: 40, Task: "pick",
			})
		}
		batch.Sources = append(batch.Sources, source)
	}
	return batch
}

func coreConfig() core.Config {
	config := core.DefaultConfig()
	config.CheckpointFrames, config.CheckpointEvery = 5, time.Second
	config.ReadChunk, config.PartSize, config.MultipartAbove, config.PartsInFlight = 256, 300, 500, 2
	return config
}

// node runs core with all its roles.
func node(ctx context.Context, e *env.Env) error {
	return core.New(e, coreConfig(), plain.Codec{}).Run(ctx, core.Unified)
}

// submit submits the batch and waits for its end.
func submit(batch *workload.Batch, status *core.BatchStatus) func(ctx context.Context, e *env.Env) error {
	spec := core.BatchSpec{
		Namespace: batch.Namespace, Name: batch.Name, Output: strings.TrimSuffix(batch.Output, "/"),
		MaxAttempts: batch.MaxAttempts, EpisodesPerChunk: batch.ChunkSize,
	}
	for _, s := range batch.Sources {
		spec.Sources = append(spec.Sources, core.Source{URL: s.Prefix, Filter: s.Filter})
	}
	return func(ctx context.Context, e *env.Env) error {
		client := core.NewClient(e, coreConfig())
		if _, err := client.Submit(ctx, spec); err != nil {
			return err
		}
		for {
			var err error
			*status, err = client.Status(ctx, batch.Namespace, batch.Name)
			if err == nil && !status.Finished.IsZero() {
				return nil
			}
			if err := e.Clock.Sleep(ctx, time.Second); err != nil {
				return errors.Join(err, ctx.Err())
			}
		}
	}
}

// published returns the dataset that belongs to a manifest, without it.
func published(w *processtest.World, manifest string) map[string][]byte {
	dataset := map[string][]byte{}
	w.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			name, inside := strings.CutPrefix(obj.Key, path.Dir(manifest)+"/")
			if inside && name != "manifest.json" {
				dataset[name] = body
			}
		}
	})
	return dataset
}

func coreWorld() local.Config {
	return local.Config{
		MinLatency: time.Millisecond, MaxLatency: 40 * time.Millisecond, Seed: 7,
		Store: objstore.Options{MinPart: 1},
	}
}

func prepare(w *processtest.World, batch *workload.Batch) {
	spec := workload.Spec{Batches: []workload.Batch{*batch}}
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		for _, o := range spec.Objects() {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: o.Key, Body: o.Body}, &resp)
		}
	})
}

// TestCoreConverts: the whole of core, on goroutines, publishes the reference
// dataset.
func TestCoreConverts(t *testing.T) {
	processtest.Run(t, coreWorld(), func(t *testing.T, w *processtest.World) {
		batch := recordings()
		prepare(w, batch)
		for i := range 3 {
			w.Start(fmt.Sprintf("w%d", i), node)
		}
		var status core.BatchStatus
		client := w.Start("client", submit(batch, &status))
		require.True(t, w.Drive(time.Hour, client.Done), "not finished within an hour: %+v", status)
		require.NoError(t, client.Wait())
		require.Equal(t, core.PhaseComplete, status.Phase, status.Error)
		require.NoError(t, workload.Diff(workload.Reference(batch), published(w, status.Manifest)))
	})
}

// TestCoreDrains: workers that are stopped in the middle of the work drain, and
// their successors finish it.
func TestCoreDrains(t *testing.T) {
	processtest.Run(t, coreWorld(), func(t *testing.T, w *processtest.World) {
		batch := recordings()
		prepare(w, batch)
		workers := []*local.Process{w.Start("w0", node), w.Start("w1", node)}
		var status core.BatchStatus
		client := w.Start("client", submit(batch, &status))

		for i := range 6 {
			require.False(t, w.Drive(2*time.Second, client.Done), "the work was over too soon")
			next := i % len(workers)
			workers[next].Stop(core.ErrDrain)
			require.True(t, w.Drive(coreConfig().DrainTimeout+time.Minute, workers[next].Done), "does not drain")
			require.NoError(t, workers[next].Wait())
			workers[next] = w.Start(fmt.Sprintf("w%d", next), node)
		}
		require.True(t, w.Drive(time.Hour, client.Done), "not finished within an hour: %+v", status)
		require.NoError(t, client.Wait())
		require.Equal(t, core.PhaseComplete, status.Phase, status.Error)
		require.NoError(t, workload.Diff(workload.Reference(batch), published(w, status.Manifest)))
		require.Positive(t, w.Metrics().Counter("releases_total"), "no unit was interrupted")
		require.Zero(t, w.Metrics().Counter("attempts_failed_total"), "a drain costs no attempt")
		require.EqualValues(t, batch.Units(), w.Metrics().Counter("units_completed_total"))
		require.EqualValues(t, 1, w.Metrics().Counter("publications_total"))
	})
}
