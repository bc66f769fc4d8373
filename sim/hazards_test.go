package sim_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Each test tells one hazard of published designs as a script, and fails when
// the rule that stands against it is taken out of core. The invariants watch
// all of them as well.

func begin(t *testing.T, setup conversion.Setup) *conversion.Script {
	t.Helper()
	s := conversion.New(t, setup, suite.Target())
	name, _, _ := strings.Cut(t.Name(), "/")
	s.Tells(tales()[name])
	return s
}

// unitRow is the row of batch 0's unit.
func unitRow(s *conversion.Script, unit int) row { return storedRow(s, s.Unit(0, unit)) }

// unitIs is a condition on the row of batch 0's unit: pairs of field and value.
func unitIs(s *conversion.Script, unit int, pairs ...string) func() bool {
	return func() bool {
		r := unitRow(s, unit)
		for i := 0; i < len(pairs); i += 2 {
			if r.get(pairs[i]) != pairs[i+1] {
				return false
			}
		}
		return true
	}
}

// requireUnit fails the test unless the row of batch 0's unit has these values.
func requireUnit(t *testing.T, s *conversion.Script, unit int, pairs ...string) {
	t.Helper()
	r := unitRow(s, unit)
	for i := 0; i < len(pairs); i += 2 {
		require.Equal(t, pairs[i+1], r.get(pairs[i]), "%s of unit %d: %v", pairs[i], unit, r)
	}
}

// failByTime slows the owner of batch 0's unit down until its attempt has taken too long,
// and leaves it slow.
func failByTime(s *conversion.Script, owner conversion.Worker) {
	s.Until(unitIs(s, 0, "state", "processing"))
	owner.Slow(30)
	s.Until(unitIs(s, 0, "state", "failed"))
}

func phaseIs(s *conversion.Script, batch int, phase string) func() bool {
	return func() bool { return s.Phase(batch) == phase }
}

// mergeRow is the merge row of batch 0's first submission.
func mergeRow(s *conversion.Script) row { return storedRow(s, "merge/lab/data/00000001") }

// commits returns what a process committed in a step.
func commits(s *conversion.Script, process string, step env.Step) []sim.Effect {
	var found []sim.Effect
	for _, e := range s.Effects() {
		if e.Kind == sim.EffectCommit && e.Process == process && e.Step == string(step) {
			found = append(found, e)
		}
	}
	return found
}

// stored returns the effects of one kind that a process had on objects.
func stored(s *conversion.Script, process string, kind objstore.EffectKind) []sim.Effect {
	var found []sim.Effect
	for _, e := range s.Effects() {
		if e.Kind == sim.EffectObject && e.Process == process && e.Object.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// calls counts the requests that a process sent in a step.
func calls(s *conversion.Script, process string, step env.Step) int {
	n := 0
	for _, e := range s.Trace() {
		if e.Level == sim.TraceCall && e.Process == process && e.Step == string(step) {
			n++
		}
	}
	return n
}

// requireUploadsCollected: so many uploads are open when the batch has ended, and none when its
// sweep row is gone.
func requireUploadsCollected(t *testing.T, s *conversion.Script, open int) {
	t.Helper()
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
	require.Len(t, s.World().Uploads(), open)
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().Uploads())
	s.Settle()
}

// lastCall is when a request was sent in a step, the last.
func lastCall(s *conversion.Script, step env.Step) (last time.Duration) {
	for _, e := range s.Trace() {
		if e.Level == sim.TraceCall && e.Step == string(step) {
			last = e.At
		}
	}
	return last
}

// wrote tells what a commit did to a row of a table: "put", "delete" or "".
func wrote(e *sim.Effect, table string) string {
	for _, m := range e.Commit.Writes {
		if strings.HasPrefix(m.Key, table+"/") && m.Op == tikv.OpPut {
			return "put"
		}
		if strings.HasPrefix(m.Key, table+"/") && m.Op == tikv.OpDelete {
			return "delete"
		}
	}
	return ""
}

// ---- Merging ----

// A merger that thaws after its successor has published, and only then reads,
// finds the fence: publication is conditional on state and generation (R1, R11).
func TestZombieMergerFindsItsFence(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepFlip).On("pd.tso").Pause()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(w1.Idle)
	w0.Resume()
	s.Settle()
	require.Empty(t, commits(s, "w0", core.StepFlip))
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("merge_gen"))
}

// Two mergers want the same merge: claiming is one conditional transaction, not
// a put that is read back. The loser does not take it from a claim that lives.
func TestMergeClaimHasOneWinner(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepTryClaim).Pause()
	s.Until(stall.Fired)
	flip := w1.Before(core.StepFlip).Pause()
	w1.Resume()
	s.Until(flip.Fired)
	w0.Resume()
	s.Advance(3 * time.Second)
	w0.Saw(env.ErrConflict, core.StepTryClaim)
	require.Equal(t, "1", mergeRow(s).get("gen"))
	require.Equal(t, "w1", mergeRow(s).get("worker"))
	w1.Resume()
	s.Settle()
}

