//go:build chaos_testing

package chaos_test

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
	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// The real system on real goroutines, over honest stores, with an Injector
// around them: whatever a configuration makes fail, the batch is published,
// with the bytes of the run without failures.
func TestSystemUnderInjection(t *testing.T) {
	want := publish(t, chaos.Config{})
	require.NotEmpty(t, want)
	for _, c := range systemConfigs(t) {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, want, publish(t, c.config))
		})
	}
}

type namedConfig struct {
	name   string
	config chaos.Config
}

// systemConfigs are the scenarios that concern single calls, a failure of each
// operation's first call on either side of its effect, and failures everywhere
// by rate.
func systemConfigs(t *testing.T) (list []namedConfig) {
	for _, s := range chaos.Scenarios() {
		if config, ok := s.Config(1); ok {
			list = append(list, namedConfig{s.Name, config})
		}
	}
	catalogue := protocol.Catalogue()
	for _, side := range sides {
		first, often := chaos.Config{}, chaos.Config{Seed: 11}
		for _, op := range catalogue.Operations() {
			first.Rules = append(first.Rules, side.rule(op.Name, chaos.Trigger{Once: true}, env.ClassNone))
			often.Rules = append(often.Rules, side.rule(op.Name, chaos.Trigger{Rate: 0.05}, env.ClassNone))
		}
		list = append(list, namedConfig{"first call of each, " + side.name, first}, namedConfig{"now and then, " + side.name, often})
	}
	return list
}

// publish converts a batch under a configuration and returns the published
// dataset, logical path by logical path, manifest aside.
func publish(t *testing.T, config chaos.Config) (dataset map[string]string) {
	store := local.Config{Seed: 3, Store: objstore.Options{MinPart: 1}}
	processtest.Run(t, store, func(t *testing.T, w *processtest.World) {
		for id := range uint64(3) {
			put(w, fmt.Sprintf("in/arm/%d.rec", id), plaintest.Recording(id, "pick", plaintest.Frames(id, 0, 30)))
		}
		settings := core.DefaultConfig()
		settings.ReadChunk, settings.PartSize, settings.MultipartAbove, settings.CheckpointFrames = 256, 300, 500, 5
		settings.Store.MinPart = 1
		var injectors []*chaos.Injector
		for n := range 2 {
			w.Start(fmt.Sprintf("w%d", n), func(ctx context.Context, e *env.Env) error {
				injector, err := chaos.NewInjector(config, protocol.Catalogue(), e.Clock, e.Log)
				if err != nil {
					return err
				}
				injectors = append(injectors, injector)
				wrapped := *e
				wrapped.Runtime, wrapped.KV, wrapped.Objects = injector.WrapRuntime(e.Runtime), injector.WrapKV(e.KV), injector.WrapObjects(e.Objects)
				for { // a supervisor starts again what ended for a store that is away
					err := core.New(&wrapped, settings, plain.Codec{}).Run(ctx, core.Unified)
					if !errors.Is(err, env.ErrUnavailable) {
						return err
					}
				}
			})
			w.Clock.Advance(time.Second) // one after the other: injectors is shared
		}
		spec := core.BatchSpec{Namespace: "lab", Name: "arm", Output: "out/arm", MaxAttempts: 20, BackoffLimit: 100,
			Sources: []core.Source{{URL: "in/arm/", Filter: "*.rec"}}}
		client(t, w, func(ctx context.Context, c *core.Client) error {
			_, err := c.Submit(ctx, spec)
			return err
		})
		dataset = published(w, awaitEnd(t, w).Manifest)
		requireFired(t, config, injectors)
	})
	return dataset
}

func put(w *processtest.World, key string, body []byte) {
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: key, Body: body}, &resp)
	})
}

// client makes one call from a process without an Injector.
func client(t *testing.T, w *processtest.World, call func(ctx context.Context, c *core.Client) error) {
	p := w.Start("client", func(ctx context.Context, e *env.Env) error {
		return call(ctx, core.NewClient(e, core.DefaultConfig()))
	})
	require.True(t, w.Drive(time.Hour, p.Done), "a call does not return")
	require.NoError(t, p.Wait())
}

func awaitEnd(t *testing.T, w *processtest.World) (status core.BatchStatus) {
	for range 720 {
		client(t, w, func(ctx context.Context, c *core.Client) (err error) {
			status, err = c.Status(ctx, "lab", "arm")
			return err
		})
		if status.Phase.Terminal() {
			break
		}
		w.Clock.Advance(10 * time.Second)
	}
	require.Equal(t, core.PhaseComplete, status.Phase, "%+v", status)
	return status
}

func published(w *processtest.World, manifest string) map[string]string {
	files := make(map[string]string)
	prefix := path.Dir(manifest) + "/"
	w.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			if name, ok := strings.CutPrefix(obj.Key, prefix); ok && obj.Key != manifest {
				files[name] = string(body)
			}
		}
	})
	return files
}

// requireFired fails if nothing was injected although something could have
// been.
func requireFired(t *testing.T, config chaos.Config, injectors []*chaos.Injector) {
	fired := 0
	for _, injector := range injectors {
		for _, count := range injector.Counts() {
			fired += count.Fired
		}
	}
	require.Equal(t, len(config.Rules) > 0, fired > 0)
	t.Logf("%d injected", fired)
}
