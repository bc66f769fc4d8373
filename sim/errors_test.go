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
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// These scripts tell what becomes of an error: whom it holds up, what it says, and what counts as
// done in spite of it.

// trouble befalls the requests of a step about a key, for a while; about all that begin with it, if it ends
// in a slash; or about any, if it is "".
type trouble struct {
	step  env.Step
	op    ops.Op
	key   string
	kind  fault.Kind
	until time.Duration
}

func (x trouble) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	about := x.key == "" || x.key == c.Subject || strings.HasSuffix(x.key, "/") && strings.HasPrefix(c.Subject, x.key)
	if c.Step != string(x.step) || c.Op != x.op || !about || c.Now >= x.until {
		return faults
	}
	return append(faults, &fault.Fault{Kind: x.kind, At: c.Anchor()})
}

// twoBatches are lab/data and lab/other, one unit each, of so many frames.
func twoBatches(data, other int) []workload.Batch {
	return []workload.Batch{conversion.NewBatch("lab", "data", 1, data), conversion.NewBatch("lab", "other", 1, other)}
}

// impatient gives a transaction up at its second conflict.
func impatient(k *core.Config) { k.ConflictTries = 2 }

// patientTries lets a try of a transaction last longer than its client repeats what is refused: the try
// goes on after an error.
func patientTries(k *core.Config) { k.OpTimeout, k.MaxInFlight = 2*time.Minute, 2*time.Minute }

// What a role has to do for one batch fails for a while. It goes on with the next one: that is discovered
// and merged, brought to rest when it has ended, and collected (R13, R15).
func TestErrorOfOneBatchHoldsUpNoOther(t *testing.T) {
	const troubled = 3 * time.Minute
	over := func(s *conversion.Script) bool { return s.Phase(1) == "complete" }
	settled := func(s *conversion.Script) bool {
		return storedRow(s, "sweep/lab/other/00000001").get("state") == "collect"
	}
	collected := func(s *conversion.Script) bool { return over(s) && len(s.World().Keys("sweep/lab/other/")) == 0 }
	conflict, refuse := &fault.Conflict{}, &fault.Refuse{}
	for name, c := range map[string]struct {
		trouble trouble
		frames  int
		done    func(s *conversion.Script) bool
	}{
		"its source is not listed":    {trouble{core.StepDiscover, ops.List, "in/lab/data/", refuse, troubled}, 4, over},
		"its status is not written":   {trouble{core.StepControl, ops.Prewrite, "status/lab/data", conflict, troubled}, 400, settled},
		"its merge is not claimed":    {trouble{core.StepTryClaim, ops.Prewrite, "batch/lab/data", conflict, troubled}, 4, over},
		"its units are not settled":   {trouble{core.StepControl, ops.Prewrite, "checkpoint/lab/data/", conflict, troubled}, 4, settled},
		"its objects are not deleted": {trouble{core.StepCollect, ops.Delete, "out/lab/data/", refuse, troubled}, 4, collected},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, conversion.Setup{Batches: twoBatches(c.frames, 4), Tune: func(k *core.Config) {
				k.Slots, k.ConflictTries, k.WatchFor = 2, 2, time.Second
			}})
			s.Inject(c.trouble)
			s.Until(func() bool { return c.done(s) })
			require.Less(t, s.World().Now(), troubled)
			require.NotEmpty(t, append(s.World().Keys("active/lab/data"), s.World().Keys("sweep/lab/data/")...))
			s.Settle()
		})
	}
}

// The lease of one unit cannot be taken away for a while. That of another, of the same dead owner, is (R8).
func TestReapingOfOneUnitHoldsUpNoOther(t *testing.T) {
	const troubled = time.Minute
	s := begin(t, conversion.Setup{Workers: 2, Units: 2, Frames: 40, Tune: func(k *core.Config) { k.Slots, k.ConflictTries = 2, 2 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return len(s.World().Keys("lease/w0/")) == 2 })
	w0.Crash()
	s.Inject(trouble{core.StepReap, ops.Prewrite, s.World().Keys("lease/w0/")[0], &fault.Conflict{}, troubled})
	w1.Resume()
	s.Until(func() bool { return len(s.World().Keys("lease/w0/")) == 1 })
	require.Less(t, s.World().Now(), troubled)
	w0.Restart()
	s.Settle()
}

// A stale lease could not be taken away in one round. It is in the next, and need not be watched for another
// StaleAfter (R8).
func TestFailedReapingIsTriedAgain(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: impatient})
	w0, w1 := crashOwner(s)
	w1.Before(core.StepReap).On("kv.prewrite").Conflict()
	failed := w1.Before(core.StepReap).On("kv.prewrite").Nth(2).Conflict()
	w1.Resume()
	s.Until(failed.Fired)
	s.Advance(3 * s.Core().ReapEvery)
	require.Empty(t, s.World().Keys("lease/w0/"))
	w0.Restart()
	s.Settle()
}