// A crash in the middle of a merge does not wedge the batch: a claim is a lease
// (R8), not a key that exists. The one that crashed stays away.
func TestCrashedMergeIsTakenOver(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Before(core.StepMerge).On("objects.upload_part").Nth(5).Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(phaseIs(s, 0, "complete"))
	require.Equal(t, "2", mergeRow(s).get("gen"))
	require.False(t, w0.Alive())
	s.Settle()
}

// A merge that is done again, after one that wrote everything but did not
// publish, doubles nothing: what lost is in a prefix of its own (R11), which
// nobody sees and which is collected.
func TestMergeDoneAgainDoublesNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Units: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Before(core.StepFlip).Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(phaseIs(s, 0, "complete"))
	require.NotEmpty(t, s.World().ObjectKeys("out/lab/data/g00000001-00000001/"))
	s.Settle() // compares what is published with the reference
	require.Empty(t, s.World().ObjectKeys("out/lab/data/g00000001-00000001/"))
	require.Len(t, s.World().ObjectKeys("out/lab/data/g00000001-00000002/"), 2+6)
}

// The loser of a merge discards, and does not fail the batch under the winner's
// hands.
func TestLoserOfMergeDoesNotFailWinner(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	loser := w0.Before(core.StepFlip).Pause()
	s.Until(loser.Fired)
	winner := w1.Before(core.StepFlip).Pause()
	w1.Resume()
	s.Until(winner.Fired)
	w0.Resume() // finds another generation
	s.Advance(time.Second)
	require.Equal(t, "merging", s.Phase(0))
	w1.Resume()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
	require.Len(t, commits(s, "w1", core.StepFlip), 1)
}

// An outage of the object store in mid-merge fails nothing: the merge goes on
// when it is over, under the same claim.
func TestOutageDoesNotFailTheBatch(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	s.Until(func() bool { return mergeRow(s) != nil })
	w0.Partition(ops.Objects)
	s.Advance(time.Minute)
	require.Equal(t, "merging", s.Phase(0))
	w0.Heal()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
	require.Equal(t, "1", mergeRow(s).get("gen"))
}

// What a frozen worker stages late touches nothing that a row names: staging is
// keyed by unit and epoch (R1, R7), not by worker.
func TestLateStagingTouchesNothingNamed(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(c *core.Config) { c.MultipartAbove = 1 << 20 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	late := w0.Before(core.StepStage).Pause()
	s.Until(late.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	named := unitRow(s, 0).get("staged")
	require.Contains(t, named, "/e00000002/")
	w0.Resume()
	s.Advance(time.Second)
	puts := stored(s, "w0", objstore.EffectPut)
	require.NotEmpty(t, puts)
	require.Contains(t, puts[0].Object.Key, "/e00000001/")
	s.Settle()
}

// A merge starts when every unit is complete by its own row, in the claim's
// snapshot (R10): units that are pending or in execution count.
func TestMergeWaitsForEveryUnit(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 3, 4)
	batch.Parallelism = 1
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	second := w0.Before(core.StepCompleteUnit).On("kv.prewrite").Nth(2).Pause()
	s.Until(second.Fired)
	w1.Resume()
	s.Advance(8 * time.Second) // w1's merger looks, w0's lease holds
	states := map[string]int{}
	for i := range 3 {
		states[unitRow(s, i).get("state")]++
	}
	require.Equal(t, map[string]int{"complete": 1, "processing": 1, "pending": 1}, states)
	require.Nil(t, mergeRow(s))
	w0.Resume()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// A merge may take longer than a claim lasts: it is renewed.
func TestLongMergeKeepsItsClaim(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return mergeRow(s) != nil })
	w0.Slow(10) // 40 s of work, and stale after 12
	w1.Resume()
	s.Until(phaseIs(s, 0, "complete"))
	require.Greater(t, s.World().Now(), 40*time.Second)
	require.Equal(t, "1", mergeRow(s).get("gen"))
	s.Settle()
}

// A cancel that was acknowledged while a flip was in hand holds: nothing is
// published (R16).
func TestCancelBeatsFlip(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	flip := w0.Before(core.StepFlip).Pause()
	s.Until(flip.Fired)
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	w0.Resume()
	s.Settle()
	w0.Saw(env.ErrConflict, core.StepFlip)
	require.Equal(t, "cancelled", s.Phase(0))
	require.Empty(t, s.World().ObjectKeys("out/"))
}

// A cancel that comes after the flip says so, and undoes nothing.
func TestFlipBeatsCancel(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	flip := w0.Before(core.StepFlip).Pause()
	s.Until(flip.Fired)
	s.Process("client").Before(core.StepCancel).Delay(500 * time.Millisecond)
	cancel := s.Cancel(0)
	s.Advance(100 * time.Millisecond)
	w0.Resume()
	s.Until(cancel.Returned)
	require.ErrorIs(t, cancel.Err(), core.ErrEnded)
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// ---- Claiming and completing ----

// Two workers want one unit: a read in a snapshot takes nothing, the claim's
// commit does.
func TestOneUnitHasOneWinner(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepClaimUnit).Pause()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "processing", "worker", "w1"))
	w0.Resume()
	s.Advance(2 * time.Second)
	w0.Saw(env.ErrConflict, core.StepClaimUnit)
	requireUnit(t, s, 0, "worker", "w1", "epoch", "1", "attempts", "1")
	s.Settle()
}

