package sim_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// These scripts tell what a change with a good motive breaks: to spare the store a look, to be
// ready sooner, to need no clock.

// A batch of higher priority is submitted while a worker is busy. It comes next, although others
// waited when the worker looked last (R13).
func TestUrgentBatchComesNext(t *testing.T) {
	urgent := conversion.NewBatch("lab", "urgent", 1, 4)
	urgent.Priority = 9
	s := begin(t, conversion.Setup{Unsubmitted: true, Batches: []workload.Batch{conversion.NewBatch("lab", "data", 4, 40), urgent}})
	claimed := func() int { return len(commits(s, "w0", core.StepClaimUnit)) }
	requireDone(t, s, s.Submit(0))
	s.Until(phaseIs(s, 0, "running"))
	requireDone(t, s, s.Submit(1))
	s.Until(phaseIs(s, 1, "running"))
	before := claimed()
	s.Until(func() bool { return claimed() > before })
	require.NotEqual(t, "pending", storedRow(s, s.Unit(1, 0)).get("state"))
	s.Settle()
}

// A worker holds the unit that it converts, and no other: one that it had claimed ahead would wait
// for it beside an idle worker, and be burnt by its end (R8, R12).
func TestWorkerHoldsWhatItConverts(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Units: 3, Frames: 40})
	s.Worker(1).Pause()
	s.Until(func() bool { return len(s.World().Keys("lease/")) > 0 })
	s.Advance(2 * time.Second)
	require.Len(t, s.World().Keys("lease/"), 1)
	s.Worker(0).Terminate(30 * time.Second)
	s.Until(func() bool { return !s.Worker(0).Alive() })
	require.Empty(t, s.World().Keys("lease/"))
	s.Worker(1).Resume()
	s.Settle()
}

// The wall clock of an owner steps back by an hour. The next checkpoint is due when it was: only the
// monotonic clock tells how long ago the last one was written (R8).
func TestCheckpointsAreDueByTheMonotonicClock(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40, Tune: func(k *core.Config) {
		k.CheckpointFrames, k.CheckpointEvery = 1000, 100*time.Millisecond
	}})
	w0 := s.Worker(0)
	written := func() int { return len(commits(s, "w0", core.StepCheckpoint)) }
	s.Until(func() bool { return written() == 1 })
	s.Advance(20 * time.Millisecond) // the owner knows of it
	w0.Skew(-time.Hour)
	s.Until(unitIs(s, 0, "state", "complete"))
	require.Greater(t, written(), 2)
	s.Settle()
}

// Two janitors have watched an ended batch for the same time, and both are about to say so: it counts
// once. What its row says is never more than the time that has passed (R8).
func TestTimeIsWatchedOnce(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	age := func() time.Duration {
		keys := s.World().Keys("sweep/")
		if len(keys) == 0 {
			return 0
		}
		ms, _ := strconv.Atoi(storedRow(s, keys[0]).get("age_ms"))
		return time.Duration(ms) * time.Millisecond
	}
	w0, w1 := s.Worker(0), s.Worker(1)
	s.Until(phaseIs(s, 0, "complete"))
	ended := s.World().Now()
	s.Until(func() bool { k := s.World().Keys("sweep/"); return storedRow(s, k[0]).get("state") == "collect" })
	first := w0.Before(core.StepCollect).On("kv.prewrite").Pause()
	second := w1.Before(core.StepCollect).On("kv.prewrite").Pause()
	s.Until(func() bool { return first.Fired() && second.Fired() })
	w0.Resume()
	s.Until(func() bool { return age() > 0 })
	w1.Resume()
	s.Advance(time.Second)
	require.LessOrEqual(t, age(), s.World().Now()-ended)
	s.Settle()
}

// A completion, and a flip, are hard to record. Their owner keeps its lease, or its claim, until they
// are: nobody takes it for dead, which would cost what it has done (R8, R12).
func TestOwnersKeepTheirLeasesToTheEnd(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	s.Inject(storm{step: core.StepCompleteUnit, until: time.Minute})
	s.Inject(storm{step: core.StepFlip, until: 2 * time.Minute})
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Until(phaseIs(s, 0, "complete"))
	require.Equal(t, "1", storedRow(s, "batch/lab/data").get("merge_gen"))
	s.Settle()
}

