package process_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

func TestLog(t *testing.T) {
	var out strings.Builder
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})
	mock := clock.NewMock()
	log := process.NewLog(handler, env.Process{Name: "w0", Incarnation: "7"}, utcClock{process.NewClock(mock)})

	require.True(t, log.Enabled(slog.LevelWarn))
	require.False(t, log.Enabled(slog.LevelDebug))
	log.Log(t.Context(), slog.LevelDebug, "dropped")
	log.Log(t.Context(), slog.LevelInfo, "started")
	log.Log(env.WithStep(t.Context(), "claim_unit"), slog.LevelWarn, "lost", slog.Int("epoch", 3))
	require.Equal(t, ""+
		"time=1970-01-01T00:00:00.000Z level=INFO msg=started process=w0 incarnation=7\n"+
		"time=1970-01-01T00:00:00.000Z level=WARN msg=lost process=w0 incarnation=7 step=claim_unit epoch=3\n",
		out.String())
}

// utcClock shows the wall clock in UTC, wherever the test runs.
type utcClock struct{ env.Clock }

func (c utcClock) Now() time.Time { return c.Clock.Now().UTC() }

func TestMetrics(t *testing.T) {
	var m process.Metrics
	var tasks sync.WaitGroup
	for range 10 {
		tasks.Go(func() {
			m.Add("claims_total", 2)
			m.Set("stage_bytes", 512)
		})
	}
	tasks.Wait()
	m.Add("beats_total", 1)
	require.EqualValues(t, 20, m.Counter("claims_total"))
	require.EqualValues(t, 512, m.Gauge("stage_bytes"))
	require.Zero(t, m.Counter("stage_bytes"))

	var out strings.Builder
	n, err := m.WriteTo(&out)
	require.NoError(t, err)
	require.EqualValues(t, out.Len(), n)
	require.Equal(t, `# TYPE beats_total counter
beats_total 1
# TYPE claims_total counter
claims_total 20
# TYPE stage_bytes gauge
stage_bytes 512
`, out.String())
}

func TestRand(t *testing.T) {
	draw := func(seed uint64) []uint64 {
		r := process.NewRand(seed)
		return []uint64{r.Uint64(), r.Uint64(), r.Uint64()}
	}
	require.Equal(t, draw(1), draw(1))
	require.NotEqual(t, draw(1), draw(2))
	require.NotEqual(t, process.RandomSeed(), process.RandomSeed())

	shared := process.NewRand(3)
	seen := make([]uint64, 20)
	var tasks sync.WaitGroup
	for i := range seen {
		tasks.Go(func() { seen[i] = shared.Uint64() })
	}
	tasks.Wait()
	distinct := map[uint64]bool{}
	for _, v := range seen {
		distinct[v] = true
	}
	require.Len(t, distinct, len(seen))
}
