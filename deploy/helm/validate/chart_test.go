package validate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

const chart = "../gauntlet"

var here = release{name: "gauntlet", namespace: "gauntlet"}

// parse reads values as an operator writes them.
func parse(t *testing.T, text string) map[string]any {
	values := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &values))
	return values
}

func readValues(t *testing.T, file string) map[string]any {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return parse(t, string(text))
}

const everything = `
image: {tag: v1, pullSecrets: [registry]}
credentials: {secretName: keys}
tls: {tikv: {secretName: tikv-certs}, s3: {secretName: s3-certs, clientCertificate: true}}
codecConfig: |
  fps: 30
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/x"}}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
alerts: {enabled: true, labels: {release: prometheus}}
podDisruptionBudget: {maxUnavailable: 25%}
deployments:
  unified:
    autoscaling: {enabled: true}
    config: {slots: 4}
    nodeSelector: {disk: fast}
    tolerations: [{key: spot, operator: Exists}]
    affinity: {nodeAffinity: {}}
`

// rendered are the ways to install the chart.
func rendered(t *testing.T) map[string][]runtime.Object {
	ways := map[string]map[string]any{
		"default":    {},
		"split":      readValues(t, chart+"/values-split.yaml"),
		"everything": parse(t, everything),
		"bare":       parse(t, "{podDisruptionBudget: {enabled: false}, networkPolicy: {enabled: false}, metrics: {annotations: false}, alerts: {enabled: true, kind: ConfigMap}}"),
	}
	all := map[string][]runtime.Object{}
	for name, values := range ways {
		objects, err := render(chart, here, values)
		require.NoError(t, err, name)
		all[name] = objects
	}
	return all
}

// of picks the objects of one type.
func of[T any](objects []runtime.Object) (found []*T) {
	for _, object := range objects {
		if one, ok := any(object).(*T); ok {
			found = append(found, one)
		}
	}
	return found
}

// TestWhatIsInstalled counts, so that nothing is lost by an `if`.
func TestWhatIsInstalled(t *testing.T) {
	all := rendered(t)
	for name, want := range map[string]struct{ deployments, scalers, budgets, policies, rules int }{
		"default":    {1, 0, 1, 1, 0},
		"split":      {3, 1, 3, 1, 0},
		"everything": {1, 1, 1, 1, 1},
		"bare":       {1, 0, 0, 0, 0},
	} {
		objects := all[name]
		require.Len(t, of[apps.Deployment](objects), want.deployments, name)
		require.Len(t, of[autoscaling.HorizontalPodAutoscaler](objects), want.scalers, name)
		require.Len(t, of[policy.PodDisruptionBudget](objects), want.budgets, name)
		require.Len(t, of[networking.NetworkPolicy](objects), want.policies, name)
		require.Len(t, of[monitoring.PrometheusRule](objects), want.rules, name)
		require.Len(t, of[core.ServiceAccount](objects), 1, name)
	}
	require.Len(t, of[core.ConfigMap](all["bare"]), 2, "settings, and alerts")
	require.NotNil(t, of[apps.Deployment](all["default"])[0].Spec.Replicas)
	require.Nil(t, of[apps.Deployment](all["everything"])[0].Spec.Replicas, "the autoscaler's")
}

// TestObjectsBelongTogether: names and labels are valid, and what an object
// names is there.
func TestObjectsBelongTogether(t *testing.T) {
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			for _, object := range objects {
				m := object.(meta.Object)
				id := fmt.Sprintf("%T %s", object, m.GetName())
				require.False(t, seen[id], id)
				seen[id] = true
				require.Equal(t, here.namespace, m.GetNamespace(), id)
				require.Empty(t, validation.IsDNS1123Subdomain(m.GetName()), id)
				require.LessOrEqual(t, len(m.GetName()), 63, id)
				checkLabels(t, m.GetLabels())
			}
			for _, d := range of[apps.Deployment](objects) {
				checkDeployment(t, d, objects)
			}
		})
	}
}

func checkLabels(t *testing.T, set map[string]string) {
	for key, value := range set {
		require.Empty(t, validation.IsQualifiedName(key), key)
		require.Empty(t, validation.IsValidLabelValue(value), value)
	}
}

func selects(t *testing.T, selector *meta.LabelSelector, set map[string]string) bool {
	s, err := meta.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(labels.Set(set))
}

func checkDeployment(t *testing.T, d *apps.Deployment, objects []runtime.Object) {
	pod := d.Spec.Template
	checkLabels(t, pod.Labels)
	for _, other := range of[apps.Deployment](objects) {
		require.Equal(t, other == d, selects(t, other.Spec.Selector, pod.Labels), "%s takes the pods of %s", other.Name, d.Name)
	}
	for _, p := range of[networking.NetworkPolicy](objects) {
		require.True(t, selects(t, &p.Spec.PodSelector, pod.Labels))
		require.Equal(t, []networking.PolicyType{"Ingress", "Egress"}, p.Spec.PolicyTypes)
	}
	budgets := 0
	for _, b := range of[policy.PodDisruptionBudget](objects) {
		if selects(t, b.Spec.Selector, pod.Labels) {
			budgets++
		}
	}
	require.LessOrEqual(t, budgets, 1, "a pod of two budgets cannot be evicted")
	for _, h := range of[autoscaling.HorizontalPodAutoscaler](objects) {
		require.True(t, slices.ContainsFunc(of[apps.Deployment](objects), func(d *apps.Deployment) bool {
			return d.Name == h.Spec.ScaleTargetRef.Name && d.Spec.Replicas == nil
		}), h.Name)
	}
	require.Equal(t, of[core.ServiceAccount](objects)[0].Name, pod.Spec.ServiceAccountName)
	checkVolumes(t, &pod, objects)
}

