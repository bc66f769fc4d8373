package show

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234: "-1,234", -123: "-123", 1234567: "1,234,567"} {
		require.Equal(t, want, Number(n))
	}
	require.Equal(t, "1 unit", Count(1, "unit"))
	require.Equal(t, "0 units", Count(0, "unit"))
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KiB", 1536: "1.5 KiB", 200 << 10: "200 KiB", 3 << 30: "3.0 GiB", 5000 << 40: "5000 TiB"} {
		require.Equal(t, want, Bytes(n))
	}
}

// TestProgress: a batch that goes on evenly shows its rate and the time that is
// left; one that ends, or begins again, shows neither.
func TestProgress(t *testing.T) {
	var p Progress
	s := core.BatchStatus{Namespace: "lab", Name: "kitchen", Generation: 1, Phase: core.PhaseRunning, Total: 10}
	for second := range 6 {
		s.Complete, s.Frames = second, int64(1000*second)
		p.See(&s, time.Duration(second)*time.Second)
	}
	require.InDelta(t, 1000, p.Rate, 1e-9)
	require.Equal(t, 5*time.Second, p.Left)
	require.Equal(t, "lab/kitchen  running      [##########..........]  5 of 10 units  5,000 frames  1,000/s  5s left", p.Line(&s))
	s.Failed, s.Dead = 1, 2
	require.Contains(t, p.Line(&s), "  1 failed  2 dead")

	s.Phase, s.Complete, s.Failed, s.Dead = core.PhaseComplete, 10, 0, 0
	p.See(&s, 7*time.Second)
	require.Equal(t, "lab/kitchen  complete     [####################]  10 of 10 units  5,000 frames", p.Line(&s))

	again := core.BatchStatus{Namespace: "lab", Name: "kitchen", Generation: 2, Phase: core.PhasePending}
	p.See(&again, 8*time.Second)
	require.Equal(t, "lab/kitchen  pending    ", p.Line(&again))
}

// TestProgressNeverLies: whatever statuses come, also ones that go back when a
// checkpoint is lost, the rate and the time are not negative.
func TestProgressNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Progress
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "looks") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "passed"))
			s := core.BatchStatus{
				Generation: rapid.Uint64Range(1, 2).Draw(t, "generation"), Phase: core.PhaseRunning,
				Total: rapid.IntRange(0, 9).Draw(t, "total"), Frames: rapid.Int64Range(0, 1e6).Draw(t, "frames"),
			}
			s.Complete = rapid.IntRange(0, s.Total).Draw(t, "complete")
			p.See(&s, now)
			require.GreaterOrEqual(t, p.Rate, 0.0)
			require.GreaterOrEqual(t, p.Left, time.Duration(0))
			require.NotEmpty(t, p.Line(&s))
		}
	})
}
