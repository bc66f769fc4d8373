package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/firstlook"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// BenchmarkWorkers measures a batch of MCAP recordings from its submission to the
// published dataset, by workers in one process over stores in memory. On a machine
// with fewer processors than workers it measures the processors.
//
//	go test -run '^$' -bench Workers -benchtime 3x .
func BenchmarkWorkers(b *testing.B) {
	const takes, frames = 16, 300
	recordings := firstlook.Examples(false, takes, frames, 0)
	bytes := 0
	for _, r := range recordings {
		bytes += len(r.Body)
	}
	codec, err := lerobot.New(lerobot.DefaultConfig())
	require.NoError(b, err)
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			cluster := local.New(local.Config{})
			cluster.InspectObjects(func(store *objstore.Store) {
				var answer objstore.Response
				for _, r := range recordings {
					store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: "in/" + r.Name, Body: r.Body}, &answer)
				}
			})
			config := core.DefaultConfig()
			const soon = 10 * time.Millisecond
			config.WorkerPoll, config.ControlEvery, config.ScanEvery, config.MergePoll = soon, soon, soon, soon
			for i := range workers {
				cluster.Start(fmt.Sprintf("w%d", i), func(ctx context.Context, e *env.Env) error {
					return core.New(e, config, codec).Run(ctx, core.Unified)
				})
			}
			round := 0
			for b.Loop() {
				round++
				client := cluster.Start("client", func(ctx context.Context, e *env.Env) error {
					return convert(ctx, e, core.NewClient(e, config), fmt.Sprintf("b%d", round))
				})
				require.NoError(b, client.Wait())
			}
			cluster.Stop(core.ErrDrain)
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(takes*frames/seconds, "frames/s")
			b.ReportMetric(float64(bytes)/1e6/seconds, "MB/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// convert submits a batch and waits for its dataset.
func convert(ctx context.Context, e *env.Env, client *core.Client, name string) error {
	_, err := client.Submit(ctx, core.BatchSpec{Namespace: "lab", Name: name, Output: "out/" + name, Sources: []core.Source{{URL: "in/"}}})
	for err == nil {
		var s core.BatchStatus
		if s, err = client.Status(ctx, "lab", name); err == nil && s.Phase.Terminal() {
			if s.Phase != core.PhaseComplete {
				return fmt.Errorf("%s: %s", s.Phase, s.Error)
			}
			return nil
		}
		if err == nil {
			err = e.Clock.Sleep(ctx, 5*time.Millisecond)
		}
	}
	return err
}
