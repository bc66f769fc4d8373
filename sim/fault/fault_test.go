package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

var scale = fault.Scale{
	Magnitudes: []time.Duration{5 * time.Second, 3 * time.Second}, Leases: []time.Duration{time.Minute},
	MaxInFlight: time.Minute, GiveUp: 15 * time.Second, LongWork: time.Hour, MayDie: true,
}

// crossing is a call of an operation by a process that may die.
func crossing(op ops.Op) *fault.Crossing {
	return &fault.Crossing{Site: &fault.Site{Process: "w0", Task: "worker", Step: "flip", Op: op, Class: "batch", Expendable: true}, Nth: 2}
}

// Every fault that a search can draw or aim, and every milder form of it, reads
// what it prints, and says where it strikes.
func TestDrawnFaultsRoundTrip(t *testing.T) {
	for _, info := range fault.Kinds() {
		t.Run(info.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { roundTrip(t, info) })
		})
	}
}

func roundTrip(t *rapid.T, info *fault.Info) {
	op := rapid.SampledFrom(ops.All()).Filter(info.Strikes).Draw(t, "op")
	draw, limits := keyed.Of(rapid.Uint64().Draw(t, "key")), scale
	f := fault.Draw(info, draw, &limits, crossing(op))
	if info.Aim.Weight > 0 && info.Aim.At(op) {
		f = fault.DrawAimed(info, draw, &limits, crossing(op))
	}
	for _, f := range append(fault.Weaker(f), f) {
		again, err := fault.Parse(f.String())
		require.NoError(t, err, "%s", f)
		require.Equal(t, f.String(), again.String())
		if crash, ok := f.Kind.(*fault.Crash); !ok || !crash.Never {
			require.Equal(t, f.Kind.Lasts(), again.Kind.Lasts(), "%s", f)
		}
	}
}

// The table is complete: every kind says what it is, and strikes something.
func TestKinds(t *testing.T) {
	names := map[string]bool{}
	for _, info := range fault.Kinds() {
		require.False(t, names[info.Name], "two kinds are called %s", info.Name)
		names[info.Name] = true
		require.Regexp(t, "^[a-z]+(-[a-z]+)*$", info.Name)
		require.NotEmpty(t, info.About, info.Name)
		require.Contains(t, []string{"yes", "no", "maybe", "-", "yes, perhaps twice"}, info.Effect, info.Name)
		require.Same(t, info, info.New().Info(), "%s makes faults of another kind", info.Name)
		strikes := 0
		for _, op := range ops.All() {
			if info.CanStrike(op, false) {
				strikes++
			}
			require.False(t, info.SparesClients && info.CanStrike(op, true), "%s strikes clients", info.Name)
		}
		require.Positive(t, strikes, "%s strikes nothing", info.Name)
		require.Positive(t, info.Share, "%s is never drawn", info.Name)
	}
	require.GreaterOrEqual(t, len(names), 19)
}
