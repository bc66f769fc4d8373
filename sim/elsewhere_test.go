package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
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
	requireUploadsCollected(t, s, 1)
}

// A merger counts its claim from when it sent it, not from the answer, which may be late: it works no
// longer than observers leave the claim to it (R8).
func TestMergeClaimsCountFromTheSend(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40, Tune: func(k *core.Config) { k.ReadChunk = 64 }})
	w0 := s.Worker(0)
	answer := w0.After(core.StepTryClaim).On("kv.commit").Pause()
	s.Until(answer.Fired)
	sent := s.World().Now()
	s.Advance(3 * time.Second)
	for nth := range 3 { // no beat gets through before the partition
		w0.Before(core.StepRenewMerge).On("kv.prewrite").Nth(nth + 1).LoseRequest()
	}
	w0.Resume()
	s.Until(func() bool { return len(s.World().Uploads()) > 0 })
	w0.Partition(ops.KV, ops.PD)
	s.Advance(20 * time.Second)
	last := lastCall(s, core.StepMerge)
	require.Greater(t, last, sent+6*time.Second)
	require.LessOrEqual(t, last, sent+s.Core().StaleAfter-s.Core().FenceMargin)
	w0.Heal()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// The store is away for less than a lease, and everybody tries again and again. The completion is
// recorded when it is back: its owner has not run out of tries, whoever else has used how many (R12).
func TestCompletionOutlastsAnOutage(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.StaleAfter = 30 * time.Second }})
	w0 := s.Worker(0)
	due := w0.Before(core.StepCompleteUnit).On("kv.prewrite").LoseRequest()
	s.Until(due.Fired)
	w0.Partition(ops.KV, ops.PD)
	s.Advance(20 * time.Second)
	w0.Heal()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// An owner is suspended when all that its last transaction writes is on its way, and its unit is taken
// away. The transaction loses, and is run again: whose the unit is, is asked in every try, and not of
// what an earlier look has read (R1, R3).
func TestFenceIsAskedInEveryTry(t *testing.T) {
	for _, step := range []env.Step{core.StepCompleteUnit, core.StepFailUnit, core.StepReleaseUnit} {
		t.Run(string(step), func(t *testing.T) {
			batch := conversion.NewBatch("lab", "data", 1, 4)
			if step == core.StepFailUnit {
				batch.Sources[0].Recordings[0].Poison = 1
			}
			s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
			w0, w1 := s.Worker(0), s.Worker(1)
			w1.Pause()
			s.Until(unitIs(s, 0, "state", "processing"))
			stall := w0.Before(step).On("kv.prewrite").Suspend()
			if step == core.StepReleaseUnit {
				w0.Terminate(time.Hour)
			}
			s.Until(stall.Fired)
			claimed := w1.After(core.StepClaimUnit).On("kv.commit").Pause()
			w1.Resume()
			s.Until(claimed.Fired)
			w0.Resume()
			s.Advance(3 * time.Second)
			require.Empty(t, commits(s, "w0", step))
			requireUnit(t, s, 0, "state", "processing", "worker", "w1", "epoch", "2")
			w1.Resume()
			s.Settle()
		})
	}
}