// After an acknowledged cancel nothing starts: a claim that has read the batch
// before conflicts with the cancel, although the two write no common row (R3,
// R16).
func TestNothingStartsAfterCancel(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	claim := w0.Before(core.StepClaimUnit).Pause()
	s.Until(claim.Fired)
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	w0.Resume()
	s.Settle()
	w0.Saw(env.ErrConflict, core.StepClaimUnit)
	requireUnit(t, s, 0, "state", "cancelled", "epoch", "0")
}

// A cancel that keeps losing against claims and completions says what is to come:
// nothing starts any more, and a controller ends the batch if its author cannot.
func TestCrowdedCancelIsCarriedThrough(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 3, Frames: 40})
	w0, client := s.Worker(0), s.Process("client")
	claim := w0.After(core.StepClaimUnit).On("kv.commit").Pause()
	s.Until(claim.Fired)
	w0.Resume()
	for try := 1; try <= 2; try++ {
		client.Before(core.StepCancel).On("kv.prewrite").Nth(try).Conflict()
	}
	end := client.Before(core.StepCancel).On("kv.prewrite").Nth(4).LoseRequest()
	cancel := s.Cancel(0)
	s.Until(end.Fired)
	client.Partition(ops.KV)
	row, _ := s.World().Get("batch/lab/data")
	require.Equal(t, "cancelled", schema.Field(row, "closing"))
	require.NotEqual(t, "cancelled", s.Phase(0))
	s.Until(phaseIs(s, 0, "cancelled"))
	require.False(t, cancel.Returned())
	client.Heal()
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	s.Settle()
	require.Len(t, commits(s, "w0", core.StepClaimUnit), 1)
	require.Empty(t, commits(s, "w0", core.StepCompleteUnit))
}

// Nor does a unit complete that was in execution.
func TestNothingCompletesAfterCancel(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	complete := w0.Before(core.StepCompleteUnit).Pause()
	s.Until(complete.Fired)
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	w0.Resume()
	s.Settle()
	require.Empty(t, commits(s, "w0", core.StepCompleteUnit))
	requireUnit(t, s, 0, "state", "cancelled")
}

// A worker that thaws when its unit is somebody else's cannot complete it.
func TestZombieCannotComplete(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 5})
	w0 := takenOver(s, core.StepCompleteUnit)
	sent := calls(s, "w0", core.StepCompleteUnit)
	w0.Resume()
	s.Advance(0)
	require.Greater(t, calls(s, "w0", core.StepCompleteUnit), sent)
	requireUnit(t, s, 0, "state", "processing", "worker", "w1", "epoch", "2")
	s.Settle()
	require.Empty(t, commits(s, "w0", core.StepCompleteUnit))
}

// Nor can it fail it: here for a damaged frame that the other will find, too.
func TestZombieCannotFail(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 4)
	batch.Sources[0].Recordings[0].Poison = 4
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
	w0 := takenOver(s, core.StepFailUnit)
	sent := calls(s, "w0", core.StepFailUnit)
	w0.Resume()
	s.Advance(0)
	require.Greater(t, calls(s, "w0", core.StepFailUnit), sent)
	requireUnit(t, s, 0, "state", "processing", "worker", "w1", "epoch", "2")
	s.Settle()
	require.Empty(t, commits(s, "w0", core.StepFailUnit))
}

// Nor can it give it back: a release is by epoch and incarnation, not by name.
func TestZombieCannotRelease(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	release := w0.Before(core.StepReleaseUnit).On("pd.tso").Pause()
	w0.Terminate(time.Hour)
	s.Until(release.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "worker", "w1"))
	s.Advance(500 * time.Millisecond)
	sent := calls(s, "w0", core.StepReleaseUnit)
	w0.Resume()
	s.Advance(0)
	require.Greater(t, calls(s, "w0", core.StepReleaseUnit), sent)
	requireUnit(t, s, 0, "state", "processing", "worker", "w1", "releases", "0")
	s.Settle()
	require.Empty(t, commits(s, "w0", core.StepReleaseUnit))
}

// A worker whose machine was suspended cannot know that its lease has run out:
// its clock stood still. It works on, and nothing of it is accepted: safety does
// not come from the lease (R8), but from the fence (R1).
func TestSuspendedOwnerIsFenced(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 9})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.After(core.StepConvert).On("objects.upload_part").Suspend()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "processing", "worker", "w1"))
	s.Advance(500 * time.Millisecond)
	w0.Resume()
	parts := len(stored(s, "w0", objstore.EffectUploadPart))
	s.Until(unitIs(s, 0, "state", "complete", "worker", "w1", "epoch", "2"))
	require.Greater(t, len(stored(s, "w0", objstore.EffectUploadPart)), parts, "it did not work on")
	require.Empty(t, commits(s, "w0", core.StepCheckpoint))
	s.Settle()
}