// checkVolumes: every mount has its volume, every volume its mount, and the
// settings are where the worker looks for them.
func checkVolumes(t *testing.T, pod *core.PodTemplateSpec, objects []runtime.Object) {
	worker := pod.Spec.Containers[0]
	mounted := map[string]string{}
	for _, m := range worker.VolumeMounts {
		mounted[m.Name] = m.MountPath
	}
	require.Len(t, mounted, len(pod.Spec.Volumes))
	for _, v := range pod.Spec.Volumes {
		require.NotEmpty(t, mounted[v.Name], v.Name)
		if v.ConfigMap == nil {
			continue
		}
		at := slices.IndexFunc(of[core.ConfigMap](objects), func(c *core.ConfigMap) bool { return c.Name == v.ConfigMap.Name })
		require.GreaterOrEqual(t, at, 0, "no ConfigMap %s", v.ConfigMap.Name)
		settings := map[string]any{}
		require.NoError(t, yaml.UnmarshalStrict([]byte(of[core.ConfigMap](objects)[at].Data["worker.yaml"]), &settings))
		require.NotEmpty(t, settings["pd"])
		require.NotEmpty(t, settings["s3-bucket"])
		require.Contains(t, worker.Args, "--config="+mounted[v.Name]+"/worker.yaml")
	}
	for _, arg := range worker.Args {
		_, path, found := strings.Cut(arg, "=/")
		if !found {
			continue
		}
		require.True(t, slices.ContainsFunc(worker.VolumeMounts, func(m core.VolumeMount) bool {
			return strings.HasPrefix("/"+path, m.MountPath)
		}), "nothing is mounted for %s", arg)
	}
}

// TestLeastRights: no right in the cluster, none on the node.
func TestLeastRights(t *testing.T) {
	for name, objects := range rendered(t) {
		for _, object := range objects {
			kind := reflect.TypeOf(object).Elem().Name()
			require.NotContains(t, []string{"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"}, kind, name)
		}
		require.Equal(t, false, *of[core.ServiceAccount](objects)[0].AutomountServiceAccountToken)
		for _, d := range of[apps.Deployment](objects) {
			checkRights(t, &d.Spec.Template.Spec)
		}
	}
}