// A unit could not be claimed, in all of the tries. It is once more, by the same process (R13).
func TestFailedClaimIsTriedAgain(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: impatient})
	w0 := s.Worker(0)
	for nth := range 2 {
		w0.Before(core.StepClaimUnit).On("kv.prewrite").Nth(nth + 1).Conflict()
	}
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// A look at an ended batch whose rows could not be read, or whose keys could not be derived from them,
// or deleted, is none: the batch is not forgotten before one that has done all (R15, R18).
func TestLookThatFailedDoesNotCount(t *testing.T) {
	const troubled = 2 * time.Minute
	for name, c := range map[string]struct {
		trouble fault.Injector
		ttl     time.Duration
	}{
		"rows not read":    {trouble{core.StepCollect, ops.KVScan, "checkpoint/", &fault.Refuse{}, troubled}, 0},
		"keys not derived": {&troubleBehind{trouble{core.StepCollect, ops.KVScan, "unit/", &fault.Refuse{}, troubled}, ops.List, false}, 0},
		"rows not deleted": {trouble{core.StepCollect, ops.Prewrite, "unit/", &fault.Refuse{}, troubled}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, conversion.Setup{
				TTL:    c.ttl,
				Stores: func(st *conversion.Stores) { st.UploadsByKey = true },
				Tune:   func(k *core.Config) { k.ConflictTries, k.WatchFor = 2, time.Second },
			})
			s.Inject(c.trouble)
			s.Until(func() bool { return len(s.World().Keys("sweep/")) == 1 })
			s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
			require.GreaterOrEqual(t, s.World().Now(), troubled)
			require.Equal(t, c.ttl > 0, len(s.World().Keys("unit/")) == 0)
			s.Settle()
		})
	}
}

// troubleBehind begins with a call of another operation in the step, and ends when the step begins again.
type troubleBehind struct {
	trouble
	op    ops.Op
	begun bool
}

func (x *troubleBehind) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	switch {
	case c.Step != string(x.step):
	case c.Op == x.op:
		x.begun = true
	case strings.HasPrefix(c.Subject, "sweep/"):
		x.begun = false
	}
	if !x.begun {
		return faults
	}
	return x.trouble.Strike(c, faults)
}

// A page of an ended batch's units loses against others until its controller gives up. It is not passed
// by: the batch goes to the janitor when no row names a staged object any more (R7).
func TestPageThatIsContendedIsNotPassedBy(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 3, Tune: func(k *core.Config) { k.ConflictTries, k.Page = 2, 1 }})
	s.Until(phaseIs(s, 0, "merging"))
	first := strings.TrimPrefix(s.World().Keys("unit/")[0], "unit/")
	s.Inject(trouble{core.StepControl, ops.Prewrite, "checkpoint/" + first, &fault.Conflict{}, s.World().Now() + time.Minute})
	s.Until(phaseIs(s, 0, "complete"))
	s.Advance(20 * time.Second)
	require.Equal(t, "settle", storedRow(s, "sweep/lab/data/00000001").get("state"))
	s.Settle()
}

// A row that tells whose an output is cannot be read. The submission is tried again, and neither refused
// for what may not be there nor accepted over what is (R17).
func TestUnreadOutputIsNeitherTakenNorFree(t *testing.T) {
	within := conversion.NewBatch("lab", "within", 1, 4)
	within.Output = "out/lab/data/within/"
	for name, c := range map[string]struct {
		op    ops.Op
		key   string
		taken bool
	}{
		"above the output": {ops.KVGet, "output/out/lab", false},
		"above the source": {ops.KVGet, "output/in", false},
		"below the output": {ops.KVScan, "output/out/lab/data/", true},
	} {
		t.Run(name, func(t *testing.T) {
			batches := []workload.Batch{within, conversion.NewBatch("lab", "data", 1, 4)}
			s := begin(t, conversion.Setup{Unsubmitted: true, Batches: batches, Tune: patientTries})
			if c.taken {
				requireDone(t, s, s.Submit(0))
			}
			s.Inject(trouble{core.StepSubmit, c.op, c.key, &fault.Refuse{}, s.World().Now() + 50*time.Second})
			late := s.Submit(1)
			s.Until(late.Returned)
			require.GreaterOrEqual(t, s.World().Now(), 40*time.Second)
			if c.taken {
				require.ErrorIs(t, late.Err(), core.ErrOutputTaken)
			} else {
				require.NoError(t, late.Err())
			}
		})
	}
}

