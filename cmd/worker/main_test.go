package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// call runs the command and returns its exit code and what it printed.
func call(t *testing.T, kv env.KV, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	w := world{args: args, environment: []string{"GAUNTLET_PD=127.0.0.1:1"}, out: &stdout, err: &stderr, kv: kv}
	code = w.run(t.Context())
	return code, stdout.String(), stderr.String()
}

// TestFirstLook plays the whole system by its command line.
func TestFirstLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "look")
	synctest.Test(t, func(t *testing.T) {
		code, out, err := call(t, nil, "--store", "memory", "--codec", "plain", "--out", dir)
		require.Equal(t, exitDone, code, err)
		require.Contains(t, out, "publishes the dataset")
		require.Empty(t, err)
	})
	require.FileExists(t, filepath.Join(dir, "meta", "info.json"))
	code, _, err := call(t, nil, "--store", "memory", "--codec", "plain", "--out", dir)
	require.Equal(t, exitRefused, code)
	require.Equal(t, "worker: "+dir+" is not empty, allowed: an empty directory, or one that is not there yet\n", err)
}

// system is a worker with all roles over stores in memory.
type system struct {
	cluster *local.Cluster
	kv      env.KV
}

// newSystem stores recordings and starts the worker. A damaged recording can
// never be converted.
func newSystem(t *testing.T, recordings int, damaged bool) *system {
	s := &system{cluster: local.New(local.Config{Store: objstore.Options{MinPart: -1}})}
	s.cluster.InspectObjects(func(store *objstore.Store) {
		var answer objstore.Response
		for i := range recordings {
			body := plaintest.Recording(uint64(i), "pick", plaintest.Frames(uint64(i), 0, 20))
			if damaged && i == 0 {
				body = body[:len(body)/2]
			}
			key := "in/" + string(rune('a'+i)) + ".rec"
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: key, Body: body}, &answer)
		}
	})
	var ready sync.WaitGroup
	ready.Add(1)
	config := core.DefaultConfig()
	config.Store.MinPart = 1
	worker := s.cluster.Start("w0", func(ctx context.Context, e *env.Env) error {
		s.kv = e.KV
		ready.Done()
		return core.New(e, config, plain.Codec{}).Run(ctx, core.Unified)
	})
	ready.Wait()
	t.Cleanup(func() {
		worker.Stop(core.ErrDrain)
		require.NoError(t, worker.Wait())
	})
	return s
}

// TestClientCommands goes through a batch's life by the command line.
func TestClientCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, 3, false)
		code, out, err := call(t, s.kv, "submit", "lab/kitchen", "--source", "in/*.rec", "--output", "out/kitchen", "--watch")
		require.Equal(t, exitDone, code, err)
		require.Empty(t, err)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Equal(t, "lab/kitchen submitted, generation 1", lines[0])
		require.Equal(t, "lab/kitchen  pending    ", lines[1])
		require.Equal(t, "lab/kitchen  complete     [####################]  3 of 3 units  60 frames", lines[len(lines)-2])
		require.Equal(t, "published: out/kitchen/g00000001-00000001/manifest.json", lines[len(lines)-1])
		require.NotContains(t, out, "\r", "not a terminal")

		code, out, _ = call(t, s.kv, "watch", "lab/kitchen", "--json")
		require.Equal(t, exitDone, code)
		var told status
		require.NoError(t, json.Unmarshal([]byte(out), &told))
		require.Equal(t, status{
			Type: "status", Namespace: "lab", Name: "kitchen", Generation: 1, Phase: "complete", Total: 3, Complete: 3, Frames: 60,
			Manifest: "out/kitchen/g00000001-00000001/manifest.json",
		}, told)

		time.Sleep(time.Minute) // of virtual time: a list is as new as the controller's last look
		code, out, _ = call(t, s.kv, "list", "lab")
		require.Equal(t, exitDone, code)
		require.Equal(t, "lab/kitchen  complete     [####################]  3 of 3 units\n", out)
		code, out, _ = call(t, s.kv, "list", "nobody")
		require.Equal(t, exitDone, code)
		require.Empty(t, out)

		for _, refused := range []struct {
			code int
			err  string
			args []string
		}{
			{exitRefused, "the batch has ended: submit it again", []string{"cancel", "lab/kitchen"}},
			{exitRefused, "the batch has ended: submit it again", []string{"retry", "lab/kitchen"}},
			{exitRefused, "no batch of this name", []string{"watch", "lab/bedroom"}},
			{exitRefused, "the output belongs to another batch", []string{"submit", "lab/other", "--source", "in/", "--output", "out/kitchen"}},
			{exitUsage, `batch "kitchen", allowed: NAMESPACE/NAME`, []string{"cancel", "kitchen"}},
			{exitUsage, "accepts 1 arg(s), received 0", []string{"watch"}},
			{exitUsage, "submit other: invalid: needs between 1 and 9999 sources", []string{"submit", "lab/other", "--output", "out/other"}},
			{exitUsage, `unknown command "convert" for "worker"`, []string{"convert"}},
			{exitUsage, "every: -1s is out of range, allowed: 1ms to 1h0m0s", []string{"watch", "lab/kitchen", "--every", "-1s"}},
		} {
			code, out, err := call(t, s.kv, refused.args...)
			require.Equal(t, refused.code, code, err)
			require.Equal(t, "worker: "+refused.err+"\n", err)
			require.Empty(t, out)
		}
	})
}

