package chaos_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
)

// The scenarios are the thirteen of the specification; each says what it is
// about, and refers only to what the vocabulary has.
func TestScenarios(t *testing.T) {
	var names []string
	for _, s := range chaos.Scenarios() {
		names = append(names, s.Name)
		found, ok := chaos.LookupScenario(s.Name)
		require.True(t, ok)
		require.Equal(t, s, found)
		for _, text := range []string{s.Title, s.Tests, s.Liveness} {
			require.NotEmpty(t, text, s.Name)
		}
		require.Positive(t, s.Workers)
		require.Positive(t, s.Batches)
		require.Positive(t, s.Units)
		require.NotEmpty(t, s.Inject, s.Name)
		require.NotEmpty(t, s.Observe, s.Name)
		for _, mark := range s.Observe {
			require.NotEmpty(t, chaos.MarkMeaning(mark), "%s: %s", s.Name, mark)
		}
		for _, in := range s.Inject {
			checkInjection(t, s.Name, in, chaos.ReachYes)
		}
		for _, in := range s.ClusterOnly {
			checkInjection(t, s.Name, in, chaos.ReachNo)
		}
	}
	require.Equal(t, strings.Fields(`worker-crash partition-tikv slow-worker merge-race storage-failure out-of-memory
		spot-termination workers-lost lost-commit-reply zombie-merger weak-object-store rolling-restart clock-skew`), names)
	_, ok := chaos.LookupScenario("fire")
	require.False(t, ok)
}

func checkInjection(t *testing.T, scenario string, in chaos.Injection, simulator chaos.Reach) {
	info, ok := chaos.FaultInfoOf(in.Fault)
	require.True(t, ok, "%s: %s", scenario, in.Fault)
	require.Equal(t, simulator, info.Simulator, "%s: %s", scenario, in.Fault)
	at := in.At
	if at.Call != chaos.Work {
		name := strings.Trim(at.Step+"/"+at.Call, "/")
		catalogue := protocol.Catalogue()
		_, known := catalogue.Lookup(name)
		require.True(t, known || name == "", "%s: %s", scenario, name)
	}
	require.True(t, at.NthTo == 0 || at.NthTo >= at.Nth && at.Nth >= 1, "%s: %+v", scenario, at)
	require.Contains(t, []chaos.Phase{"", chaos.Before, chaos.Applied, chaos.After}, at.Phase)
	require.Equal(t, in.Fault == chaos.Partition, in.Service != "" && in.Direction != "", "%s: %+v", scenario, in)
	require.Equal(t, in.Fault == chaos.Slow, in.Factor > 1, "%s: %+v", scenario, in)
	require.Equal(t, in.Fault == chaos.Skew, in.Offset != 0, "%s: %+v", scenario, in)
	require.Equal(t, in.Fault == chaos.Drift, in.PPM != 0, "%s: %+v", scenario, in)
	require.Equal(t, in.Fault == chaos.Terminate, in.Grace > 0, "%s: %+v", scenario, in)
	lasts := in.Fault == chaos.Pause || in.Fault == chaos.Partition || in.Fault == chaos.Delay
	require.True(t, !lasts || in.Span(chaos.StaleAfter) > 0, "%s: %+v", scenario, in)
}

// All marks are the specification's, each with a meaning.
func TestMarks(t *testing.T) {
	require.Equal(t, strings.Fields(`takeover_after_expiry conflict_at_commit undetermined_applied
		undetermined_not_applied crash_between_prewrite_and_commit resume_from_checkpoint zombie_complete_refused
		zombie_flip_refused merge_takeover late_execution double_takeover resume_open_upload cancel_wins cancel_loses
		scanner_takeover dead_letter drain_mid_unit list_page_failed attempt_timed_out late_request_of_old_run
		retry_after_unavailable reconnected`), chaos.Marks())
	require.Empty(t, chaos.MarkMeaning("fire"))
}

func TestSpan(t *testing.T) {
	in := chaos.Injection{For: time.Minute, Leases: 1.5}
	require.Equal(t, 510*time.Second, in.Span(chaos.StaleAfter))
	require.Equal(t, 75*time.Second, in.Span(10*time.Second))
}

// What an Injector can make of each scenario around real stores.
func TestScenarioConfigs(t *testing.T) {
	datadriven.RunTest(t, "testdata/scenarios", func(t *testing.T, d *datadriven.TestData) string {
		var b strings.Builder
		for _, s := range chaos.Scenarios() {
			config, ok := s.Config(1)
			if !ok {
				fmt.Fprintf(&b, "# %s: nothing that concerns single calls\n", s.Name)
				continue
			}
			require.NoError(t, config.Validate(protocol.Catalogue()), s.Name)
			require.Equal(t, injectable(s), points(config), "%s: two injections want one point", s.Name)
			fmt.Fprintf(&b, "# %s\n%s", s.Name, config.Marshal())
		}
		return b.String()
	})
}

// injectable counts the injections of a scenario that concern single calls.
func injectable(s chaos.Scenario) (n int) {
	for _, in := range s.Inject {
		if info, _ := chaos.FaultInfoOf(in.Fault); info.Injector != "" {
			n++
		}
	}
	return n
}

// points counts what a configuration sets.
func points(config chaos.Config) (n int) {
	for _, rule := range config.Rules {
		for _, set := range []bool{rule.FailBefore != nil, rule.FailAfter != nil, rule.DelayBefore != nil, rule.DelayAfter != nil} {
			if set {
				n++
			}
		}
	}
	return n
}