// What an answer is made of cannot be read at first. It is read again, from the start: the answer is the
// same as without, with nothing left out and nothing twice (R17).
func TestAnswersOutlastFailedReads(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 1, 40)
	batch.Sources = append(batch.Sources, conversion.NewBatch("lab", "more", 1, 40).Sources...)
	batches := []workload.Batch{batch, conversion.NewBatch("lab", "other", 1, 40)}
	s := begin(t, conversion.Setup{Batches: batches, Tune: patientTries})
	s.Until(func() bool {
		return len(s.World().Keys("checkpoint/lab/data/")) > 0 && len(s.World().Keys("status/")) == 2
	})
	s.Worker(0).Pause()
	ask := func() (status core.BatchStatus, list []core.BatchStatus) {
		asked := s.Client("ask", "lab", func(ctx context.Context, api *core.Client) (_ int64, err error) {
			if status, err = api.Status(ctx, "lab", "data"); err == nil {
				list, err = api.List(ctx, "lab")
			}
			return 0, err
		})
		s.Until(asked.Returned)
		require.NoError(t, asked.Err())
		return status, list
	}
	status, list := ask()
	require.Len(t, status.Sources, 2)
	require.NotZero(t, status.Frames)
	require.Len(t, list, 2)
	require.NotZero(t, list[0].Counts)
	for _, x := range []trouble{
		{step: core.StepStatus, op: ops.KVScan, key: "checkpoint/"},
		{step: core.StepStatus, op: ops.KVScan, key: "shard/"},
		{step: core.StepStatus, op: ops.KVGet, key: "discovery/lab/data/00000001/0001"},
		{step: core.StepList, op: ops.KVGet, key: "status/"},
		{step: core.StepList, op: ops.KVGet, key: "status/lab/other"}, // the first batch is in the list by then
	} {
		asked := s.World().Now()
		x.kind, x.until = &fault.Refuse{}, asked+50*time.Second
		s.Inject(x)
		again, all := ask()
		require.Equal(t, status, again, x.key)
		require.Equal(t, list, all, x.key)
		require.Greater(t, s.World().Now(), asked+40*time.Second)
	}
	s.Worker(0).Resume()
	s.Settle()
}

// The unit behind a stale lease cannot be read, or its batch, or its shard. It may have an attempt: the lease
// stays until it is known (R17).
func TestUnreadUnitIsNotReaped(t *testing.T) {
	for _, table := range []string{"unit/", "batch/", "shard/"} {
		t.Run(table, func(t *testing.T) {
			s := begin(t, conversion.Setup{Workers: 2, Tune: patientTries})
			w0, w1 := crashOwner(s)
			s.Inject(trouble{core.StepReap, ops.KVGet, table, &fault.Refuse{}, s.World().Now() + 70*time.Second})
			w1.Resume()
			s.Advance(70 * time.Second)
			require.Len(t, s.World().Keys("lease/"), 1)
			s.Until(unitIs(s, 0, "state", "complete"))
			w0.Restart()
			s.Settle()
		})
	}
}

// What a merge takes in cannot be read for a while, or whether it is still its own. It reads it again, under the
// same claim: what was not read is not missing (R10, R17).
func TestUnreadInputIsNotMissing(t *testing.T) {
	for _, x := range []trouble{{op: ops.KVScan, key: "unit/"}, {op: ops.KVGet, key: "batch/"}, {op: ops.KVGet, key: "merge/"}} {
		t.Run(x.key, func(t *testing.T) {
			s := begin(t, conversion.Setup{Units: 3, Tune: func(k *core.Config) {
				patientTries(k)
				k.Page = 2
			}})
			s.Until(phaseIs(s, 0, "merging"))
			x.step, x.kind, x.until = core.StepMerge, &fault.Refuse{}, s.World().Now()+50*time.Second
			s.Inject(x)
			s.Until(func() bool { return s.Phase(0) != "merging" })
			require.Equal(t, "complete", s.Phase(0))
			require.Equal(t, "1", mergeRow(s).get("gen"))
			require.Greater(t, s.World().Now(), 40*time.Second)
			s.Settle()
		})
	}
}

