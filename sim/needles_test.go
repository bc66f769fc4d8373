package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/script"
)

// These scripts tell what universes hardly reach: each takes several things at once.

// A merger that is suspended before its flip goes on when its batch has been cancelled,
// the name submitted again, and the new submission is about to be published. Its
// claim is still there, under the old generation; it flips nothing (R2, R11).
func TestMergerOfAnEarlierSubmission(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepFlip).Suspend()
	s.Until(stall.Fired)
	submitAnew(t, s)
	flip := w1.Before(core.StepFlip).Pause()
	w1.Resume()
	s.Until(flip.Fired)
	require.Equal(t, "merging", s.Phase(0))
	w0.Resume()
	s.Advance(time.Second)
	require.Empty(t, commits(s, "w0", core.StepFlip))
	w1.Resume()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// submitAnew cancels the first batch and submits it once more.
func submitAnew(t *testing.T, s *conversion.Script) {
	t.Helper()
	requireDone(t, s, s.Cancel(0))
	requireDone(t, s, s.Submit(0))
}

// requireDone waits for a client's call, which succeeds.
func requireDone(t *testing.T, s *conversion.Script, call *script.Job) {
	t.Helper()
	s.Until(call.Returned)
	require.NoError(t, call.Err())
}

// A controller that has seen a dead unit, and is suspended before it fails the batch
// for it, goes on when the batch has been cancelled, the name submitted again, and the
// new submission runs. The verdict is about the earlier one: it ends nothing (R2, R3).
func TestVerdictOnAnEarlierSubmission(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 4)
	batch.Sources[0].Recordings[0].Poison = 1
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return len(s.World().Keys("dead/")) > 0 })
	stall := w0.After(core.StepControl).On("kv.commit").Suspend()
	s.Until(stall.Fired)
	submitAnew(t, s)
	w1.Resume()
	s.Until(phaseIs(s, 0, "running"))
	w0.Resume()
	s.Advance(200 * time.Millisecond)
	require.Equal(t, "running", s.Phase(0))
	s.Settle()
	require.Equal(t, "failed", s.Phase(0))
}

// A worker whose claim came back undetermined, and had not landed, finds a rival's
// in its place. The rival's epoch is the one that its own would have had: it must
// not take the unit for its own (R4).
func TestRivalOfAnUndeterminedClaim(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	lost := w0.Before(core.StepClaimUnit).On("kv.commit").LoseRequest()
	s.Until(lost.Fired)
	w0.Partition(ops.KV, ops.PD)
	hold := w1.Before(core.StepConvert).Pause()
	w1.Resume()
	s.Until(hold.Fired)
	w0.Heal()
	s.Advance(6 * time.Second)
	w0.Saw(env.ErrUndetermined, core.StepClaimUnit)
	requireUnit(t, s, 0, "epoch", "1", "worker", "w1", "state", "processing")
	require.Zero(t, calls(s, "w0", core.StepConvert))
	w1.Resume()
	s.Settle()
}

// A merger that was suspended until another took its merge over is asked to stop at
// the moment when it goes on. It lets its own claim go, not its successor's (R1).
func TestDrainOfADeposedMerger(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepFlip).Suspend()
	s.Until(stall.Fired)
	flip := w1.Before(core.StepFlip).Pause()
	w1.Resume()
	s.Until(flip.Fired)
	require.Equal(t, "w1", mergeRow(s).get("worker"))
	w0.Resume()
	w0.Terminate(30 * time.Second)
	s.Advance(2 * time.Second)
	require.Equal(t, "w1", mergeRow(s).get("worker"))
	w1.Resume()
	s.Settle()
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("merge_gen"))
}

// A merge claim that came back undetermined, and had not landed, finds a rival's
// with the very generation that its own would have had. It is nobody's but the
// rival's (R4).
func TestRivalOfAnUndeterminedMergeClaim(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	lost := w0.Before(core.StepTryClaim).On("kv.commit").LoseRequest()
	s.Until(lost.Fired)
	w0.Partition(ops.KV, ops.PD)
	flip := w1.Before(core.StepFlip).Pause()
	w1.Resume()
	s.Until(flip.Fired)
	require.Equal(t, "1", mergeRow(s).get("gen"))
	require.Equal(t, "w1", mergeRow(s).get("worker"))
	w0.Heal()
	s.Advance(6 * time.Second)
	w0.Saw(env.ErrUndetermined, core.StepTryClaim)
	require.Zero(t, calls(s, "w0", core.StepMerge))
	require.Empty(t, commits(s, "w0", core.StepFlip))
	w1.Resume()
	s.Settle()
}

