package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
)

// These scripts tell mistakes that were made elsewhere: in job queues, controllers, lock services,
// uploaders and formats of tables.

// A controller has queued a failed unit again, and stands still until it has failed once more: it
// has seen nothing in between. It queues it again, since the unit is failed, whatever it expected
// to see of its own write (R13).
func TestControllerExpectsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8, Tune: func(c *core.Config) { c.UnitTimeout = 20 * time.Second }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	failByTime(s, w0)
	queued := w0.After(core.StepControl).On("kv.commit").Nth(2).Pause() // the first writes the status
	s.Until(queued.Fired)
	requireUnit(t, s, 0, "state", "pending")
	w1.Slow(30)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "failed", "epoch", "2"))
	w1.Pause()
	w0.Slow(1)
	w0.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "3", "attempts", "3")
	w1.Slow(1)
	w1.Resume()
	s.Settle()
}

// An upload that could not be aborted is not passed by: the batch is not forgotten before a look that
// has aborted all there are (R15).
func TestWhatCannotBeAbortedIsNotForgotten(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.WatchFor = time.Second }})
	w0 := s.Worker(0)
	w0.Before(core.StepConvert).On("objects.create_upload").LoseReply()
	for nth := range s.Core().StorageTries {
		w0.Before(core.StepCollect).On("objects.abort_upload").Nth(nth + 1).Refuse()
	}
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
	require.Len(t, s.World().Uploads(), 1)
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().Uploads())
	s.Settle()
}
