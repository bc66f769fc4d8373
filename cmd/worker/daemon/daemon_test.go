package daemon

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// TestPublishes: one process with all roles converts a batch, and its metrics
// tell.
func TestPublishes(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.submit(3)
	eventually(w, func() bool {
		s, err := w.client.Status(t.Context(), "lab", "kitchen")
		return err == nil && s.Phase == core.PhaseComplete
	}, "not published; the log:\n%s", &w.log)
	w.until("/healthz", http.StatusOK, "alive\n")
	w.until("/readyz", http.StatusOK, "ready\n")
	eventually(w, func() bool {
		_, text := w.get("/metrics")
		return strings.Contains(text, "\ngauntlet_publications_total 1\n")
	}, "no publication counted")
	code, text := w.get("/metrics")
	require.Equal(t, http.StatusOK, code)
	for _, one := range Metrics {
		require.Contains(t, text, "# HELP gauntlet_"+one.Name+" "+one.Meaning+"\n")
	}
	require.Contains(t, text, "\ngauntlet_units_completed_total 3\n")
	require.Contains(t, text, "\ngauntlet_frames_converted_total 60\n")
	require.Contains(t, text, "\ngauntlet_ready 1\n")
	require.Contains(t, text, `process="w0",roles="scanner,controller,worker,reaper,merger,janitor"`)
	require.Contains(t, text, "\ngo_goroutines ")
	code, _ = w.get("/chaos")
	require.Equal(t, http.StatusNotFound, code, "the injector is never served here")

	w.signals <- syscall.SIGTERM
	require.NoError(t, w.end())
}

// TestDrains: after SIGTERM in the middle of a unit the process is alive and not
// ready, gives the unit back at no cost of an attempt, and ends well.
func TestDrains(t *testing.T) {
	g := newGate()
	w := newWorld(t, func(s *Stores) { g.Objects, s.Objects = s.Objects, g })
	g.deaf = true
	w.run()
	w.submit(1)
	<-g.reached
	require.Contains(t, w.rows("unit")[0], "state=processing epoch=1 attempts=1")
	w.until("/readyz", http.StatusOK, "ready\n")
	w.signals <- syscall.SIGTERM
	w.until("/readyz", http.StatusServiceUnavailable, "not ready: draining\n")
	w.until("/healthz", http.StatusOK, "alive\n")
	close(g.open)
	require.NoError(t, w.end())
	require.Contains(t, w.rows("unit")[0], "state=pending epoch=1 attempts=0 releases=1")
	require.Empty(t, w.rows("lease"))
}

// TestEndsAtOnce: a second signal ends what does not drain, and so does the end
// of the grace period. What it held stays its own until the lease runs out.
func TestEndsAtOnce(t *testing.T) {
	for _, twice := range []bool{true, false} {
		g := newGate()
		w := newWorld(t, func(s *Stores) { g.Objects, s.Objects = s.Objects, g })
		g.deaf = true
		w.config.Settings.Grace = time.Hour
		if !twice {
			w.config.Settings.Grace = tick
		}
		w.run()
		w.submit(1)
		<-g.reached
		w.signals <- syscall.SIGTERM
		if twice {
			// Signals that come soon after the first are the same request.
			w.until("/readyz", http.StatusServiceUnavailable, "not ready: draining\n")
			w.signals <- syscall.SIGINT
			w.signals <- syscall.SIGINT
			w.until("/readyz", http.StatusServiceUnavailable, "not ready: draining\n")
			eventually(w, func() bool {
				select {
				case w.signals <- syscall.SIGINT:
				default:
				}
				return len(w.ended) > 0
			}, "does not end; the log:\n%s", &w.log)
		}
		require.ErrorIs(t, w.end(), ErrNotDrained)
		require.Len(t, w.rows("lease"), 1)
		close(g.open)
	}
}

// TestOutage: while a store is away the process is alive and not ready; it waits,
// is ready again by itself, and no attempt is lost.
func TestOutage(t *testing.T) {
	o := &outage{}
	w := newWorld(t, func(s *Stores) { o.KV, s.KV = s.KV, o })
	w.run()
	w.until("/readyz", http.StatusOK, "ready\n")
	o.away.Store(true)
	w.until("/readyz", http.StatusServiceUnavailable, "not ready: the key-value store is down\n")
	w.until("/healthz", http.StatusOK, "alive\n")
	o.away.Store(false)
	w.until("/readyz", http.StatusOK, "ready\n")
}

// TestOpensAgain: stores that cannot be reached at the start are waited for; what
// can never work ends the process with one line.
func TestOpensAgain(t *testing.T) {
	w := newWorld(t, nil)
	open, reachable := w.config.Open, atomic.Bool{}
	w.config.Open = func(ctx context.Context) (Stores, error) {
		if !reachable.Load() {
			return Stores{}, env.ErrUnavailable
		}
		return open(ctx)
	}
	w.run()
	w.until("/readyz", http.StatusServiceUnavailable, "not ready: the stores have not been reached yet\n")
	w.until("/healthz", http.StatusOK, "alive\n")
	reachable.Store(true)
	w.until("/readyz", http.StatusOK, "ready\n")

	w = newWorld(t, nil)
	w.config.Open = func(context.Context) (Stores, error) { return Stores{}, env.ErrUnavailable }
	w.run()
	w.signals <- syscall.SIGTERM
	require.NoError(t, w.end(), "there is nothing to drain")

	w = newWorld(t, nil)
	never := errors.New("never")
	w.config.Open = func(context.Context) (Stores, error) { return Stores{}, never }
	w.run()
	require.ErrorIs(t, w.end(), never)
}

// TestScratchIsItsOwn: two running processes cannot share a directory, and one
// that has ended leaves it to the next, which is a new incarnation.
func TestScratchIsItsOwn(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	err := Run(t.Context(), w.config, nil)
	require.ErrorContains(t, err, "is another running worker's, allowed: a directory, or a name, of its own")
	w.signals <- syscall.SIGTERM
	require.NoError(t, w.end())

	first := incarnation(w)
	w.log.b.Reset()
	w.run()
	w.until("/readyz", http.StatusOK, "ready\n")
	require.NotEqual(t, first, incarnation(w))
}

// incarnation is what the log says.
func incarnation(w *world) string {
	_, rest, found := strings.Cut(w.log.String(), "incarnation=")
	require.True(w, found)
	require.Greater(w, len(rest), 16)
	return rest[:16]
}

// TestBadAddress: an address that cannot be listened on ends it with one line.
func TestBadAddress(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Settings.Listen = "192.0.2.1:1" // of a network for documentation: nobody has it
	require.ErrorContains(t, Run(t.Context(), w.config, w.signals), "listen: ")
}