// A controller that is suspended between its list of the living batches and its look
// at one of them goes on when the batch has ended and its time to live is over. It
// writes no status row, which nobody would delete any more (R13).
func TestNoStatusOfTheForgotten(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, TTL: time.Second})
	w0 := s.Worker(0)
	s.Until(phaseIs(s, 0, "running"))
	stall := w0.After(core.StepControl).On("kv.scan").Pause()
	s.Until(stall.Fired)
	s.Until(phaseIs(s, 0, "expired"))
	require.Empty(t, s.World().Keys("status/"))
	looked := calls(s, "w0", core.StepControl)
	w0.Resume()
	s.Settle()
	require.Greater(t, calls(s, "w0", core.StepControl), looked)
	require.Empty(t, s.World().Keys("status/"))
}

// A controller wants to fail a batch for its dead unit, and loses two conflicts. Before it
// tries again an operator retries the unit, and is told so. The batch lives (R3): the
// controller neither says that it is about to fail, which no retry could avert, nor fails
// it by what it has seen before.
func TestRetryIsHeardInACrowd(t *testing.T) {
	s := begin(t, conversion.Setup{Batches: []workload.Batch{{
		Namespace: "lab", Name: "data", Output: "out/data/", ChunkSize: 1, MaxAttempts: 3, BackoffLimit: 1,
		Sources: []workload.Source{{Prefix: "in/", Recordings: []workload.Recording{{Name: "a.rec", ID: 1, Frames: 2, Poison: 1}}}},
	}}})
	w0 := s.Worker(0)
	s.Until(unitIs(s, 0, "state", "dead"))
	for _, try := range []int{2, 3} { // the first writes the status
		w0.Before(core.StepControl).On("kv.prewrite").Nth(try).Conflict()
	}
	stall := w0.Before(core.StepControl).On("kv.prewrite").Nth(4).Pause()
	s.Until(stall.Fired)
	require.Equal(t, "running", s.Phase(0))
	retried := retry(s)
	s.Until(retried.Returned)
	require.NoError(t, retried.Err())
	w0.Resume()
	s.Settle()
	requireUnit(t, s, 0, "state", "dead", "epoch", "2", "retries", "1")
}

// A scanner wants to fail a batch whose source is not there, and loses two conflicts. It
// is suspended before it says what is to come, until another leads: it says nothing any
// more (R20).
func TestDeposedScannerAnnouncesNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{{
		Namespace: "lab", Name: "data", Output: "out/data/", ChunkSize: 1, MaxAttempts: 3,
		Sources: []workload.Source{{Prefix: "in/a.rec", Recordings: []workload.Recording{{ID: 1, Frames: 2, Missing: true}}}},
	}}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	for _, try := range []int{2, 3} { // the first begins the discovery
		w0.Before(core.StepDiscover).On("kv.prewrite").Nth(try).Conflict()
	}
	stall := w0.Before(core.StepDiscover).On("kv.prewrite").Nth(4).Suspend()
	s.Until(stall.Fired)
	lead := w1.After(core.StepLead).On("kv.commit").Pause()
	w1.Resume()
	s.Until(lead.Fired)
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Empty(t, storedRow(s, "batch/lab/data").get("closing"))
	w1.Resume()
	s.Settle()
	require.Equal(t, "failed", s.Phase(0))
}

// A scanner whose listing has failed is suspended before it says so, until another leads:
// what the next one lists is not marked with an error of the last one's (R20).
func TestDeposedScannerReportsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	w0.Partition(ops.Objects)
	stall := w0.Before(core.StepDiscover).On("kv.prewrite").Nth(2).Suspend() // the first begins the discovery
	s.Until(stall.Fired)
	lead := w1.After(core.StepLead).On("kv.commit").Pause()
	w1.Resume()
	s.Until(lead.Fired)
	w0.Heal()
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Empty(t, s.World().Keys("discovery/"))
	w1.Resume()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// A controller is about to queue a failed unit again, and its batch is cancelled. What it
// does then, after a conflict, it decides anew: nothing of the batch is queued (R13, R16).
func TestNothingIsQueuedAfterCancel(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 8, Tune: func(c *core.Config) { c.UnitTimeout = 20 * time.Second }})
	w0 := s.Worker(0)
	failByTime(s, w0)
	s.Until(func() bool { return storedRow(s, "status/lab/data").get("failed") == "1" })
	stall := w0.Before(core.StepControl).On("kv.prewrite").Pause()
	s.Until(stall.Fired)
	requireDone(t, s, s.Cancel(0))
	w0.Resume()
	s.Settle()
	w0.Saw(env.ErrConflict, core.StepControl)
	for _, e := range commits(s, "w0", core.StepControl) {
		require.Empty(t, wrote(&e, "queue"))
	}
	requireUnit(t, s, 0, "state", "cancelled", "attempts", "1")
}

