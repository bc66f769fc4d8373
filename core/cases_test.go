package core_test

// Cases from the field: what people who run such systems report, each with the
// store's behaviour that it takes.

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// through starts a process with all roles whose object store is seen through a
// wrapper.
func (w *world) through(name string, wrap func(env.Objects) env.Objects) {
	w.Start(name, func(ctx context.Context, e *env.Env) error {
		o := *e
		o.Objects = wrap(e.Objects)
		return core.New(&o, w.config, plain.Codec{}).Run(ctx, core.Unified)
	})
}

// lateParts refuses the first completions under a path, as a store does whose
// ETags differ at every write when an earlier try of a part arrives late.
type lateParts struct {
	env.Objects
	path string
	left *int
}

func (l lateParts) CompleteUpload(ctx context.Context, key, id string, parts []env.Part, cond env.Condition) (env.Object, error) {
	if strings.Contains(key, l.path) && *l.left > 0 {
		*l.left--
		return env.Object{}, &env.Error{Class: env.ClassInvalid, Op: "complete_upload", Key: key, Err: errors.New("InvalidPart")}
	}
	return l.Objects.CompleteUpload(ctx, key, id, parts, cond)
}

// A part that comes late is no reason to fail: what it belongs to is stored anew.
func TestInvalidPartDoesNotFailTheBatch(t *testing.T) {
	for path, refusals := range map[string]int{"/data/": 1, "/staging/": 2} {
		run(t, func(w *world) {
			w.record("in/arm/a.rec", recording(1, 200))
			left := refusals
			w.through("w0", func(o env.Objects) env.Objects { return lateParts{o, path, &left} })
			_, err := w.submit(spec("arm"))
			require.NoError(t, err)
			w.Clock.Advance(time.Hour)
			require.Zero(t, left)
			require.Equal(t, core.PhaseComplete, w.status("arm").Phase)
			require.Empty(t, w.status("arm").Error)
		})
	}
}

// When parts are refused again and again the unit says why, in the store's words.
func TestRefusedPartsKeepTheirCause(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 200))
		left := 1 << 30
		w.through("w0", func(o env.Objects) env.Objects { return lateParts{o, "/staging/", &left} })
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		status := w.await("arm", core.PhaseFailed)
		require.Equal(t, 3, status.Failures[0].Attempts)
		require.Contains(t, status.Error, "InvalidPart")
		require.LessOrEqual(t, 1<<30-left, 9, "three conversions an attempt")
	})
}