// takenOver freezes w0 when it is about to begin a transaction in a step, until
// w1 has taken its unit over and has sent its first beat.
func takenOver(s *conversion.Script, step env.Step) conversion.Worker {
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(step).On("pd.tso").Pause()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "processing", "worker", "w1"))
	s.Advance(500 * time.Millisecond)
	return w0
}

// crashOwner crashes w0 as soon as the unit of batch 0 is its own, with w1 paused since
// the beginning.
func crashOwner(s *conversion.Script) (w0, w1 conversion.Worker) {
	w0, w1 = s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	w0.Crash()
	return w0, w1
}

// A failure is one commit: the state, the error and the end of the lease. A
// crash right after it leaves nothing half done.
func TestFailureIsOneCommit(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 4)
	batch.Sources[0].Recordings[0].Poison = 2
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}})
	w0 := s.Worker(0)
	crash := w0.Applied(core.StepFailUnit).On("kv.commit").Crash()
	s.Until(crash.Fired)
	requireUnit(t, s, 0, "state", "dead", "error", "decode frame: invalid: damaged frame")
	require.Empty(t, s.World().Keys("lease/"))
	s.Settle()
}

// A unit that was taken away from a dead owner is queued in the same commit
// (R13), and another executes it.
func TestReapedUnitIsQueued(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	_, w1 := crashOwner(s)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "pending"))
	reap := commits(s, "w1", core.StepReap)
	require.Len(t, reap, 1)
	require.Equal(t, "put", wrote(&reap[0], "queue"))
	require.Equal(t, "delete", wrote(&reap[0], "lease"))
	s.Until(unitIs(s, 0, "state", "complete"))
	s.Settle()
}

// A claim takes the unit out of the queue in the commit that makes it the
// worker's own (R13): no crash can lose it between the two.
func TestClaimAndQueueAreOneCommit(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Before(core.StepClaimUnit).On("kv.commit").Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "attempts", "1")
	claim := commits(s, "w1", core.StepClaimUnit)
	require.Len(t, claim, 1)
	require.Equal(t, "put", wrote(&claim[0], "unit"))
	require.Equal(t, "put", wrote(&claim[0], "lease"))
	require.Equal(t, "delete", wrote(&claim[0], "queue"))
	s.Settle()
}

// The head of the queue may be stuck, here at its batch's parallelism: more
// entries than a look at the queue returns do not hide what is behind them.
func TestStuckHeadStarvesNobody(t *testing.T) { behindStuckHead(t, 32) }

// Nor do they take all the time that a look may take: a batch that is full is
// judged once, not once for each page of its entries.
func TestStuckHeadIsPassedAtOnce(t *testing.T) {
	few, many := behindStuckHead(t, 32), behindStuckHead(t, 2)
	require.Less(t, many, 8*few, "each page of a full batch's entries costs a look at all its units")
}

// behindStuckHead executes a unit that is behind forty others whose batch is
// full, and returns how many requests it took to find it.
func behindStuckHead(t *testing.T, page int) int {
	head := conversion.NewBatch("lab", "head", 40, 2)
	head.Priority, head.Parallelism = 9, 1
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{conversion.NewBatch("lab", "data", 1, 2), head}, Tune: func(c *core.Config) { c.Page = page }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(phaseIs(s, 1, "running"))
	stall := w0.Before(core.StepConvert).Pause()
	s.Until(stall.Fired)
	w1.Resume()
	s.Advance(8 * time.Second) // w0's lease holds
	requireUnit(t, s, 0, "state", "complete")
	requests := calls(s, "w1", core.StepClaimUnit)
	w0.Resume()
	s.Settle()
	return requests
}

// A worker whose claim came back undetermined finds out that it has the unit
// (R4). Nobody waits for a lease to run out, and no attempt is burnt.
func TestUndeterminedClaimIsRecognised(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	lost := w0.Before(core.StepClaimUnit).On("kv.commit").LoseReply()
	s.Until(lost.Fired)
	w0.Partition(ops.KV, ops.PD)
	s.Advance(4 * time.Second)
	w0.Heal()
	s.Until(unitIs(s, 0, "state", "complete"))
	w0.Saw(env.ErrUndetermined, core.StepClaimUnit)
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// A submission whose reply was lost is known again by its key (R5): the client
// is told that it is its own, and there is one.
func TestLostReplyIsOneSubmission(t *testing.T) {
	s := begin(t, conversion.Setup{Unsubmitted: true})
	client := s.Process("client")
	lost := client.Before(core.StepSubmit).On("kv.commit").LoseReply()
	submit := s.Submit(0)
	s.Until(lost.Fired)
	client.Partition()
	s.Advance(4 * time.Second)
	client.Heal()
	s.Until(submit.Returned)
	client.Saw(env.ErrUndetermined)
	require.NoError(t, submit.Err())
	require.Equal(t, "1", storedRow(s, "batch/lab/data").get("gen"))
	s.Settle()
}

// A heartbeat ends with its attempt: it does not keep a unit alive that nobody
// works on (R14).
func TestHeartbeatEndsWithItsAttempt(t *testing.T) {
	s := begin(t, conversion.Setup{})
	s.Until(unitIs(s, 0, "state", "complete"))
	s.Advance(0)
	beats := calls(s, "w0", core.StepHeartbeat)
	require.NotZero(t, beats)
	s.Advance(10 * time.Second)
	require.Equal(t, beats, calls(s, "w0", core.StepHeartbeat))
	s.Settle()
}

// An attempt that takes too long is stopped, not left running while the unit is
// given to another. It can be tried again (R12).
func TestTimedOutAttemptStops(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(c *core.Config) { c.UnitTimeout = 10 * time.Second }})
	w0 := s.Worker(0)
	failByTime(s, w0)
	requireUnit(t, s, 0, "error", "unit timeout", "attempts", "1")
	require.Less(t, s.World().Now(), 13*time.Second)
	require.Empty(t, stored(s, "w0", objstore.EffectUploadPart))
	w0.Slow(1)
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
	requireUnit(t, s, 0, "attempts", "2")
}