// A scanner is suspended when it is about to begin a discovery, until another leads: the
// batch row that it writes is fenced as all else that it writes (R20).
func TestDeposedScannerBeginsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepDiscover).On("kv.prewrite").Suspend()
	s.Until(stall.Fired)
	lead := w1.After(core.StepLead).On("kv.commit").Pause()
	w1.Resume()
	s.Until(lead.Fired)
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Equal(t, "pending", s.Phase(0))
	w1.Resume()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// A leader that is asked to stop lets the lead go: another leads at its next look, and does
// not wait until the leadership has gone stale (R20).
func TestDrainedScannerLetsTheLeadGo(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 40})
	leader := func() row { return storedRow(s, "leader/scanner") }
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return leader().get("worker") == "w0" })
	w1.Resume()
	w0.Terminate(30 * time.Second)
	s.Advance(s.Core().ScannerLease / 2)
	require.Equal(t, "2", leader().get("epoch"))
	require.Equal(t, "w1", leader().get("worker"))
	s.Settle()
}

// A merger that cannot take its input in is suspended before it says so, until another has
// the merge: it fails no batch that is the other's to publish (R1, R11).
func TestDeposedMergeFailsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(c *core.Config) { c.MergeMemory = 1 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	verdict := w0.After(core.StepMerge).On("kv.scan").Suspend()
	s.Until(verdict.Fired)
	claim := w1.After(core.StepTryClaim).On("kv.commit").Pause()
	w1.Resume()
	s.Until(claim.Fired)
	require.Equal(t, "2", mergeRow(s).get("gen"))
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Equal(t, "merging", s.Phase(0))
	w1.Resume()
	s.Until(phaseIs(s, 0, "failed"))
}

// A merger that is asked to stop in the middle of a merge lets its claim go: another takes the
// merge over at its next look, and does not wait until the claim has gone stale (R11).
func TestDrainedMergerLetsGo(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stop := w0.Before(core.StepMerge).On("objects.upload_part").Nth(3).Terminate(30 * time.Second)
	s.Until(stop.Fired)
	s.Advance(2 * time.Second)
	require.Equal(t, "1", mergeRow(s).get("gen"))
	require.Empty(t, mergeRow(s).get("worker"))
	w1.Resume()
	s.Advance(s.Core().StaleAfter / 2)
	require.Equal(t, "2", mergeRow(s).get("gen"))
	s.Settle()
}

// A checkpoint that is on its way when its attempt is reaped, and another claims the unit,
// changes nothing. Its successor has written none yet: only the unit's row refuses it, and
// to have read it is not enough (R1, R3).
func TestCheckpointLocksItsUnit(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 9})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepCheckpoint).On("kv.prewrite").Suspend()
	s.Until(stall.Fired)
	hold := w1.Before(core.StepConvert).Pause()
	w1.Resume()
	s.Until(hold.Fired)
	w0.Resume()
	s.Advance(2 * time.Second)
	require.Empty(t, commits(s, "w0", core.StepCheckpoint))
	requireUnit(t, s, 0, "state", "processing", "worker", "w1", "epoch", "2")
	w1.Resume()
	s.Settle()
}

// An owner counts its lease from when it sent the claim, or the beat, not from the answer
// (R8): observers may have counted since the one was there, and the other may be late.
func TestLeasesCountFromTheSend(t *testing.T) {
	for _, step := range []env.Step{core.StepClaimUnit, core.StepHeartbeat} {
		t.Run(string(step), func(t *testing.T) {
			s := begin(t, conversion.Setup{Frames: 40})
			w0 := s.Worker(0)
			answer := w0.After(step).On("kv.commit").Pause()
			s.Until(answer.Fired)
			sent := s.World().Now()
			s.Advance(3 * time.Second)
			if step == core.StepClaimUnit { // no beat gets through before the partition
				w0.Before(core.StepHeartbeat).On("kv.prewrite").LoseRequest()
			}
			w0.Resume()
			s.Until(func() bool { return calls(s, "w0", core.StepConvert) > 0 })
			w0.Partition(ops.KV, ops.PD, ops.Objects)
			s.Advance(20 * time.Second)
			last := lastCall(s, core.StepConvert)
			require.Greater(t, last, sent+6*time.Second, step)
			require.LessOrEqual(t, last, sent+s.Core().StaleAfter-s.Core().FenceMargin, step)
			w0.Heal()
			s.Settle()
			require.Equal(t, "complete", s.Phase(0))
		})
	}
}

// A process that is asked to stop saves what it has stored before it gives its unit back:
// whoever takes it next goes on from there (R5).
func TestDrainSavesWhatIsDone(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 12, Tune: func(k *core.Config) { k.CheckpointFrames = 1000 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stop := w0.Before(core.StepConvert).On("objects.upload_part").Nth(6).Terminate(30 * time.Second)
	s.Until(stop.Fired)
	s.Until(unitIs(s, 0, "state", "pending", "releases", "1"))
	saved := storedRow(s, strings.Replace(s.Unit(0, 0), "unit/", "checkpoint/", 1))
	require.Equal(t, "5", saved.get("frames"))
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "2", "staged", saved.get("key"))
	s.Settle()
}

