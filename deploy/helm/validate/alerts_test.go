package validate

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
)

const operating = "../../../docs/OPERATING.md"

var metricName = regexp.MustCompile(`\bgauntlet_[a-z_]+`)

// TestAlerts: the rules are Prometheus's, read metrics that the worker has, and
// each has its runbook.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(chart + "/rules/alerts.yaml")
	require.NoError(t, err)
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	runbook, err := os.ReadFile(operating)
	require.NoError(t, err)
	known := workerMetrics(t)
	alerts := 0
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			alerts++
			require.Contains(t, []string{"critical", "warning"}, rule.Labels["severity"], rule.Alert)
			require.Equal(t, "docs/OPERATING.md#"+strings.ToLower(rule.Alert), rule.Annotations["runbook"])
			require.True(t, strings.Contains(string(runbook), "\n### "+rule.Alert+"\n"), "docs/OPERATING.md has no runbook for %s", rule.Alert)
			names := metricName.FindAllString(rule.Expr, -1)
			require.NotEmpty(t, names, rule.Alert)
			for _, name := range names {
				require.True(t, known[name], "%s reads %s, which no worker has", rule.Alert, name)
			}
		}
	}
	require.Greater(t, alerts, 10)
	require.Equal(t, alerts, strings.Count(string(runbook), "\n### Gauntlet"), "a runbook without an alert")

	rules := of[monitoring.PrometheusRule](rendered(t)["everything"])[0]
	require.Len(t, rules.Spec.Groups[0].Rules, alerts)
	require.Equal(t, "prometheus", rules.Labels["release"])
	for _, c := range of[core.ConfigMap](rendered(t)["bare"]) {
		if file, ok := c.Data["alerts.yaml"]; ok {
			_, errs := rulefmt.Parse([]byte(file), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			require.Empty(t, errs)
		}
	}
}

// workerMetrics are the names of the worker's table of metrics, as the source
// has it: the worker's own module is not linked for its names.
func workerMetrics(t *testing.T) map[string]bool {
	source, err := os.ReadFile("../../../cmd/worker/daemon/metrics.go")
	require.NoError(t, err)
	known := map[string]bool{"gauntlet_process_info": true, "gauntlet_ready": true}
	for _, row := range regexp.MustCompile(`(?m)^\t\{"([a-z_]+)", "`).FindAllStringSubmatch(string(source), -1) {
		known["gauntlet_"+row[1]] = true
	}
	require.Greater(t, len(known), 20)
	return known
}

// TestMetricsAreExplained: docs/OPERATING.md says what each metric means.
func TestMetricsAreExplained(t *testing.T) {
	text, err := os.ReadFile(operating)
	require.NoError(t, err)
	for name := range workerMetrics(t) {
		require.True(t, strings.Contains(string(text), "\n| `"+name+"` |"), "docs/OPERATING.md has no row %s", name)
	}
}
