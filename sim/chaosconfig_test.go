package sim_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

func underChaos(config chaos.Config) sim.Target {
	t := suite.Target()
	t.Calm = true
	t.Inject = func(sim.Assembly) []fault.Injector {
		return []fault.Injector{inject.Config(config, protocol.Catalogue())}
	}
	return t
}

// fired counts the faults of a configuration that took effect, by kind, in a
// few universes of an arm, or of those that the seeds draw.
func fired(t *testing.T, arm, text string) (map[string]int, *sweep.Totals) {
	config, err := chaos.Parse("test.yaml", []byte(text), protocol.Catalogue())
	require.NoError(t, err)
	target := underChaos(config)
	target.Arm = arm
	totals, err := sweep.Run(target, sweep.Options{Base: 1, Count: configSeeds()}, func(r *sim.Result) bool {
		require.Nil(t, r.Violation, "seed 0x%x", r.Seed)
		plan, err := plan.Parse("printed", []byte(r.Plan.String()))
		require.NoError(t, err)
		replayed, err := sim.Replay(suite.Target(), plan)
		require.NoError(t, err)
		require.Equal(t, r.Hash, replayed.Hash, "seed 0x%x: its plan replays another run", r.Seed)
		return true
	})
	require.NoError(t, err)
	return totals.Fired, totals
}

// configSeeds is in how many universes a configuration is tried.
func configSeeds() int {
	if testing.Short() {
		return 8
	}
	return 40
}

// A configuration means in the simulator what it means around real stores, and
// the plan of a run needs the configuration no more.
func TestChaosConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		kinds      []string
	}{
		{"refusals", "operations:\n  kv.begin: {fail_before: {rate: 0.02}}\n", []string{"refuse"}},
		{"lost requests", "operations:\n  kv.commit: {fail_before: {rate: 0.05, error: undetermined}}\n", []string{"lose-request"}},
		{"lost replies", "operations:\n  flip/kv.commit: {fail_after: {once: true}}\n", []string{"lose-reply"}},
		{"conflicts", "operations:\n  kv.commit: {fail_before: {rate: 0.1, error: conflict}}\n", []string{"conflict"}},
		{"uploads", "operations:\n  objects.upload_part: {fail_before: {nth: [1, 4], error: not_found}}\n", []string{"expire-upload"}},
		{"delays", "operations:\n  kv.get: {delay_before: {rate: 0.1, for: 100ms..2s}, delay_after: {rate: 0.1, for: 1s}}\n", []string{"delay", "delay-reply"}},
		{"steps", "operations:\n  convert: {fail_before: {nth: [1]}, fail_after: {nth: [2]}}\n  heartbeat: {delay_before: {rate: 0.2, for: 1s}}\n", []string{"refuse", "lose-reply", "delay"}},
		{"prewrites", "operations:\n  kv.prewrite: {fail_after: {rate: 0.05}}\n", []string{"lose-reply"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kinds, _ := fired(t, "", c.text)
			for _, kind := range c.kinds {
				require.NotZero(t, kinds[kind], "%s never fired", kind)
			}
			require.Len(t, kinds, len(c.kinds), "%v", kinds)
		})
	}
}

// Numbers are counted per process, and once means once; the most specific rule
// comes first.
func TestChaosConfigCounts(t *testing.T) {
	// Where timers overtake messages, a commit may time out before it is sent, and
	// has no reply to lose.
	_, totals := fired(t, "narrow", `operations:
  submit/kv.commit: {fail_after: {once: true}}
  kv.commit: {fail_after: {nth: [1]}}
`)
	// Only the client submits, and always does; its first commit is that.
	require.Equal(t, configSeeds(), totals.MarkSeeds[inject.MarkPrefix+"submit/kv.commit fail_after"])
	require.Positive(t, totals.Marks[inject.MarkPrefix+"kv.commit fail_after"])
}

// A failure of a call lasts as long as the store's client tries; it is counted
// once, however often that is.
func TestChaosConfigFailsCalls(t *testing.T) {
	config, err := chaos.Parse("test.yaml", []byte("operations:\n  submit/kv.commit: {fail_before: {nth: [1], error: unavailable}}\n"), protocol.Catalogue())
	require.NoError(t, err)
	target := underChaos(config)
	target.Vary = func(c *sim.Config, _ sim.Assembly) { c.Arm, c.LatencyMax = "narrow", 20*time.Millisecond }
	r, err := sim.Run(target, 3)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.Greater(t, len(r.Fired), 1, "the client's repetitions are refused, too")
	for _, f := range r.Fired {
		require.Equal(t, "client", f.At.Process)
	}
}

// The example in testdata runs, and every one of its points takes effect.
func TestChaosExample(t *testing.T) {
	text, err := os.ReadFile("testdata/chaos/good.yaml")
	require.NoError(t, err)
	config, err := chaos.Parse("good.yaml", text, protocol.Catalogue())
	require.NoError(t, err)
	count := 300
	if testing.Short() {
		count = 20 // which need not show every point
	}
	totals, err := sweep.Run(underChaos(config), sweep.Options{Base: 1, Count: count}, func(r *sim.Result) bool {
		require.Nil(t, r.Violation, "seed 0x%x", r.Seed)
		return true
	})
	require.NoError(t, err)
	for _, name := range inject.Points(config, protocol.Catalogue()) {
		require.True(t, totals.Marks[inject.MarkPrefix+name] > 0 || testing.Short(), name)
	}
}