// A reaper that is about to take a unit away goes on when its batch has been cancelled and
// the name submitted again. The name lives, but not the unit's submission: the unit is
// cancelled, and not queued again (R2, R13).
func TestReaperOfAnEarlierSubmission(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 40})
	w0, w1 := crashOwner(s)
	unit := s.Unit(0, 0)
	stall := w1.Before(core.StepReap).On("kv.get").Pause()
	w1.Resume()
	s.Until(stall.Fired)
	submitAnew(t, s)
	w1.Resume()
	s.Until(func() bool { return storedRow(s, unit).get("state") != "processing" })
	require.Equal(t, "cancelled", storedRow(s, unit).get("state"))
	w0.Restart()
	s.Settle()
	reaped := commits(s, "w1", core.StepReap)
	require.Len(t, reaped, 1)
	require.Empty(t, wrote(&reaped[0], "queue"))
	require.Equal(t, "complete", s.Phase(0))
}

// retry lets the client give the dead units of the first batch another chance.
func retry(s *conversion.Script) *script.Job {
	return s.Client("retry", "lab/data", func(ctx context.Context, api *core.Client) (int64, error) {
		n, err := api.Retry(ctx, "lab", "data")
		return int64(n), err
	})
}

// An operator's retry has seen a dead unit, and goes on when the batch has been cancelled
// and the name submitted again. The unit is of the earlier submission: it stays dead (R2).
func TestRetryOfAnEarlierSubmission(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 40)
	batch.Sources[0].Recordings[0].Poison = 1
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}})
	client := s.Process("client")
	s.Until(unitIs(s, 0, "state", "dead"))
	unit := s.Unit(0, 0)
	for nth := range 2 { // a second each
		client.Before(core.StepRetry).On("kv.get").Nth(nth + 2).LoseRequest()
	}
	asked := retry(s)
	s.Until(func() bool { return calls(s, "client", core.StepRetry) > 3 })
	submitAnew(t, s)
	require.False(t, asked.Returned())
	s.Until(asked.Returned)
	require.ErrorIs(t, asked.Err(), core.ErrEnded)
	require.Equal(t, "dead", storedRow(s, unit).get("state"))
	s.Settle()
}

// A submission whose outcome is unknown is looked into when its batch has been cancelled and
// the name submitted again. It may have happened, and is not refused as if it had not (R4).
func TestSubmissionBeforeAnother(t *testing.T) {
	s := begin(t, conversion.Setup{Unsubmitted: true, Frames: 40})
	client := s.Process("client")
	for nth := range 12 { // four tries a second apart, of each submission
		client.Before(core.StepSubmit).On("kv.commit").Nth(nth + 1).LoseReply()
	}
	first := s.Submit(0)
	s.Until(func() bool { return s.Phase(0) != "" })
	requireDone(t, s, s.Cancel(0))
	s.Submit(0)
	s.Until(func() bool { return storedRow(s, "batch/lab/data").get("gen") == "2" })
	require.False(t, first.Returned())
	s.Until(first.Returned)
	require.ErrorIs(t, first.Err(), env.ErrUndetermined)
	s.Settle()
}

// Of two submissions of a name at once one has an unknown outcome and has not happened. The
// generation that is there is the other's, although the same process made it (R4, R5).
func TestSubmissionBesideAnother(t *testing.T) {
	s := begin(t, conversion.Setup{Unsubmitted: true, Frames: 40})
	client := s.Process("client")
	for nth := range 4 { // tries of the first submission, a second apart
		client.Before(core.StepSubmit).On("kv.commit").Nth(nth + 1).LoseRequest()
	}
	first := s.Submit(0)
	s.Until(func() bool { return calls(s, "client", core.StepSubmit) > 8 })
	requireDone(t, s, s.Submit(0))
	require.False(t, first.Returned())
	s.Until(first.Returned)
	require.ErrorIs(t, first.Err(), core.ErrLive)
	s.Settle()
}