// A controller that is about to queue a failed unit again, when another does and
// a worker has claimed it since, looks again and leaves it alone (R3).
func TestRequeueLooksAgain(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8, Tune: func(c *core.Config) { c.UnitTimeout = 20 * time.Second }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	failByTime(s, w0)
	w0.Slow(1)
	w0.Pause()
	w1.Resume()
	stall := w1.Before(core.StepControl).On("kv.prewrite").Nth(2).Pause()
	s.Until(stall.Fired)
	w0.Resume()
	s.Until(unitIs(s, 0, "state", "processing"))
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "attempts", "2", "epoch", "2")
	s.Settle()
}

// A damaged recording is not tried again: its unit ends dead, with the error
// where a person finds it (R12).
func TestPoisonEndsDeadWithItsError(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 4)
	batch.Sources[0].Recordings[1].Poison = 3
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}})
	s.Settle()
	requireUnit(t, s, 0, "state", "complete")
	requireUnit(t, s, 1, "state", "dead", "attempts", "1", "error", "decode frame: invalid: damaged frame")
	require.Equal(t, "failed", s.Phase(0))
	require.Contains(t, storedRow(s, "batch/lab/data").get("error"), "in/lab/data/run-1.rec: decode frame")
}

// A unit whose worker dies of it every time, by running out of memory for one,
// ends dead, with what is known of it: attempts are bounded (R12).
func TestAttemptsAreBounded(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	for attempt := range 3 {
		s.Until(unitIs(s, 0, "state", "processing", "attempts", strconv.Itoa(attempt+1)))
		w0.Crash()
		w0.Restart()
	}
	s.Until(phaseIs(s, 0, "failed"))
	requireUnit(t, s, 0, "state", "dead", "attempts", "3", "error", "lease of w0/3 at epoch 3 ran out")
	s.Settle()
}

// An upload that the store has dropped meanwhile costs the work, not the
// attempt.
func TestExpiredUploadStartsAfresh(t *testing.T) {
	s := begin(t, conversion.Setup{})
	expired := s.Worker(0).Before(core.StepConvert).On("objects.upload_part").Nth(3).ExpireUpload()
	s.Until(expired.Fired)
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "attempts", "1")
	require.Len(t, stored(s, "w0", objstore.EffectUploadPart), 2+4)
	s.Settle()
}

// ---- Who is alive ----

// An owner that crashed before its first beat is found by its lease, which the
// claim wrote.
func TestOwnerThatNeverBeatIsReaped(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepClaimUnit).On("kv.commit").Crash()
	s.Until(crash.Fired)
	require.Zero(t, calls(s, "w0", core.StepHeartbeat))
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete", "worker", "w1", "epoch", "2"))
	s.Settle()
}

// A reaper that froze between reading a lease and judging it holds an old beat
// in hand. It looks again before it reaps, and the living keep their unit (R3).
func TestReaperLooksAgain(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 40, Tune: func(c *core.Config) { c.ReapEvery = 500 * time.Millisecond }})
	w1 := s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	s.Advance(500 * time.Millisecond) // w0 has beaten, and will not for a while
	second := w1.After(core.StepReap).On("kv.scan").Nth(2).Pause()
	w1.Resume()
	s.Until(second.Fired)
	s.Advance(15 * time.Second)
	w1.Resume()
	s.Advance(time.Second)
	requireUnit(t, s, 0, "state", "processing", "worker", "w0", "epoch", "1")
	require.Empty(t, commits(s, "w1", core.StepReap))
	s.Settle()
	requireUnit(t, s, 0, "epoch", "1")
}

// Wall clocks decide nothing (R8): one that jumps by days makes nobody stale,
// and nobody immortal.
func TestWallClocksDecideNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 30})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	w1.Resume()
	s.Advance(5 * time.Second)
	w1.Skew(48 * time.Hour)
	s.Advance(5 * time.Second)
	w0.Skew(-96 * time.Hour)
	s.Advance(5 * time.Second)
	requireUnit(t, s, 0, "worker", "w0", "epoch", "1")
	w1.Skew(-96 * time.Hour)
	w0.Crash()
	s.Until(unitIs(s, 0, "worker", "w1"))
	require.Less(t, s.World().Now(), 40*time.Second)
	s.Settle()
}

