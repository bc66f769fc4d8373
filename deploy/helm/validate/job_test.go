package validate

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

func sweep(t *testing.T) ([]runtime.Object, *batch.Job) {
	text, err := os.ReadFile("../../sweep/job.yaml")
	require.NoError(t, err)
	objects, err := decode(text)
	require.NoError(t, err)
	require.Len(t, objects, 3)
	return objects, of[batch.Job](objects)[0]
}

// TestSweepJob: as many indexes as shards, with no rights.
func TestSweepJob(t *testing.T) {
	objects, job := sweep(t)
	pod := job.Spec.Template.Spec
	checkRights(t, &pod)
	require.Equal(t, batch.IndexedCompletion, *job.Spec.CompletionMode)
	require.Contains(t, pod.Containers[0].Args, "--shards="+strconv.Itoa(int(*job.Spec.Completions)))
	require.LessOrEqual(t, *job.Spec.MaxFailedIndexes, *job.Spec.Completions)
	require.Equal(t, core.RestartPolicyNever, pod.RestartPolicy, "a policy for failures of pods wants it")
	require.Equal(t, of[core.ServiceAccount](objects)[0].Name, pod.ServiceAccountName)
	require.Equal(t, of[core.ConfigMap](objects)[0].Name, pod.Containers[0].EnvFrom[0].ConfigMapRef.Name)
	require.Equal(t, pod.Containers[0].Name, *job.Spec.PodFailurePolicy.Rules[0].OnExitCodes.ContainerName)
}

// TestSweepRuns runs the job's own command, as built for its image, for one index
// and few seeds, and finds its report in the bucket.
func TestSweepRuns(t *testing.T) {
	objects, job := sweep(t)
	programs := build(t, "sweep.Dockerfile")
	store := objstore.New(objstore.Options{})
	server := httptest.NewServer(s3test.New("sweeps", store))
	t.Cleanup(server.Close)
	values := map[string]string{"SHARD": "3", "plans": t.TempDir()}
	for name, value := range of[core.ConfigMap](objects)[0].Data {
		values[name] = value
	}
	values["SEEDS"], values["ENDPOINT"] = "320", server.URL
	var args []string
	for _, arg := range job.Spec.Template.Spec.Containers[0].Args {
		for name, value := range values {
			arg = strings.ReplaceAll(arg, "$("+name+")", value)
		}
		arg = strings.ReplaceAll(arg, "/plans", values["plans"])
		if arg == "/gauntlet" {
			arg = filepath.Join(programs, "gauntlet")
		}
		require.NotContains(t, arg, "$(", "nothing sets this variable")
		args = append(args, arg)
	}
	cmd := exec.Command(filepath.Join(programs, "s3put"), args...)
	cmd.Env = []string{"JOB_COMPLETION_INDEX=3", "AWS_ACCESS_KEY_ID=access", "AWS_SECRET_ACCESS_KEY=secret"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, report, exists := store.Object("sweeps/1/3/output.log")
	require.True(t, exists, "%s", out)
	require.Contains(t, string(report), `"type":"total"`)
	require.Contains(t, string(report), `"seeds":10`)
	require.Contains(t, string(report), `"shard":"4/32"`)
}

// TestFailuresThatComeBack: the exit codes that the job does not try again are
// those of the command that mean a finding, and never the one that means an
// outage of the store.
func TestFailuresThatComeBack(t *testing.T) {
	_, job := sweep(t)
	values := job.Spec.PodFailurePolicy.Rules[0].OnExitCodes.Values
	require.True(t, slices.Contains(values, 1))
	require.False(t, slices.Contains(values, 0) || slices.Contains(values, 74) || slices.Contains(values, 137))
}