// A submission has to be tried again, and by then the name has been submitted and cancelled.
// It is the next one, not that which its first try would have been (R2).
func TestSubmissionAfterAnother(t *testing.T) {
	s := begin(t, conversion.Setup{Unsubmitted: true, Frames: 40})
	lost := s.Process("client").Before(core.StepSubmit).On("kv.prewrite").LoseRequest()
	late := s.Submit(0)
	s.Until(lost.Fired)
	requireDone(t, s, s.Submit(0))
	requireDone(t, s, s.Cancel(0))
	require.False(t, late.Returned())
	requireDone(t, s, late)
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("gen"))
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// A cancel has to be tried again, and by then somebody else has cancelled the batch and
// submitted the name anew. It was not meant for the new submission (R16).
func TestCancelOfAnEarlierSubmission(t *testing.T) {
	s := begin(t, conversion.Setup{})
	client := s.Process("client")
	s.Until(phaseIs(s, 0, "running"))
	lost := client.Before(core.StepCancel).On("kv.prewrite").LoseRequest()
	client.Before(core.StepCancel).On("kv.prewrite").Nth(3).LoseRequest() // the second is the other cancel's
	late := s.Cancel(0)
	s.Until(lost.Fired)
	submitAnew(t, s)
	require.False(t, late.Returned())
	s.Until(late.Returned)
	require.ErrorIs(t, late.Err(), core.ErrSuperseded)
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// Two submissions at once, of which one writes where the other does, or reads: one of them
// is refused, whichever comes first (R3).
func TestOutputsAreTakenOnce(t *testing.T) {
	batch := func(name, source, output string) workload.Batch {
		b := conversion.NewBatch("lab", name, 1, 4)
		b.Sources[0].Prefix, b.Output = source, output
		return b
	}
	for _, c := range [][2]workload.Batch{
		{batch("a", "a/", "out/x/"), batch("b", "b/", "out/x/y/")},
		{batch("a", "a/", "out/x/y/"), batch("b", "b/", "out/x/")},
		{batch("a", "in/a/", "out/"), batch("b", "b/", "in/")},
	} {
		t.Run(c[0].Output+" beside "+c[1].Output, func(t *testing.T) {
			s := begin(t, conversion.Setup{Unsubmitted: true, Batches: c[:]})
			client := s.Process("client")
			late := client.Before(core.StepSubmit).On("kv.prewrite").LoseRequest()
			first := s.Submit(0)
			s.Until(late.Fired)
			second := s.Submit(1)
			s.Until(second.Returned)
			require.NoError(t, second.Err())
			require.False(t, first.Returned())
			s.Until(first.Returned)
			require.Error(t, first.Err(), "%s beside %s", c[0].Output, c[1].Output)
			require.NotErrorIs(t, first.Err(), env.ErrUndetermined)
			s.Until(phaseIs(s, 1, "complete"))
		})
	}
}

// A checkpoint whose commit came back undetermined, and had landed, is written again: it is
// the attempt's own, and no reason to give up (R4).
func TestUndeterminedCheckpointIsRecognised(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 12})
	w0 := s.Worker(0)
	loseCommitReplies(w0.Process, core.StepCheckpoint)
	s.Until(phaseIs(s, 0, "complete"))
	w0.Saw(env.ErrUndetermined, core.StepCheckpoint)
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// A checkpoint that failed saved nothing: the next part is a reason for another, and a
// process that is asked to stop gives its unit back even if it cannot save (R5, R12).
func TestFailedCheckpointSavesNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 12, Tune: func(k *core.Config) { k.ConflictTries = 1 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	w0.Before(core.StepCheckpoint).On("kv.prewrite").Conflict()
	checkpoint := func() row { return storedRow(s, strings.Replace(s.Unit(0, 0), "unit/", "checkpoint/", 1)) }
	s.Until(func() bool { return checkpoint() != nil })
	require.Equal(t, "3", checkpoint().get("frames"))
	stop := w0.Before(core.StepConvert).On("objects.upload_part").Nth(2).Terminate(30 * time.Second)
	s.Until(stop.Fired)
	w0.Before(core.StepCheckpoint).On("kv.prewrite").Conflict()
	s.Until(func() bool { return !w0.Alive() })
	requireUnit(t, s, 0, "state", "pending", "attempts", "0", "releases", "1")
	w1.Resume()
	s.Settle()
}

// A merge is not claimed any more once the row of its batch says that it is about to be
// cancelled (R16).
func TestNoMergeOfWhatIsAboutToEnd(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0, client := s.Worker(0), s.Process("client")
	claim := w0.Before(core.StepTryClaim).On("kv.prewrite").Pause()
	s.Until(claim.Fired)
	for try := 1; try <= 2; try++ {
		client.Before(core.StepCancel).On("kv.prewrite").Nth(try).Conflict()
	}
	end := client.Before(core.StepCancel).On("kv.prewrite").Nth(4).LoseRequest()
	cancel := s.Cancel(0)
	s.Until(end.Fired)
	client.Partition(ops.KV)
	require.Equal(t, "cancelled", storedRow(s, "batch/lab/data").get("closing"))
	w0.Resume()
	s.Until(phaseIs(s, 0, "cancelled"))
	require.Empty(t, mergeRow(s).get("gen"))
	client.Heal()
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	s.Settle()
}