// What an ended batch has left cannot be read for a while: its sweep, a page of its units, their shard. It is
// not at rest before it is: nothing of it stays queued, under any priority (R7, R13, R17).
func TestUnreadLeftoversAreNotSettled(t *testing.T) {
	for _, x := range []trouble{{op: ops.KVGet, key: "sweep/"}, {op: ops.KVScan, key: "unit/"}, {op: ops.KVGet, key: "shard/"}} {
		t.Run(x.key, func(t *testing.T) {
			batch := conversion.NewBatch("lab", "data", 4, 40)
			batch.Priority, batch.Parallelism = 5, 1
			s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}, Tune: func(k *core.Config) {
				patientTries(k)
				k.StaleAfter = 5 * time.Minute
			}})
			w0, w1 := s.Worker(0), s.Worker(1)
			w1.Pause()
			s.Until(func() bool { return len(s.World().Keys("checkpoint/")) > 0 })
			w0.Pause() // so that nobody else writes what is settled
			w1.Resume()
			x.step, x.kind, x.until = core.StepControl, &fault.Refuse{}, s.World().Now()+50*time.Second
			s.Inject(x)
			requireDone(t, s, s.Cancel(0))
			s.Until(func() bool { return storedRow(s, "sweep/lab/data/00000001").get("state") == "collect" })
			require.Greater(t, s.World().Now(), 40*time.Second)
			for _, table := range []string{"queue/", "lease/", "checkpoint/"} {
				require.Empty(t, s.World().Keys(table), table)
			}
			for unit := range 4 {
				requireUnit(t, s, unit, "state", "cancelled", "staged", "")
			}
			w0.Resume()
			s.Settle()
		})
	}
}

// A unit has taken a share of a batch's limit in another shard than its own, which cannot be read when it
// completes. The share is given back all the same (R12, R17).
func TestUnreadShareIsGivenBack(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 20)
	batch.Parallelism = 2
	batch.Sources[0].Recordings[0].Frames = 60
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) {
		patientTries(k)
		k.Slots, k.Heartbeat, k.StaleAfter = 2, 2*time.Minute, 10*time.Minute // a beat would conflict with the completion
	}})
	s.Until(unitIs(s, 1, "state", "complete"))
	slot, _ := strconv.Atoi(unitRow(s, 0).get("slot"))
	require.NotEqual(t, unitRow(s, 0).get("shard"), strconv.Itoa(slot-1), "let the other one be the long one")
	share := "shard/lab/data/00000001/000" + strconv.Itoa(slot-1)
	require.Equal(t, "1", storedRow(s, share).get("taken"))
	s.Inject(trouble{core.StepCompleteUnit, ops.KVGet, share, &fault.Refuse{}, s.World().Now() + 90*time.Second})
	s.Until(unitIs(s, 0, "state", "complete"))
	require.Greater(t, s.World().Now(), 100*time.Second)
	require.Equal(t, "0", storedRow(s, share).get("taken"))
	s.Settle()
}

// The second page of a source cannot be listed, nor how far the first has come be read when that is to be noted.
// What was found stays found: discovery goes on from there (R17, R19).
func TestFailedListingForgetsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 3, Tune: func(k *core.Config) {
		patientTries(k)
		k.Page = 1
	}})
	s.Until(func() bool { return storedRow(s, "discovery/lab/data/00000001/0000").get("found") == "1" })
	now := s.World().Now()
	s.Inject(trouble{core.StepDiscover, ops.List, "in/", &fault.Refuse{}, now + 50*time.Second})
	s.Inject(&troubleBehind{trouble{core.StepDiscover, ops.KVGet, "discovery/", &fault.Refuse{}, now + 50*time.Second}, ops.List, false})
	s.Until(phaseIs(s, 0, "running"))
	require.Greater(t, s.World().Now(), 40*time.Second)
	require.Equal(t, "3", storedRow(s, "batch/lab/data").get("units"))
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// The last transaction of an attempt has an unknown outcome, and has not landed. That the epoch is still the
// attempt's own says nothing of it: it is run again, and no lease has to run out (R4, R12).
func TestUnknownEndIsNoEnd(t *testing.T) {
	for step, state := range map[env.Step]string{core.StepCompleteUnit: "complete", core.StepFailUnit: "dead", core.StepReleaseUnit: "pending"} {
		t.Run(string(step), func(t *testing.T) {
			batch := conversion.NewBatch("lab", "data", 1, 4)
			if step == core.StepFailUnit {
				batch.Sources[0].Recordings[0].Poison = 1
			}
			s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.DrainTimeout = time.Minute }})
			w0, w1 := s.Worker(0), s.Worker(1)
			w1.Pause()
			s.Until(unitIs(s, 0, "state", "processing"))
			s.Inject(trouble{step, ops.Commit, "", &fault.LoseRequest{}, s.World().Now() + 8*time.Second})
			if step == core.StepReleaseUnit {
				w0.Terminate(time.Minute)
			}
			s.Until(unitIs(s, 0, "state", state))
			requireUnit(t, s, 0, "epoch", "1", "worker", "w0")
			w0.Saw(env.ErrUndetermined, step)
			w1.Resume()
			s.Settle()
		})
	}
}