// TestCancelAndRetry: a batch that cannot be finished tells why, and is ended by
// hand.
func TestCancelAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, 2, true)
		code, out, err := call(t, s.kv, "submit", "lab/kitchen", "--source", "in/", "--output", "out/kitchen", "--watch", "--max-attempts", "1")
		require.Equal(t, exitRefused, code)
		require.Contains(t, out, "  in/a.rec  dead after 1 attempt: ")
		require.Contains(t, err, "worker: lab/kitchen: the batch ended without a dataset: failed: ")

		code, out, err = call(t, s.kv, "submit", "lab/kitchen", "--source", "in/", "--output", "out/kitchen")
		require.Equal(t, exitDone, code, err)
		require.Equal(t, "lab/kitchen submitted, generation 2\n", out)
		code, out, err = call(t, s.kv, "retry", "lab/kitchen", "--json")
		require.Equal(t, exitDone, code, err)
		require.JSONEq(t, `{"type": "retried", "namespace": "lab", "name": "kitchen", "count": 0}`, out)
		code, out, err = call(t, s.kv, "cancel", "lab/kitchen")
		require.Equal(t, exitDone, code, err)
		require.Equal(t, "lab/kitchen cancelled\n", out)
		code, _, err = call(t, s.kv, "watch", "lab/kitchen")
		require.Equal(t, exitRefused, code)
		require.Equal(t, "worker: lab/kitchen: the batch ended without a dataset: cancelled\n", err)
	})
}

// TestRunIsRefused: what cannot work ends before anything is touched.
func TestRunIsRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	bad := filepath.Join(t.TempDir(), "codec.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("fps: 0\n"), 0o600))
	for _, refused := range []struct {
		err  string
		args []string
	}{
		{"run needs stores that others reach, allowed: --store tikv; for a first look: worker --store memory", []string{"run", "--store", "memory"}},
		{"s3-bucket: none, allowed: the name of a bucket", []string{"run"}},
		{"stat " + missing + ": no such file or directory", []string{"run", "--config", missing}},
		{"codec-config: open " + missing + ": no such file or directory", []string{"run", "--s3-bucket", "b", "--codec-config", missing}},
		{"codec.yaml: lerobot: fps must be 1 to 1000, is 0; lerobot: at least one vector or camera must be given", []string{"run", "--s3-bucket", "b", "--codec-config", bad}},
	} {
		code, out, err := call(t, nil, refused.args...)
		require.Equal(t, exitUsage, code)
		require.Equal(t, "worker: "+refused.err+"\n", strings.ReplaceAll(err, filepath.Dir(bad)+"/", ""))
		require.Empty(t, out)
	}
}

// TestConfigCommand: what it prints can be given back to it.
func TestConfigCommand(t *testing.T) {
	code, out, err := call(t, nil, "config", "--stale-after", "90s", "--name", "w0")
	require.Equal(t, exitDone, code, err)
	require.Contains(t, out, "\nstale-after: 1m30s\n")
	file := filepath.Join(t.TempDir(), "worker.yaml")
	require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
	code, again, err := call(t, nil, "config", "--config", file)
	require.Equal(t, exitDone, code, err)
	require.Equal(t, out, again)
	code, help, _ := call(t, nil, "config", "--help")
	require.Equal(t, exitDone, code)
	require.Contains(t, help, "stale-after")
}

// TestInjectorIsLeftOut: a binary without the tag holds nothing of package chaos;
// one with it does, so the test would notice.
func TestInjectorIsLeftOut(t *testing.T) {
	for _, tags := range []string{"", "chaos_testing"} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, ".").Output()
		require.NoError(t, err)
		packages := strings.Fields(string(out))
		require.Greater(t, len(packages), 100)
		if tags == "" {
			require.NotContains(t, packages, "github.com/gauntlet-dst/gauntlet/chaos")
			require.NotContains(t, packages, "github.com/gauntlet-dst/gauntlet/chaos/protocol")
		} else {
			require.Contains(t, packages, "github.com/gauntlet-dst/gauntlet/chaos")
		}
		if testing.Short() {
			continue
		}
		binary := filepath.Join(t.TempDir(), "worker")
		built, err := exec.Command("go", "build", "-tags", tags, "-o", binary, ".").CombinedOutput()
		require.NoError(t, err, "%s", built)
		symbols, err := exec.Command("go", "tool", "nm", binary).Output()
		require.NoError(t, err)
		require.Contains(t, string(symbols), "gauntlet/core.")
		require.Equal(t, tags != "", strings.Contains(string(symbols), "gauntlet/chaos."), "tags %q", tags)
	}
}