// loseCommitReplies leaves the outcome of a commit unknown: what is asked again about it
// gets no reply, either.
func loseCommitReplies(p *script.Process, step env.Step) {
	for nth := range 5 {
		p.Before(step).On("kv.commit").Nth(nth + 1).LoseReply()
	}
}

// A cancel that landed, and was not answered, is not refused because the store goes away
// while it is looked into: that would say that nothing has happened (R4).
func TestUndeterminedCancelIsNotRefused(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40, Tune: func(k *core.Config) { k.ConflictTries = 2 }})
	client := s.Process("client")
	s.Until(phaseIs(s, 0, "running"))
	loseCommitReplies(client, core.StepCancel)
	cancel := s.Cancel(0)
	s.Until(phaseIs(s, 0, "cancelled"))
	s.Advance(3500 * time.Millisecond)
	require.False(t, cancel.Returned())
	client.Partition(ops.KV)
	s.Advance(30 * time.Second)
	client.Heal()
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	s.Settle()
}

// A claim of unknown outcome is looked into although the store counts as down since: its
// lease runs (R4, R8).
func TestUndeterminedClaimIsLookedIntoAtOnce(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(k *core.Config) { k.BreakerFailures, k.BreakerOpen = 1, 30*time.Second }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w0.Pause()
	stall := w1.Before(core.StepClaimUnit).On("kv.prewrite").Pause() // it leads: a leader's renewals close its breaker
	s.Until(stall.Fired)
	w0.Resume()
	loseCommitReplies(w0.Process, core.StepClaimUnit)
	s.Until(unitIs(s, 0, "state", "processing"))
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	w0.Saw(env.ErrUndetermined, core.StepClaimUnit)
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// An attempt that has failed, and whose failure is hard to record, beats until it is:
// nobody takes it for dead, which would cost a second attempt (R8, R12).
func TestFailingOwnerKeepsItsLease(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 4)
	batch.Sources[0].Recordings[0].Poison = 3
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
	s.Inject(storm{step: core.StepFailUnit, until: time.Minute})
	s.Until(unitIs(s, 0, "state", "dead"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// The limit of failed attempts is of all units of a batch together: once they are more it
// fails, whatever else is still under way (R12).
func TestBackOffLimitIsOfAllUnits(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 3, 400)
	batch.BackoffLimit = 1
	for unit := range 2 {
		batch.Sources[0].Recordings[unit].Poison = 1
	}
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.Slots = 3 }})
	s.Until(func() bool { return len(s.World().Keys("dead/")) == 2 })
	s.Until(phaseIs(s, 0, "failed"))
	require.Contains(t, storedRow(s, "batch/lab/data").get("error"), "more than 1 failed attempts")
	requireUnit(t, s, 2, "state", "processing")
	s.Settle()
}

// Two units fail at once, and each has its own back-off: the second does not wait for the
// first to be queued again before anybody counts for it (R12).
func TestFailedUnitsWaitSideBySide(t *testing.T) {
	s := begin(t, conversion.Setup{Batches: []workload.Batch{conversion.NewBatch("lab", "data", 2, 40)}, Tune: func(k *core.Config) {
		k.Slots, k.UnitTimeout, k.UnitBackoff, k.UnitBackoffMax = 2, 8*time.Second, time.Minute, time.Minute
	}})
	w0 := s.Worker(0)
	w0.Slow(30)
	first, second := unitIs(s, 0, "state", "failed"), unitIs(s, 1, "state", "failed")
	s.Until(func() bool { return first() && second() })
	failed := s.World().Now()
	w0.Slow(1)
	s.Until(func() bool { return !first() && !second() })
	require.Less(t, s.World().Now(), failed+s.Core().UnitBackoff+3*s.Core().ControlEvery)
	s.Settle()
}

// A controller looks, and sees two things at once: a unit that has waited long enough to be
// queued again, and that the batch is beyond its limit since another failed. The batch fails,
// and nothing is queued any more (R12).
func TestNothingIsQueuedBeyondTheLimit(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 8)
	batch.BackoffLimit = 1
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) {
		k.UnitTimeout, k.ControlEvery, k.UnitBackoff = 8*time.Second, 15*time.Second, time.Second
	}})
	s.Worker(0).Slow(30)
	waits := func() bool { return storedRow(s, "status/lab/data").get("failed") == "1" }
	s.Until(waits) // seen by the controller, the one that will be due
	s.Until(phaseIs(s, 0, "failed"))
	require.Contains(t, storedRow(s, "batch/lab/data").get("error"), "more than 1 failed attempts")
	for _, e := range commits(s, "w0", core.StepControl) {
		require.Empty(t, wrote(&e, "queue"))
	}
	s.Settle()
}