// A beat only extends: one that was frozen until its lease was reaped revives
// nothing (R9).
func TestHeartbeatRevivesNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepHeartbeat).On("pd.tso").Nth(3).Pause()
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "processing", "worker", "w1"))
	beats := len(commits(s, "w0", core.StepHeartbeat))
	sent := calls(s, "w0", core.StepHeartbeat)
	w0.Resume()
	s.Advance(0)
	require.Greater(t, calls(s, "w0", core.StepHeartbeat), sent)
	require.Len(t, commits(s, "w0", core.StepHeartbeat), beats)
	require.Len(t, s.World().Keys("lease/w1/"), 1)
	require.Empty(t, s.World().Keys("lease/w0/"))
	s.Settle()
}

// An owner that checkpoints all the time doesn't stand in its own way: a beat
// locks nothing but the lease, so only the end of the attempt conflicts with it.
func TestBusyOwnerKeepsItsLease(t *testing.T) {
	s := begin(t, conversion.Setup{})
	s.Until(unitIs(s, 0, "state", "complete"))
	beats := 0
	for _, e := range s.Trace() {
		if e.Step == string(core.StepHeartbeat) && e.What == "kv.prewrite" {
			require.NotContains(t, e.Key, "unit/")
			require.NotContains(t, e.Key, "batch/")
			beats++
		}
	}
	require.NotZero(t, beats)
	s.Settle()
}

// Scans go on to the end, whatever the page (R18).
func TestScansPageToTheEnd(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 5, Frames: 1, Tune: func(c *core.Config) { c.Page = 2 }})
	s.Until(phaseIs(s, 0, "complete"))
	require.Equal(t, "5", storedRow(s, "batch/lab/data").get("units"))
	s.Settle()
	require.Equal(t, "5", storedRow(s, "status/lab/data").get("complete"))
}

// So do deletions: of a batch whose time to live is over no page of rows stays.
func TestExpiredRowsGoToTheEnd(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 5, Frames: 1, TTL: 20 * time.Second, Tune: func(c *core.Config) { c.Page = 2 }})
	s.Until(phaseIs(s, 0, "expired"))
	s.Settle()
	for _, table := range []string{"unit/", "shard/", "discovery/", "merge/"} {
		require.Empty(t, s.World().Keys(table))
	}
}

// Names that begin with other names are other names: prefixes end in a
// separator (R18).
func TestPrefixDoesNotMixBatches(t *testing.T) {
	batches := []workload.Batch{
		conversion.NewBatch("lab", "data", 2, 1), conversion.NewBatch("lab", "data-1", 1, 1), conversion.NewBatch("lab2", "data", 3, 1),
	}
	s := begin(t, conversion.Setup{Batches: batches})
	s.Until(func() bool { return s.Phase(0) != "" && s.Phase(1) != "" && s.Phase(2) != "" })
	var names []string
	list := s.Client("list", "lab", func(ctx context.Context, api *core.Client) (int64, error) {
		all, err := api.List(ctx, "lab")
		for i := range all {
			names = append(names, all[i].Namespace+"/"+all[i].Name)
		}
		return int64(len(all)), err
	})
	s.Until(list.Returned)
	require.NoError(t, list.Err())
	require.Equal(t, []string{"lab/data", "lab/data-1"}, names)
	s.Settle()
	for i, units := range []string{"2", "1", "3"} {
		require.Equal(t, "complete", s.Phase(i))
		require.Equal(t, units, storedRow(s, "batch/"+s.Batch(i).Namespace+"/"+s.Batch(i).Name).get("units"))
	}
}

// ---- Scanner, shutdown, storage ----

// A listing that failed is not an empty one (R19): the batch waits, the error
// can be seen, and all files are found in the end.
func TestFailedListingIsNotEmpty(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 2})
	w0 := s.Worker(0)
	w0.Partition(ops.Objects)
	s.Advance(time.Minute)
	require.Equal(t, "discovering", s.Phase(0))
	require.NotEmpty(t, storedRow(s, "discovery/lab/data/00000001/0000").get("error"))
	w0.Heal()
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("units"))
}

// A scanner whose leadership went to another writes nothing more, although
// nothing that it has read has changed but the leader (R20).
func TestDeposedScannerWritesNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Units: 4, Tune: func(c *core.Config) { c.Page = 2 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	page := w0.Before(core.StepDiscover).On("kv.prewrite").Nth(2).Pause()
	s.Until(page.Fired)
	lead := w1.Applied(core.StepLead).On("kv.commit").Pause()
	w1.Resume()
	s.Until(lead.Fired)
	before := len(commits(s, "w0", core.StepDiscover))
	w0.Resume()
	s.Advance(2 * time.Second)
	w0.Saw(env.ErrConflict, core.StepDiscover)
	require.Len(t, commits(s, "w0", core.StepDiscover), before)
	require.Empty(t, s.World().Keys("unit/"))
	w1.Resume()
	s.Settle()
	require.Equal(t, "4", storedRow(s, "batch/lab/data").get("units"))
}

