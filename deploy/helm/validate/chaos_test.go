package validate

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

const manifests = "../../chaos-mesh"

// selection is one selector of a manifest, with what it does to the pods.
type selection struct {
	Namespaces     []string          `json:"namespaces"`
	LabelSelectors map[string]string `json:"labelSelectors"`

	containers []string
	volume     string
	target     bool // the other side of a network fault
}

// selections finds every selector in a manifest, however deep.
func selections(t *testing.T, node any, target bool) (found []selection) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			found = append(found, selections(t, child, target)...)
		}
	case map[string]any:
		if raw, ok := node["selector"]; ok {
			text, err := sigsyaml.Marshal(raw)
			require.NoError(t, err)
			one := selection{target: target}
			require.NoError(t, sigsyaml.UnmarshalStrict(text, &one))
			for _, c := range asList(node["containerNames"]) {
				one.containers = append(one.containers, c.(string))
			}
			one.volume, _ = node["volumePath"].(string)
			found = append(found, one)
		}
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if key != "selector" {
				found = append(found, selections(t, node[key], target || key == "target")...)
			}
		}
	}
	return found
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// TestChaosSelectsTheChart: what the manifests of deploy/chaos-mesh select, the
// chart makes, in whichever way it is installed under the name and namespace of
// their values.yaml; and what they select besides, the chart may connect to.
func TestChaosSelectsTheChart(t *testing.T) {
	text, err := os.ReadFile(manifests + "/values.yaml")
	require.NoError(t, err)
	var chaos struct {
		Namespace, Release string
		Converter          struct{ Namespace string }
		Objects            struct {
			Port   int
			Bucket string
		}
	}
	require.NoError(t, sigsyaml.Unmarshal(text, &chaos))
	require.Equal(t, here, release{chaos.Release, chaos.Converter.Namespace})
	files, err := filepath.Glob(manifests + "/*.yaml")
	require.NoError(t, err)
	all := rendered(t)
	ours, others := 0, 0
	for _, file := range files {
		if filepath.Base(file) == "values.yaml" {
			continue
		}
		here := 0
		for _, s := range selectionsOf(t, file) {
			if !slices.Contains(s.Namespaces, chaos.Converter.Namespace) {
				others++
				require.True(t, reaches(t, all["default"], s), "%s: the chart's pods may not connect to %v", file, s)
				continue
			}
			here++
			for way, objects := range all {
				require.True(t, makes(objects, s), "%s selects no pod of the chart (%s): %+v", file, way, s)
			}
		}
		ours += here
	}
	require.Greater(t, ours, 40, "selectors of the chart's pods")
	require.Greater(t, others, 20, "selectors of stores")

	objects := all["default"]
	policies := of[networking.NetworkPolicy](objects)
	require.True(t, slices.ContainsFunc(policies[0].Spec.Egress, func(r networking.NetworkPolicyEgressRule) bool {
		return slices.ContainsFunc(r.Ports, func(p networking.NetworkPolicyPort) bool { return p.Port.IntValue() == chaos.Objects.Port })
	}), "the object store's port")
}

func selectionsOf(t *testing.T, file string) (found []selection) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		var node any
		require.NoError(t, sigsyaml.Unmarshal(document, &node))
		found = append(found, selections(t, node, false)...)
	}
}

// makes reports whether some Deployment makes pods that a selector selects, with
// the containers and the volume that it names.
func makes(objects []runtime.Object, s selection) bool {
	return slices.ContainsFunc(of[apps.Deployment](objects), func(d *apps.Deployment) bool {
		pod := d.Spec.Template
		container := pod.Spec.Containers[0]
		volume := s.volume == ""
		for _, m := range container.VolumeMounts {
			volume = volume || m.MountPath == s.volume
		}
		return slices.Contains(s.Namespaces, d.Namespace) && labels.SelectorFromSet(s.LabelSelectors).Matches(labels.Set(pod.Labels)) &&
			volume && !slices.ContainsFunc(s.containers, func(name string) bool { return name != container.Name })
	})
}

// reaches reports whether the chart's pods may connect to the pods of a store.
func reaches(t *testing.T, objects []runtime.Object, s selection) bool {
	for _, p := range of[networking.NetworkPolicy](objects) {
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				namespaces := map[string]string{"kubernetes.io/metadata.name": s.Namespaces[0]}
				if selects(t, peer.NamespaceSelector, namespaces) && selects(t, peer.PodSelector, s.LabelSelectors) {
					return true
				}
			}
		}
	}
	return false
}