// A batch that was submitted anew has no counts in a list before a controller has looked at
// it: those of the last submission are not its own. And the frames of one that has ended are
// those of its complete units (R17).
func TestAnswersAboutWhatHasEnded(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40})
	w0 := s.Worker(0)
	s.Until(func() bool { return len(s.World().Keys("checkpoint/")) > 0 })
	w0.Pause()
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	var status core.BatchStatus
	ask := func(call func(ctx context.Context, api *core.Client) error) {
		asked := s.Client("ask", "lab", func(ctx context.Context, api *core.Client) (int64, error) { return 0, call(ctx, api) })
		s.Until(asked.Returned)
		require.NoError(t, asked.Err())
	}
	ask(func(ctx context.Context, api *core.Client) (err error) {
		status, err = api.Status(ctx, "lab", "data")
		return err
	})
	require.Zero(t, status.Frames)
	again := s.Submit(0)
	s.Until(again.Returned)
	ask(func(ctx context.Context, api *core.Client) error {
		all, err := api.List(ctx, "lab")
		if err == nil {
			status = all[0]
		}
		return err
	})
	require.Equal(t, uint64(2), status.Generation)
	require.Zero(t, status.Counts)
	w0.Resume()
	s.Settle()
}

// A retry whose first look was cut off counts every unit once.
func TestRetryCountsOnce(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 3, 400)
	for unit := range 2 {
		batch.Sources[0].Recordings[unit].Poison = 1
	}
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.Slots, k.Page = 3, 1 }})
	client := s.Process("client")
	s.Until(func() bool { return len(s.World().Keys("dead/")) == 2 })
	for nth := range 5 {
		client.Before(core.StepRetry).On("kv.scan").Nth(nth + 2).LoseRequest()
	}
	retried := 0
	asked := s.Client("retry", "lab/data", func(ctx context.Context, api *core.Client) (_ int64, err error) {
		retried, err = api.Retry(ctx, "lab", "data")
		return int64(retried), err
	})
	s.Until(asked.Returned)
	require.NoError(t, asked.Err())
	require.Equal(t, 2, retried)
	s.Settle()
}

// inheritsAnExpiredUpload is when w1 has taken over a unit of w0's, which is gone, and finds that
// the upload of its checkpoint has expired.
func inheritsAnExpiredUpload(t *testing.T) *conversion.Script {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 12})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return len(s.World().Keys("checkpoint/")) > 0 })
	w0.Crash()
	expired := w1.Before(core.StepConvert).On("objects.upload_part").ExpireUpload()
	w1.Resume()
	s.Until(expired.Fired)
	return s
}

// A successor goes on with the upload of a checkpoint, and it is gone: the conversion starts
// afresh, once, with an upload of its own (R5).
func TestExpiredUploadOfACheckpoint(t *testing.T) {
	s := inheritsAnExpiredUpload(t)
	s.Until(phaseIs(s, 0, "complete"))
	requireUnit(t, s, 0, "epoch", "2", "attempts", "2")
	s.Settle()
}

// A process that is asked to stop while the answer to a claim is on its way looks whether
// it has the unit, and gives it back: else it would wait for a lease that nobody holds, and
// an attempt be burnt (R4, R12).
func TestDrainLooksForItsClaim(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	loseCommitReplies(w0.Process, core.StepClaimUnit)
	s.Until(unitIs(s, 0, "state", "processing"))
	w0.Terminate(30 * time.Second)
	s.Until(unitIs(s, 0, "state", "pending"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "0", "releases", "1")
	w1.Resume()
	s.Settle()
}

// An attempt whose time is over while the object store is known to be down is given back: it
// is not consumed (R12).
func TestOutageConsumesNoAttempt(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 12, Tune: func(k *core.Config) { k.BreakerFailures, k.UnitTimeout = 1, 30*time.Second }})
	w0 := s.Worker(0)
	s.Until(unitIs(s, 0, "state", "processing"))
	w0.Partition(ops.Objects)
	s.Until(unitIs(s, 0, "state", "pending"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "0", "releases", "1")
	w0.Heal()
	s.Settle()
}

// A controller is about to queue a failed unit again, and loses a conflict. Before it looks again
// another has done it, and the unit has failed once more: that failure has a back-off of its
// own, longer than the last, and who saw the last is not the one to end it (R3, R12).
func TestRequeueIsOfTheFailureSeen(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8, Tune: func(c *core.Config) { c.UnitTimeout = 20 * time.Second }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	failByTime(s, w0)
	w0.Pause()
	w1.Resume()
	lost := w1.Before(core.StepControl).On("kv.prewrite").Nth(2).Conflict() // the first writes the status
	s.Until(lost.Fired)
	w1.Pause()
	w0.Resume()
	s.Until(unitIs(s, 0, "state", "failed", "epoch", "2"))
	failed := s.World().Now()
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "pending"))
	require.Greater(t, s.World().Now(), failed+2*s.Core().UnitBackoff*7/8)
	w0.Slow(1)
	s.Settle()
	requireUnit(t, s, 0, "attempts", "3", "epoch", "3")
}