// A write of the batch's row that was under way does not undo a cancel.
func TestCancelIsNotOverwritten(t *testing.T) {
	s := begin(t, conversion.Setup{})
	w0 := s.Worker(0)
	running := w0.Before(core.StepDiscover).On("kv.prewrite").Nth(3).Pause()
	s.Until(running.Fired)
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	w0.Resume()
	s.Advance(time.Second)
	w0.Saw(env.ErrConflict, core.StepDiscover)
	require.Equal(t, "cancelled", s.Phase(0))
	s.Settle()
}

// A name whose batch lives cannot be submitted again; once it has ended it can,
// under the next generation (R2).
func TestLiveBatchIsNotResubmitted(t *testing.T) {
	s := begin(t, conversion.Setup{})
	s.Until(phaseIs(s, 0, "running"))
	again := s.Submit(0)
	s.Until(again.Returned)
	require.ErrorIs(t, again.Err(), core.ErrLive)
	s.Until(phaseIs(s, 0, "complete"))
	again = s.Submit(0)
	s.Until(again.Returned)
	require.NoError(t, again.Err())
	s.Settle()
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("gen"))
	require.Equal(t, "complete", s.Phase(0))
}

// The commit that takes a batch out of the index of the living puts it into
// that of the ended: what it left is collected, also if the one who ended it
// crashes at once.
func TestEndedBatchStaysInAnIndex(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepFlip).On("kv.commit").Crash()
	s.Until(crash.Fired)
	flip := commits(s, "w0", core.StepFlip)
	require.Len(t, flip, 1)
	require.Equal(t, "delete", wrote(&flip[0], "active"))
	require.Equal(t, "put", wrote(&flip[0], "sweep"))
	w1.Resume()
	s.Settle()
	require.Empty(t, s.World().ObjectKeys("out/lab/data/staging/"))
}

// A process that is asked to stop gives its unit back, and the attempt with it
// (R12).
func TestReleaseDoesNotBurnAttempt(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	w0.Terminate(10 * time.Second)
	s.Until(func() bool { return !w0.Alive() })
	requireUnit(t, s, 0, "state", "pending", "attempts", "0", "releases", "1", "epoch", "1")
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "attempts", "1", "epoch", "2")
	s.Settle()
}

// A process that is asked to stop while it records that an attempt failed records
// it all the same: nothing waits for a lease that nobody holds.
func TestDrainWhileFailing(t *testing.T) {
	for _, op := range []string{"step", "kv.get", "kv.prewrite"} { // before it begins, while it reads, and while it writes
		t.Run(op, func(t *testing.T) {
			batch := conversion.NewBatch("lab", "data", 1, 4)
			batch.Sources[0].Recordings[0].Poison = 3
			s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
			w0, w1 := s.Worker(0), s.Worker(1)
			w1.Pause()
			stall := w0.Before(core.StepFailUnit).On(op).Pause()
			s.Until(stall.Fired)
			w0.Terminate(10 * time.Second)
			w0.Resume()
			s.Until(func() bool { return !w0.Alive() })
			requireUnit(t, s, 0, "state", "dead", "attempts", "1", "epoch", "1")
			w1.Resume()
			s.Settle()
		})
	}
}

// A part that did not arrive is uploaded again, under its number; its error is
// not forgotten among the others'.
func TestFailedPartIsUploadedAgain(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 6, Tune: func(c *core.Config) { c.PartsInFlight = 3 }})
	w0 := s.Worker(0)
	refused := w0.Before(core.StepConvert).On("objects.upload_part").Nth(2).Refuse()
	lost := w0.Before(core.StepConvert).On("objects.upload_part").Nth(6).LoseRequest()
	s.Until(unitIs(s, 0, "state", "complete"))
	require.True(t, refused.Fired() && lost.Fired())
	numbers := map[int]int{}
	for _, e := range stored(s, "w0", objstore.EffectUploadPart) {
		numbers[e.Object.Number]++
	}
	require.Equal(t, map[int]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}, numbers)
	require.Len(t, stored(s, "w0", objstore.EffectCreateUpload), 1)
	s.Settle()
}

// A successor goes on with the number after the last part on record: a part
// that was stored behind it is replaced, none is skipped.
func TestPartNumbersSurviveResume(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 6})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepConvert).On("objects.upload_part").Nth(3).Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	var parts []string
	for _, worker := range []string{"w0", "w1"} {
		for _, e := range stored(s, worker, objstore.EffectUploadPart) {
			if strings.Contains(e.Object.Key, "/staging/") {
				parts = append(parts, worker+":"+strconv.Itoa(e.Object.Number))
			}
		}
	}
	require.Equal(t, "w0:1 w0:2 w0:3 w1:3 w1:4 w1:5 w1:6", strings.Join(parts, " "))
	s.Settle()
}