// The owner of a unit dies when its upload is complete, and its last checkpoint is old. Its successor finds the
// upload gone, and the object: it goes on without storing anything, or recording it, and accepts the object (R5).
func TestCompletedUploadIsRecognised(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 12, Tune: func(k *core.Config) { k.ConflictTries = 1 }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(func() bool { return len(s.World().Keys("checkpoint/")) > 0 })
	saved := storedRow(s, s.World().Keys("checkpoint/")[0])
	s.Inject(trouble{core.StepCheckpoint, ops.Prewrite, "", &fault.Conflict{}, 15 * time.Second})
	crash := w0.Applied(core.StepStage).On("objects.complete_upload").Crash()
	s.Until(crash.Fired)
	require.Equal(t, "2", saved.get("frames"))
	w1.Resume()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "2", "attempts", "2", "staged", saved.get("key"))
	w0.Restart()
	s.Settle()
}

// A submission has landed, and was not answered. What it wrote cannot be read when it looks for it, and then it
// can: nobody is told that another batch of this name is live (R4, R17).
func TestUnreadSubmissionIsNotAnothers(t *testing.T) {
	s := begin(t, conversion.Setup{Unsubmitted: true, Frames: 400, Tune: func(k *core.Config) {
		k.OpTimeout, k.MaxInFlight = time.Minute, 2*time.Minute
	}})
	s.Inject(trouble{core.StepSubmit, ops.Commit, "", &fault.LoseReply{}, 65 * time.Second}) // as long as a try
	submitted := s.Submit(0)
	s.Until(func() bool { return s.Phase(0) != "" })
	s.Inject(trouble{core.StepSubmit, ops.KVGet, "batch/lab/data", &fault.Refuse{}, 110 * time.Second})
	requireDone(t, s, submitted)
	require.Greater(t, s.World().Now(), 110*time.Second)
	s.Settle()
}

// One beat cannot be read, and one renewal of a lead does not get through in all of its tries. Neither
// says that another holds what they are for: their owners keep it (R8, R17).
func TestFailedRenewalIsNoFence(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 60, Tune: impatient})
	s.Until(unitIs(s, 0, "state", "processing"))
	owner := s.Worker(0)
	if unitRow(s, 0).get("worker") == "w1" {
		owner = s.Worker(1)
	}
	for nth := range 4 { // a second each, as long as a try
		owner.Before(core.StepHeartbeat).On("kv.get").Nth(nth + 1).LoseRequest()
	}
	leader := storedRow(s, "leader/scanner")
	for nth := range 2 {
		s.Process(leader.get("worker")).Before(core.StepLead).On("kv.prewrite").Nth(nth + 1).Conflict()
	}
	s.Advance(s.Core().ScannerLease + 3*s.Core().ScanEvery)
	require.Equal(t, leader.get("epoch"), storedRow(s, "leader/scanner").get("epoch"))
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// Behind the first no renewal of a lease gets through, and of none is known whether it has. Its owner does
// not count on it: it works no longer than since it sent the first (R4, R8).
func TestUnknownRenewalExtendsNothing(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 200})
	s.Until(func() bool { return len(commits(s, "w0", core.StepHeartbeat)) == 1 })
	landed := s.World().Now()
	s.Inject(trouble{core.StepHeartbeat, ops.Commit, "", &fault.LoseRequest{}, time.Hour})
	s.Advance(s.Core().StaleAfter)
	requireUnit(t, s, 0, "epoch", "1")
	require.LessOrEqual(t, lastCall(s, core.StepConvert), landed+s.Core().StaleAfter-s.Core().FenceMargin)
	s.Settle()
}

