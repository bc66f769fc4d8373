package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// These scripts tell mistakes that somebody wrote from the rules, two for each.

// A successor whose checkpoint's upload is gone starts afresh under the key of its own epoch. What the
// old key holds it neither writes again nor deletes: its predecessor may still have a request in hand
// for it (R1, R7).
func TestFreshStartLeavesTheOldKeyAlone(t *testing.T) {
	s := inheritsAnExpiredUpload(t)
	s.Until(unitIs(s, 0, "state", "complete"))
	require.Contains(t, unitRow(s, 0).get("staged"), "/e00000002/")
	opened := stored(s, "w1", objstore.EffectCreateUpload)
	require.Len(t, opened, 1)
	require.Contains(t, opened[0].Object.Key, "/e00000002/")
	s.Worker(0).Restart()
	s.Settle() // fencing judges what is asked to be deleted
}

// Two operators retry one dead unit. The second's commit comes when a worker has the unit, and loses; its
// next look finds nothing that is dead, and leaves the unit to its owner (R3, R12).
func TestRetryLeavesTheLivingAlone(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 40)
	batch.Sources[0].Recordings[0].Poison = 1
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) {
		k.Slots, k.WorkerPoll = 2, 50*time.Millisecond
	}})
	s.Until(unitIs(s, 0, "state", "dead"))
	s.Process("client").Before(core.StepRetry).On("kv.prewrite").Delay(500 * time.Millisecond)
	second := retry(s)
	s.Advance(100 * time.Millisecond)
	claimed := s.Worker(0).After(core.StepClaimUnit).On("kv.commit").Pause()
	requireDone(t, s, retry(s))
	s.Until(claimed.Fired)
	requireUnit(t, s, 0, "state", "processing", "epoch", "2")
	requireDone(t, s, second)
	requireUnit(t, s, 0, "state", "processing", "epoch", "2", "retries", "1")
	s.Worker(0).Resume()
	s.Settle()
}

// The owner of a merge is gone. Its claim is left alone for StaleAfter from when it was first seen, and not
// for less by the margin within which an owner gives it up by itself: the margin is between the two (R8).
func TestMergeClaimIsWatchedForStaleAfter(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(k *core.Config) { k.MergePoll = 200 * time.Millisecond }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	gone := w0.Before(core.StepFlip).Crash()
	s.Until(gone.Fired)
	w1.Resume()
	s.Until(func() bool { return calls(s, "w1", core.StepTryClaim) > 0 })
	first := s.World().Now()
	s.Until(func() bool { return mergeRow(s).get("gen") == "2" })
	require.GreaterOrEqual(t, s.World().Now()-first, s.Core().StaleAfter)
	w0.Restart()
	s.Settle()
}

// A merger whose claim came back undetermined finds out that it has the merge (R4). Nobody waits for its
// claim to go stale.
func TestUndeterminedMergeClaimIsRecognised(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	lost := w0.Before(core.StepTryClaim).On("kv.commit").LoseReply()
	s.Until(lost.Fired)
	w0.Partition(ops.KV, ops.PD)
	s.Advance(4 * time.Second)
	w0.Heal()
	s.Until(phaseIs(s, 0, "complete"))
	w0.Saw(env.ErrUndetermined, core.StepTryClaim)
	require.Equal(t, "1", storedRow(s, "batch/lab/data").get("merge_gen"))
	s.Settle()
}
