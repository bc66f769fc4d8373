package validate

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	sigsyaml "sigs.k8s.io/yaml"
)

// TestKind: the stores of the nightly cluster are those that the chaos manifests
// and the chart's values name, and its run uses what is there.
func TestKind(t *testing.T) {
	text, err := os.ReadFile("../../kind/stores.yaml")
	require.NoError(t, err)
	stores, err := decode(text)
	require.NoError(t, err)
	places := map[string]map[string]string{} // by "namespace component"
	for _, s := range of[apps.StatefulSet](stores) {
		require.True(t, selects(t, s.Spec.Selector, s.Spec.Template.Labels))
		places[s.Namespace+" "+s.Name] = s.Spec.Template.Labels
	}
	for _, d := range of[apps.Deployment](stores) {
		require.True(t, selects(t, d.Spec.Selector, d.Spec.Template.Labels))
		places[d.Namespace+" "+d.Name] = d.Spec.Template.Labels
	}
	require.Len(t, places, 3)

	text, err = os.ReadFile(manifests + "/values.yaml")
	require.NoError(t, err)
	type pods struct {
		Namespace string
		Labels    map[string]string
	}
	var chaos struct{ TiKV, PD, Objects pods }
	require.NoError(t, sigsyaml.Unmarshal(text, &chaos))
	for _, want := range []pods{chaos.TiKV, chaos.PD, chaos.Objects} {
		found := false
		for place, set := range places {
			found = found || strings.HasPrefix(place, want.Namespace+" ") && isSubset(want.Labels, set)
		}
		require.True(t, found, "nobody in deploy/kind/stores.yaml is %v", want)
	}

	script, err := os.ReadFile("../../kind/run")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`deploy/[A-Za-z./-]+[a-z]`).FindAllString(string(script), -1) {
		if strings.HasSuffix(name, "chaos-mesh") {
			continue
		}
		_, err := os.Stat(root + "/" + name)
		require.NoError(t, err)
	}
	for _, scenario := range []string{"worker-crash", "partition-tikv"} {
		require.Contains(t, string(script), "batch "+scenario+" "+scenario)
		_, err := os.Stat(manifests + "/" + scenario + ".yaml")
		require.NoError(t, err)
	}
	secretsOfTheRun(t, stores)
}

// secretsOfTheRun: the chart's values name a secret that the stores bring.
func secretsOfTheRun(t *testing.T, stores []runtime.Object) {
	values := readValues(t, "../../kind/values.yaml")
	name := values["credentials"].(map[string]any)["secretName"]
	for _, s := range of[core.Secret](stores) {
		if s.Name == name {
			require.Equal(t, here.namespace, s.Namespace)
			require.Contains(t, s.StringData, "AWS_ACCESS_KEY_ID")
			require.Contains(t, s.StringData, "AWS_SECRET_ACCESS_KEY")
			return
		}
	}
	t.Fatalf("no secret %v", name)
}

func isSubset(some, all map[string]string) bool {
	for key, value := range some {
		if all[key] != value {
			return false
		}
	}
	return true
}