// The body of a read is cut short. It is read again, and costs no attempt (R12, R17).
func TestShortBodyIsReadAgain(t *testing.T) {
	s := begin(t, conversion.Setup{})
	s.Until(unitIs(s, 0, "state", "processing"))
	s.Inject(trouble{core.StepConvert, ops.Get, "in/", &fault.Truncate{Permille: 500}, s.World().Now() + time.Second})
	s.Until(unitIs(s, 0, "state", "complete"))
	require.Greater(t, s.World().Now(), time.Second)
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// A cancel says what is to come, in a crowd, and loses once more after that, which is one try too many.
// It does not return before it has cancelled: that it has not is no longer known (R4, R16).
func TestAnnouncedCancelIsNotRefused(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40, Tune: func(k *core.Config) { k.ConflictTries = 3 }})
	client := s.Process("client")
	s.Until(phaseIs(s, 0, "running"))
	for _, nth := range []int{1, 2, 4} { // the third announces
		client.Before(core.StepCancel).On("kv.prewrite").Nth(nth).Conflict()
	}
	requireDone(t, s, s.Cancel(0))
	require.Equal(t, "cancelled", s.Phase(0))
	s.Settle()
}

// A write to the object store loses to another one that is under way, and whether anything is there cannot
// be seen. The write is tried again: nothing says that the key is taken (R17).
func TestUnseenKeyIsNotTaken(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.MultipartAbove = 1 << 20 }})
	w0 := s.Worker(0)
	w0.Before(core.StepStage).On("objects.put").Conflict()
	w0.Before(core.StepStage).On("objects.head").Refuse()
	s.Until(unitIs(s, 0, "state", "complete"))
	requireUnit(t, s, 0, "epoch", "1", "attempts", "1")
	s.Settle()
}

// A look that fails forgets nothing. A claim that has gone stale half, and a back-off that is half over, do
// not begin anew when a process cannot read for once what it has watched.
//
//  1. The owner of a merge dies, another process watches its claim for half of StaleAfter.
//  2. For 12 s it cannot read the claim.
//  3. It takes the merge over when StaleAfter has passed, and not as long after step 2.
func TestFailedLookForgetsNothing(t *testing.T) {
	const troubled, grace = 12 * time.Second, 8 * time.Second
	hasty := func(k *core.Config) { k.ConflictTries, k.OpTimeout = 2, 2*time.Second }
	t.Run("a claim", func(t *testing.T) {
		s := begin(t, conversion.Setup{Workers: 2, Tune: hasty})
		w0, w1 := s.Worker(0), s.Worker(1)
		w1.Pause()
		crash := w0.After(core.StepTryClaim).On("kv.commit").Crash()
		s.Until(crash.Fired)
		w1.Resume()
		died := s.World().Now()
		s.Advance(s.Core().StaleAfter / 2)
		s.Inject(trouble{core.StepTryClaim, ops.KVGet, "", &fault.LoseRequest{}, s.World().Now() + troubled})
		s.Until(func() bool { return mergeRow(s).get("gen") == "2" })
		require.Less(t, s.World().Now(), died+s.Core().StaleAfter+grace)
		w0.Restart()
		s.Settle()
	})
	for name, x := range map[string]trouble{
		"a batch":                 {op: ops.KVGet},
		"which batches there are": {op: ops.KVScan, key: "active/"},
		"a shard":                 {op: ops.KVScan, key: "shard/"},
		"a failed unit":           {op: ops.KVScan, key: "failed/"},
	} {
		t.Run("a back-off, "+name, func(t *testing.T) {
			s := begin(t, conversion.Setup{Tune: func(k *core.Config) {
				hasty(k)
				k.UnitTimeout, k.UnitBackoff, k.UnitBackoffMax = 20*time.Second, 40*time.Second, 5*time.Minute
			}})
			w0 := s.Worker(0)
			failByTime(s, w0)
			failed := s.World().Now()
			w0.Slow(1)
			s.Advance(s.Core().UnitBackoff / 2)
			x.step, x.kind, x.until = core.StepControl, &fault.LoseRequest{}, s.World().Now()+troubled
			s.Inject(x)
			s.Until(unitIs(s, 0, "state", "pending"))
			require.Less(t, s.World().Now(), failed+s.Core().UnitBackoff+grace)
			s.Settle()
		})
	}
}