func checkRights(t *testing.T, pod *core.PodSpec) {
	require.Equal(t, false, *pod.AutomountServiceAccountToken)
	require.Equal(t, true, *pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	require.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
	for _, v := range pod.Volumes {
		require.Nil(t, v.HostPath)
	}
	for _, c := range pod.Containers {
		require.Equal(t, false, *c.SecurityContext.AllowPrivilegeEscalation)
		require.Equal(t, true, *c.SecurityContext.ReadOnlyRootFilesystem)
		require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
		require.Nil(t, c.SecurityContext.Capabilities.Add)
		require.False(t, c.Resources.Limits.Memory().IsZero())
	}
}

// TestGraceFitsThePod: the worker ends by itself before it is killed.
func TestGraceFitsThePod(t *testing.T) {
	objects, err := render(chart, here, parse(t, "terminationGracePeriodSeconds: 90"))
	require.NoError(t, err)
	pod := of[apps.Deployment](objects)[0].Spec.Template.Spec
	require.Equal(t, int64(90), *pod.TerminationGracePeriodSeconds)
	require.Contains(t, pod.Containers[0].Args, "--grace=85s")
}

// TestWorkerTakesTheChart: the worker itself, as built for its image, accepts the
// arguments and the file that each Deployment gives it.
func TestWorkerTakesTheChart(t *testing.T) {
	worker := filepath.Join(build(t, "worker.Dockerfile"), "worker")
	ran := 0
	all := rendered(t)
	kind, err := render(chart, here, readValues(t, "../../kind/values.yaml"))
	require.NoError(t, err)
	all["kind"] = kind
	for way, objects := range all {
		files := map[string]string{}
		for _, c := range of[core.ConfigMap](objects) {
			files[c.Name] = t.TempDir()
			for name, text := range c.Data {
				require.NoError(t, os.WriteFile(filepath.Join(files[c.Name], name), []byte(text), 0o600))
			}
		}
		for _, d := range of[apps.Deployment](objects) {
			args := slices.Clone(d.Spec.Template.Spec.Containers[0].Args)
			require.Equal(t, "run", args[0])
			args[0] = "config"
			for i, arg := range args {
				args[i] = strings.ReplaceAll(arg, "/etc/gauntlet/files", files[d.Name])
			}
			cmd := exec.Command(worker, args...)
			cmd.Env = []string{"GAUNTLET_NAME=gauntlet-unified-7d9f5c-x2x9z"}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %v: %s", way, args, out)
			ran++
		}
	}
	require.GreaterOrEqual(t, ran, 7)
}

// TestSettingsOfADeployment are laid over those of all, and a change of them
// restarts its pods alone.
func TestSettingsOfADeployment(t *testing.T) {
	hash := func(slots string) map[string]string {
		objects, err := render(chart, here, parse(t, `{deployments: {unified: {config: {slots: `+slots+`}}, more: {roles: [worker], resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}}}}`))
		require.NoError(t, err)
		hashes := map[string]string{}
		for _, d := range of[apps.Deployment](objects) {
			hashes[d.Name] = d.Spec.Template.Annotations["gauntlet-dst.github.io/config"]
		}
		for _, c := range of[core.ConfigMap](objects) {
			require.Equal(t, c.Name == "gauntlet-unified", strings.Contains(c.Data["worker.yaml"], "slots: "+slots), c.Name)
		}
		return hashes
	}
	one, two := hash("1"), hash("2")
	require.Len(t, one, 2)
	require.NotEqual(t, one["gauntlet-unified"], two["gauntlet-unified"])
	require.Equal(t, one["gauntlet-more"], two["gauntlet-more"])
}

// TestAnotherRelease has names of its own.
func TestAnotherRelease(t *testing.T) {
	objects, err := render(chart, release{"staging-of-a-very-long-name-indeed", "other"}, nil)
	require.NoError(t, err)
	for _, object := range objects {
		m := object.(meta.Object)
		require.True(t, strings.HasPrefix(m.GetName(), "staging-of-"), m.GetName())
		require.Equal(t, "other", m.GetNamespace())
	}
}

// TestBadValues: each is refused, in one line that names the place.
func TestBadValues(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 3":                                                   "additional properties 'replicas' not allowed",
		"image: {repository: ''}":                                       "at '/image/repository': minLength",
		"image: {tag: 'a b'}":                                           "at '/image/tag': 'a b' does not match pattern",
		"image: {pullPolicy: Sometimes}":                                "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
		"deployments: {unified: {roles: []}}":                           "at '/deployments/unified/roles': minItems",
		"deployments: {unified: {roles: [cook]}}":                       "at '/deployments/unified/roles/0': value must be one of",
		"deployments: {unified: {replicas: two}}":                       "at '/deployments/unified/replicas': got string, want integer",
		"deployments: {unified: {replicas: -1}}":                        "at '/deployments/unified/replicas': minimum",
		"deployments: {unified: {autoscaling: {targetCPU: 200}}}":       "at '/deployments/unified/autoscaling/targetCPU': maximum",
		"deployments: {unified: {resources: {limits: {memory: lots}}}}": "at '/deployments/unified/resources/limits/memory'",
		"deployments: {Big: {roles: [worker], resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}}}": "at '/deployments': additional properties 'Big' not allowed",
		"deployments: {more: {roles: [worker]}}":             "at '/deployments/more': missing property 'resources'",
		"config: {listen: '0.0.0.0:1'}":                      "at '/config/listen'",
		"config: {StaleAfter: 5m}":                           "at '/config': additional properties 'StaleAfter' not allowed",
		"config: {pd: [http://pd:2379]}":                     "at '/config/pd/0': 'http://pd:2379' does not match pattern",
		"config: {s3-bucket: ''}":                            "at '/config/s3-bucket': minLength",
		"config: {slots: {a: 1}}":                            "at '/config/slots': got object",
		"terminationGracePeriodSeconds: 5":                   "at '/terminationGracePeriodSeconds': minimum",
		"podDisruptionBudget: {maxUnavailable: some}":        "at '/podDisruptionBudget/maxUnavailable'",
		"networkPolicy: {egress: [{to: [{}]}]}":              "at '/networkPolicy/egress/0': missing property 'ports'",
		"alerts: {kind: Mail}":                               "at '/alerts/kind': value must be one of",
		"tls: {tikv: {secret: x}}":                           "additional properties 'secret' not allowed",
		"deployments: {unified: null}":                       "at '/deployments': minProperties",
		"deployments: {unified: {roles: [worker]}}":          "deployments: nobody plays the role scanner, and no batch ever ends",
		"deployments: {unified: {roles: [unified, worker]}}": "deployments.unified.roles: unified is all roles, and stands alone",
		"deployments: {unified: {autoscaling: {enabled: true, minReplicas: 9, maxReplicas: 3}}}": "deployments.unified.autoscaling: minReplicas 9 is above maxReplicas 3",
	} {
		_, err := render(chart, here, parse(t, values))
		require.Error(t, err, values)
		require.Contains(t, err.Error(), want, values)
		require.Equal(t, 1, complaints(err), "%s: %v", values, err)
	}
}

// complaints counts what an error complains about: a line each of the schema, or
// the chart's own.
func complaints(err error) (n int) {
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		if strings.HasPrefix(line, "- at ") || strings.HasPrefix(line, "execution error at ") {
			n++
		}
	}
	return n
}