// A part ends where its bytes say, not when a checkpoint is due: a part that a
// zombie stores late, under the upload that its successor goes on with, is the
// one that is on record (R5).
func TestLatePartIsTheSamePart(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 24, Tune: func(c *core.Config) {
		c.PartSize, c.CheckpointFrames, c.CheckpointEvery = 300, 1000, 2500*time.Millisecond
	}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	stall := w0.Before(core.StepConvert).On("objects.upload_part").Nth(2).Suspend()
	slow := w1.After(core.StepConvert).On("objects.get").Delay(2 * time.Second)
	s.Until(stall.Fired)
	w1.Resume()
	s.Until(slow.Fired)
	s.Advance(8 * time.Second)
	w0.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	etags := map[int]string{}
	twice := 0
	for _, worker := range []string{"w0", "w1"} {
		for _, e := range stored(s, worker, objstore.EffectUploadPart) {
			if first, ok := etags[e.Object.Number]; ok {
				require.Equal(t, first, e.Object.ETag, "part %d was stored twice, and differs", e.Object.Number)
				twice++
			}
			etags[e.Object.Number] = e.Object.ETag
		}
	}
	require.NotZero(t, twice)
	s.Settle()
}

// A conflict is an answer: it does not open the circuit breaker. w1 leads here,
// since what keeps a lease is sent also while the breaker is open, and closes it.
func TestConflictsDoNotOpenTheBreaker(t *testing.T) {
	tune := func(c *core.Config) { c.BreakerFailures, c.BreakerOpen = 1, time.Minute }
	s := begin(t, conversion.Setup{Workers: 2, Units: 2, Unsubmitted: true, Tune: tune})
	w0 := s.Worker(0)
	w0.Pause()
	s.Advance(time.Second)
	w0.Resume()
	s.Advance(3 * time.Second)
	claim := w0.Before(core.StepClaimUnit).Pause()
	s.Submit(0)
	s.Until(claim.Fired)
	claims := len(commits(s, "w1", core.StepClaimUnit))
	s.Until(func() bool { return len(commits(s, "w1", core.StepClaimUnit)) > claims })
	w0.Resume()
	sent := calls(s, "w0", core.StepControl)
	s.Advance(3 * time.Second)
	w0.Saw(env.ErrConflict, core.StepClaimUnit)
	require.Greater(t, calls(s, "w0", core.StepControl), sent)
	s.Settle()
}

// What a batch has left is collected, but only when no row points to it (R7),
// and when nothing that was sent before can still execute (R15).
func TestCollectionWaits(t *testing.T) {
	s := begin(t, conversion.Setup{})
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
	ended := s.World().Now()
	s.Settle()
	deleted := stored(s, "w0", objstore.EffectDelete)
	require.Len(t, deleted, 1)
	require.Contains(t, deleted[0].Object.Key, "/staging/")
	require.Greater(t, deleted[0].At, ended+20*time.Second)
	requireUnit(t, s, 0, "state", "complete", "staged", "")
}

// An upload that a dead attempt left open, which no row ever named, is found
// and dropped (R15).
func TestOrphanUploadIsDropped(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 6})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepConvert).On("objects.create_upload").Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(phaseIs(s, 0, "complete"))
	require.Len(t, s.World().Uploads(), 1)
	s.Settle()
	require.Empty(t, s.World().Uploads())
}

// storm lets every transaction of a step lose against another writer for a while.
type storm struct {
	step  env.Step
	until time.Duration
}

func (s storm) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	return trouble{step: s.step, op: ops.Prewrite, kind: &fault.Conflict{}, until: s.until}.Strike(c, faults)
}

// A leader whose transaction loses again and again renews its leadership between
// the tries: it lives, and nobody takes the lead from it (R20).
func TestLeaderRenewsBetweenTries(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(c *core.Config) {
		c.OpTimeout, c.MaxInFlight, c.ConflictTries = 30*time.Second, 40*time.Second, 100
	}})
	leader := func() row { return storedRow(s, "leader/scanner") }
	s.Until(func() bool { return leader().get("epoch") == "1" })
	led := leader().get("worker")
	s.Inject(storm{step: core.StepDiscover, until: time.Minute})
	s.Advance(time.Minute)
	require.Equal(t, "1", leader().get("epoch"))
	require.Equal(t, led, leader().get("worker"))
	s.Settle()
}

// An owner whose unit has been taken away, by the end of its batch, learns of it by its next
// beat, and stops: it does not work on until its lease would have run out (R8, R16).
func TestFencedOwnerStopsAtItsNextBeat(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 4000, Tune: func(k *core.Config) {
		k.StaleAfter, k.UnitTimeout = time.Minute, time.Hour
		k.CheckpointEvery, k.CheckpointFrames = time.Hour, 1e6 // whose guard would tell it, too
	}})
	worked := func() (at time.Duration) {
		for _, e := range s.Effects() {
			if e.Kind == sim.EffectObject && e.Step == string(core.StepConvert) {
				at = e.At
			}
		}
		return at
	}
	s.Until(func() bool { return worked() > 0 })
	requireDone(t, s, s.Cancel(0))
	s.Until(unitIs(s, 0, "state", "cancelled"))
	s.Advance(2 * s.Core().Heartbeat)
	told := s.World().Now()
	s.Advance(s.Core().StaleAfter)
	require.Less(t, worked(), told)
	s.Settle()
}