// One slot's beats do not get through: its unit is taken away, and that of its neighbour, in the same
// process, is not. Each lease is judged by its own beats (R8).
func TestEachLeaseIsJudgedByItsOwnBeats(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Units: 2, Frames: 40, Tune: func(k *core.Config) { k.Slots = 2 }})
	s.Worker(1).Pause()
	s.Until(func() bool { return len(s.World().Keys("lease/")) == 2 })
	s.Inject(mute{task: "worker0-heartbeat"})
	s.Worker(1).Resume()
	epochs := func() string { return unitRow(s, 0).get("epoch") + unitRow(s, 1).get("epoch") }
	s.Until(func() bool { return epochs() != "11" })
	s.Advance(2 * time.Second)
	require.NotEqual(t, "22", epochs())
	s.Settle()
}

// mute loses what a task of w0 writes.
type mute struct{ task string }

func (m mute) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if c.Process != "w0" || c.Task != m.task || c.Op != ops.Prewrite || c.Now >= time.Minute {
		return faults
	}
	return append(faults, &fault.Fault{Kind: &fault.LoseRequest{}, At: c.Anchor()})
}

// A page of a listing is more than one transaction takes. The next begins behind what was taken, not
// behind the page (R18, R19).
func TestPageIsTakenInTurns(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 7, Tune: func(k *core.Config) { k.Page, k.TxnBytes = 3, 1 }})
	s.Until(phaseIs(s, 0, "running"))
	require.Equal(t, "7", storedRow(s, "batch/lab/data").get("units"))
	require.Len(t, s.World().Keys("unit/"), 7)
	s.Settle()
}

// A process that was suspended goes on when the janitors have found nothing of its batch any more, opens
// an upload, and dies. They look for as long as WatchFor says, and find it (R15).
func TestJanitorsLookOn(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepConvert).On("objects.create_upload").Suspend()
	crash := w0.Applied(core.StepConvert).On("objects.create_upload").Crash()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
	s.Until(func() bool { return len(s.World().ObjectKeys("out/lab/data/staging/")) == 0 })
	s.Advance(25 * time.Second) // two more rounds
	require.Empty(t, s.World().Uploads())
	w0.Resume()
	s.Until(crash.Fired)
	require.Len(t, s.World().Uploads(), 1)
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().Uploads())
	w0.Restart()
	s.Settle()
}

// What a batch leaves behind is deleted page by page: no transaction grows with the batch, or the store
// would refuse that of a large one, which would never be forgotten (R18).
func TestForgettingIsDoneInPages(t *testing.T) {
	const page = 3
	s := begin(t, conversion.Setup{Units: 8, TTL: time.Second, Tune: func(k *core.Config) { k.Page, k.WatchFor = page, time.Second }})
	s.Until(phaseIs(s, 0, "expired"))
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().Keys("unit/"))
	for _, e := range commits(s, "w0", core.StepCollect) {
		require.LessOrEqual(t, len(e.Commit.Writes), page)
	}
	s.Settle()
}

// The owner of a merge is gone, and another batch is still being converted. What a merger has seen of
// the claim it keeps while it looks at the other batch: it takes the merge over (R8, R11).
func TestMergeIsTakenOverBesideAnotherBatch(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{
		conversion.NewBatch("lab", "data", 1, 4), conversion.NewBatch("lab", "other", 1, 80),
	}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	gone := w0.Before(core.StepFlip).Crash()
	s.Until(gone.Fired)
	w1.Resume()
	s.Advance(s.Core().StaleAfter + 3*s.Core().MergePoll)
	require.Equal(t, "running", s.Phase(1))
	require.Equal(t, "2", mergeRow(s).get("gen"))
	w0.Restart()
	s.Settle()
}

// A reaper counts time and not its looks, which come up to a quarter sooner than their period says: what
// it takes away its owner has given up (R8).
func TestReaperCountsTime(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 40})
	w0, w1 := crashOwner(s)
	w1.Resume()
	s.Until(func() bool { return calls(s, "w1", core.StepReap) > 0 })
	first := s.World().Now()
	s.Until(unitIs(s, 0, "state", "pending"))
	require.GreaterOrEqual(t, s.World().Now()-first, s.Core().StaleAfter)
	w0.Restart()
	s.Settle()
}

// An attempt whose clock has stood still believes that its lease holds, and is about to look at what it
// has staged. Another has its unit: no clock says whose it is, and the row does (R1, R8).
func TestCompletionTrustsNoClock(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepCompleteUnit).On("objects.head").Suspend()
	s.Until(stall.Fired)
	hold := w1.After(core.StepClaimUnit).On("kv.commit").Pause()
	w1.Resume()
	s.Until(hold.Fired)
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Empty(t, commits(s, "w0", core.StepCompleteUnit))
	requireUnit(t, s, 0, "state", "processing", "worker", "w1", "epoch", "2")
	w1.Resume()
	s.Settle()
}