// A back-off doubles up to its limit, and no further: a unit that has failed six times waits no
// longer than one that has failed three times (R12).
func TestBackOffHasALimit(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 4)
	batch.MaxAttempts = 7
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.UnitTimeout = 5 * time.Second }})
	w0 := s.Worker(0)
	w0.Slow(30)
	s.Until(unitIs(s, 0, "state", "failed", "attempts", "6"))
	failed := s.World().Now()
	s.Until(unitIs(s, 0, "state", "pending"))
	require.Less(t, s.World().Now(), failed+s.Core().UnitBackoffMax+2*s.Core().ControlEvery)
	w0.Slow(1)
	s.Settle()
	requireUnit(t, s, 0, "state", "complete", "attempts", "7")
}

// The store drops the upload of a merge as often as a merge begins it anew. The merge ends, not
// the batch: the next generation does it (R17).
func TestExpiredUploadsDoNotFailTheBatch(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	var last *script.Trigger
	for nth := range 5 { // as often as the merge tries
		last = w0.Before(core.StepMerge).On("objects.upload_part").Nth(nth + 1).ExpireUpload()
	}
	s.Until(last.Fired)
	s.Until(func() bool { return s.Phase(0) != "merging" })
	require.Equal(t, "complete", s.Phase(0))
	require.Equal(t, "2", mergeRow(s).get("gen"))
	s.Settle()
}

// A claim has read the batch when a cancel, which has lost two conflicts, says what is to come, and
// is written when the end has been carried through. The end locks the shards all the same: nothing
// starts any more (R3, R16). What the cancel rolled back lies before the claim, and does not stop it.
func TestNothingStartsAfterAnAnnouncedEnd(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0, client := s.Worker(0), s.Process("client")
	s.Until(phaseIs(s, 0, "running"))
	look := w0.Before(core.StepClaimUnit).On("kv.get").Pause()
	s.Until(look.Fired)
	for try := 1; try <= 2; try++ {
		client.Before(core.StepCancel).On("kv.prewrite").Nth(try).Conflict()
	}
	announce := client.Before(core.StepCancel).On("kv.prewrite").Nth(3).LoseRequest() // a second
	cancel := s.Cancel(0)
	s.Until(announce.Fired)
	claim := w0.Before(core.StepClaimUnit).Pause()
	w0.Resume()
	s.Until(claim.Fired)
	require.Empty(t, storedRow(s, "batch/lab/data").get("closing"))
	requireDone(t, s, cancel)
	w0.Resume()
	s.Settle()
	w0.Saw(env.ErrConflict, core.StepClaimUnit)
	requireUnit(t, s, 0, "state", "cancelled", "epoch", "0")
}

// An object that could not be deleted is not passed by: the batch is not forgotten before a look
// that has deleted all there is (R15).
func TestWhatCannotBeDeletedIsNotForgotten(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.WatchFor = time.Second }})
	w0 := s.Worker(0)
	for nth := range s.Core().StorageTries {
		w0.Before(core.StepCollect).On("objects.delete").Nth(nth + 1).Refuse()
	}
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().ObjectKeys("out/lab/data/staging/"))
	s.Settle()
}

// Several uploads of one key are open, since their answers were lost, and more than a page holds.
// One look finds them all: the next page begins behind the last upload, not behind its key
// (R15, R18).
func TestUploadsOfOneKeyFillPages(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.WatchFor, k.Page = time.Second, 1 }})
	w0 := s.Worker(0)
	for nth := range 3 {
		w0.Before(core.StepConvert).On("objects.create_upload").Nth(nth + 1).LoseReply()
	}
	requireUploadsCollected(t, s, 3)
}

// A leader whose tries are far apart renews when a third of its lease is over, and so before the
// next try but one: had it waited for the end of the lease, another would have led (R8, R20).
func TestLeaderRenewsInTime(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(c *core.Config) {
		c.OpTimeout, c.MaxInFlight, c.ConflictTries, c.StorageBackoffMax = 30*time.Second, 40*time.Second, 100, 6*time.Second
	}})
	leader := func() row { return storedRow(s, "leader/scanner") }
	s.Until(func() bool { return leader().get("epoch") == "1" })
	s.Inject(storm{step: core.StepDiscover, until: 2 * time.Minute})
	s.Advance(2 * time.Minute)
	require.Equal(t, "1", leader().get("epoch"))
	s.Settle()
}
