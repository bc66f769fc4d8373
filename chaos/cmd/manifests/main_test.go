package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
)

const deployed = "../../../deploy/chaos-mesh"

func deployedValues(t *testing.T) values {
	v, err := readValues(filepath.Join(deployed, "values.yaml"))
	require.NoError(t, err)
	return v
}

// What is checked in is what the command would write, no file more or less.
func TestCheckedInManifestsAreCurrent(t *testing.T) {
	v := deployedValues(t)
	want, err := v.files()
	require.NoError(t, err)
	found := 0
	err = filepath.WalkDir(deployed, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(deployed, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name == "validate":
			return filepath.SkipDir // a module of its own
		case entry.IsDir() || name == "values.yaml":
			return nil
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, want, filepath.ToSlash(name), "left over; remove it")
		require.Equal(t, string(want[filepath.ToSlash(name)]), string(content), "%s: run go run ./chaos/cmd/manifests", name)
		found++
		return nil
	})
	require.NoError(t, err)
	require.Len(t, want, found, "a file is missing; run go run ./chaos/cmd/manifests")
}

// The command writes all of it into an empty folder.
func TestRun(t *testing.T) {
	out := t.TempDir()
	require.NoError(t, run(out, filepath.Join(deployed, "values.yaml")))
	v := deployedValues(t)
	want, err := v.files()
	require.NoError(t, err)
	for name, content := range want {
		written, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.Equal(t, string(content), string(written))
	}
	require.ErrorIs(t, run(out, filepath.Join(out, "none.yaml")), os.ErrNotExist)
}

// The vocabulary tells the truth about Kubernetes: a fault that it cannot
// produce has no resource, and one that it can has the kind it names.
func TestVocabularyMatchesResources(t *testing.T) {
	v := deployedValues(t)
	for _, info := range chaos.Faults() {
		objects := chaos.Injection{
			Fault: info.Fault, Factor: 10, Service: chaos.ServiceObjects, Direction: chaos.DirectionBoth,
			Restart: time.Second, At: chaos.At{Call: chaos.ObjectsGet},
		}
		tikv := objects
		tikv.At.Call = chaos.KVCommit
		byObjects, _ := v.resources(objects)
		byTiKV, _ := v.resources(tikv)
		require.Equal(t, info.Kubernetes != chaos.ReachNo, len(byObjects) > 0, info.Fault)
		require.Equal(t, info.Kubernetes == chaos.ReachYes || info.Kubernetes == chaos.ReachNearly, len(byTiKV) > 0, info.Fault)
		for _, r := range append(byObjects, byTiKV...) {
			require.Equal(t, info.Resource, r.kind, info.Fault)
		}
	}
}

// Every scenario has something to apply, and every kind of resource that was
// asked for is among them.
func TestEveryScenarioHasResources(t *testing.T) {
	v := deployedValues(t)
	kinds := map[string]bool{}
	for _, s := range chaos.Scenarios() {
		list, comments := v.plan(s)
		require.NotEmpty(t, list, s.Name)
		require.Len(t, comments, len(s.Inject)+len(s.ClusterOnly), s.Name)
		for _, p := range list {
			kind := p.kind
			for _, f := range p.spec {
				if f.key == "action" {
					kind += " " + f.value.(string)
				}
			}
			kinds[kind] = true
		}
	}
	for _, kind := range []string{
		"PodChaos pod-kill", "PodChaos pod-failure", "PodChaos container-kill", "NetworkChaos delay", "NetworkChaos loss",
		"NetworkChaos partition", "StressChaos", "IOChaos fault", "TimeChaos", "HTTPChaos",
	} {
		require.True(t, kinds[kind], kind)
	}
}

// Namespaces and selectors stand in the values alone: other values, and no
// trace of the old ones is left in any manifest.
func TestValuesReachEverywhere(t *testing.T) {
	v := deployedValues(t)
	other := pods{Namespace: "elsewhere", Labels: map[string]string{"app.kubernetes.io/name": "other"}}
	v.Namespace, v.Release = "elsewhere", "other"
	v.Converter.pods, v.TiKV, v.PD, v.Objects.pods = other, other, other, other
	files, err := v.files()
	require.NoError(t, err)
	for name, content := range files {
		if strings.HasSuffix(name, ".md") || strings.HasPrefix(name, "staging/") {
			continue
		}
		for _, line := range strings.Split(string(content), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, old := range []string{"tidb-cluster", "minio", "basic", "namespace: gauntlet", "- gauntlet"} {
				require.NotContains(t, line, old, name)
			}
			require.NotEqual(t, "app.kubernetes.io/component: worker", strings.TrimSpace(line), name)
		}
	}
}

// Values that would hit every pod, or nothing, are refused.
func TestBadValues(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(deployed, "values.yaml"))
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{"release: gauntlet", "release: ''", "must be given"},
		{"releas", "relaese\nreleas", "load error"},
		{"duration: 10m", "duration: -10m", "must be above 0s"},
		{"duration: 10m", "duration: ten", "ten"},
		{"duration: 10m", "durations: 10m", "durations"},
		{"loss: 30", "loss: 130", "loss from 1 to 100"},
		{"namespace: minio", "namespace: ''", "objects: namespace and labels must be given"},
	} {
		require.Contains(t, string(good), c.old)
		path := filepath.Join(t.TempDir(), "values.yaml")
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(good), c.old, c.new, 1)), 0o600))
		_, err := readValues(path)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, path)
	}
}

// The workflow runs every scenario, each followed by time to recover.
func TestWorkflowRunsAllInTurn(t *testing.T) {
	v := deployedValues(t)
	entry := v.templates()[1].value.([]object)[0]
	turns := entry[2].value.([]string)
	for _, s := range chaos.Scenarios() {
		at := slices.Index(turns, s.Name)
		require.GreaterOrEqual(t, at, 0, s.Name)
		require.Equal(t, "recover-from-"+s.Name, turns[at+1])
	}
	require.Len(t, turns, 2*len(chaos.Scenarios()))
}
