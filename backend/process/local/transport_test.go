package local

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process"
)

// TestCarryTellsWhy no answer came: the caller's context, or the request's own
// time-out, which is nobody's deadline.
func TestCarryTellsWhy(t *testing.T) {
	cause := errors.New("lease lost")
	synctest.Test(t, func(t *testing.T) {
		l := link{clock: process.NewClock(clock.New()), min: time.Second, max: time.Second}
		ctx, cancel := l.clock.WithCancel(t.Context())
		handled := 0
		handle := func() { handled++ }

		require.NoError(t, l.carry(ctx, 3*time.Second, handle))
		require.Equal(t, 1, handled)
		require.Equal(t, errNoAnswer, l.carry(ctx, 500*time.Millisecond, handle))
		require.Equal(t, 1, handled)
		require.Equal(t, errNoAnswer, l.carry(ctx, 1500*time.Millisecond, handle))
		require.Equal(t, 2, handled)

		limited, release := l.clock.WithTimeout(ctx, 1500*time.Millisecond)
		defer release()
		require.Equal(t, context.DeadlineExceeded, l.carry(limited, time.Minute, handle))
		require.Equal(t, 3, handled)
		go func() {
			time.Sleep(500 * time.Millisecond)
			cancel(cause)
		}()
		require.Equal(t, cause, l.carry(ctx, time.Minute, handle))
		require.Equal(t, 3, handled)
	})
}
