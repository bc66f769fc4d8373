package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// These scripts tell mistakes that bite under some setting only, at the edge of some size, or where two
// things are alike that mostly differ: one setting taken for another that has its value by default, an epoch
// for a number of attempts, a name for whoever has it.

// A batch may have a limit above the number of shards, and above what that may be: it has as many shards as
// are configured.
func TestParallelismAboveTheShards(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 4)
	batch.Parallelism = 1001
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}})
	s.Until(func() bool { return s.Phase(0) != "" })
	require.Equal(t, "2", storedRow(s, "batch/lab/data").get("shards"))
	s.Settle()
	require.Equal(t, "complete", s.Phase(0))
}

// A graceful release gives the attempt back, and not the epoch: where uploads are looked for key by key,
// those of every epoch are looked for (R2, R15).
func TestOrphanUploadOfALaterEpoch(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 6, Stores: func(st *conversion.Stores) { st.UploadsByKey = true }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	w0.After(core.StepClaimUnit).On("kv.commit").Terminate(10 * time.Second)
	s.Until(unitIs(s, 0, "releases", "1"))
	crash := w1.Applied(core.StepConvert).On("objects.create_upload").Crash()
	w1.Resume()
	s.Until(crash.Fired)
	requireUnit(t, s, 0, "epoch", "2", "attempts", "1")
	requireDone(t, s, s.Cancel(0))
	require.Len(t, s.World().Uploads(), 1)
	w1.Restart()
	s.Until(func() bool { return len(s.World().Keys("sweep/")) == 0 })
	require.Empty(t, s.World().Uploads())
	s.Settle()
}

// One process has a unit twice, and a reaper that looks seldom sees the first beat of each attempt. They are
// two leases, of two epochs (R8).
func TestBeatsOfTwoAttempts(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 40, Tune: func(k *core.Config) {
		k.Heartbeat, k.UnitTimeout = 9*time.Second, 8*time.Second
	}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	lease := func() row {
		for _, key := range s.World().Keys("lease/") {
			return storedRow(s, key)
		}
		return nil
	}
	w0.Slow(30)
	s.Until(func() bool { return lease().get("beat") == "2" })
	looks := calls(s, "w1", core.StepReap)
	w1.Resume()
	s.Until(func() bool { return calls(s, "w1", core.StepReap) > looks })
	s.Advance(time.Second)
	w1.Pause()
	seen := s.World().Now()
	s.Until(func() bool { return lease().get("epoch") == "2" && lease().get("beat") == "2" })
	s.Advance(seen + s.Core().StaleAfter + 100*time.Millisecond - s.World().Now())
	require.Equal(t, "2", lease().get("beat"))
	looks = calls(s, "w1", core.StepReap)
	w1.Resume()
	s.Until(func() bool { return calls(s, "w1", core.StepReap) > looks })
	s.Advance(time.Second)
	require.Empty(t, commits(s, "w1", core.StepReap))
	w0.Slow(1)
	s.Settle()
}

// A unit is dead for the second time, and the retry that is asked for is lost. That it was retried before
// tells nothing of that (R4).
func TestSecondRetryIsItsOwn(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 400)
	batch.Sources[0].Recordings[0].Poison = 1
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.Slots = 2 }})
	s.Until(unitIs(s, 0, "state", "dead"))
	requireDone(t, s, retry(s))
	s.Until(unitIs(s, 0, "state", "dead", "retries", "1"))
	for nth := range 5 {
		s.Process("client").Before(core.StepRetry).On("kv.commit").Nth(nth + 1).LoseRequest()
	}
	requireDone(t, s, retry(s))
	requireUnit(t, s, 0, "retries", "2")
	s.Settle()
}

// What a call to the object store may take is not what a transaction may take.
func TestEachStoreHasItsTimeLimit(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.OpTimeout = time.Second }})
	s.Worker(0).Before(core.StepConvert).On("objects.upload_part").Delay(3 * time.Second)
	s.Until(unitIs(s, 0, "state", "complete"))
	require.Equal(t, 4, requests(s, "objects.upload_part"))
	s.Settle()
}

// requests counts the requests of a kind.
func requests(s *conversion.Script, op string) int {
	n := 0
	for _, e := range s.Trace() {
		if e.Level == sim.TraceCall && e.What == op {
			n++
		}
	}
	return n
}

// A commit that is carried through takes OpTimeout at most, and not what a call to the object store may
// take: its owner stops in time.
func TestCommitIsCarriedThroughInTime(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.StorageTimeout, k.MaxInFlight = 50*time.Second, 60*time.Second }})
	w0 := s.Worker(0)
	due := w0.Before(core.StepCompleteUnit).On("kv.prewrite").LoseRequest()
	s.Until(due.Fired)
	w0.Partition(ops.KV, ops.PD)
	began := s.World().Now()
	s.Advance(40 * time.Second)
	for _, e := range s.Trace() {
		if e.Level == sim.TraceCall && e.Task == "worker0" && e.Step == string(core.StepCompleteUnit) {
			require.LessOrEqual(t, e.At, began+s.Core().StaleAfter, e.What)
		}
	}
	w0.Heal()
	s.Settle()
}

// The store is away when the last renewal but one is due, and back-offs may be long. An owner works no longer
// than it may, whatever it waits for (R8).
func TestOwnersStopInTime(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 400, Tune: func(k *core.Config) {
		k.Heartbeat, k.StorageBackoffMax, k.CheckpointFrames = 9*time.Second, 30*time.Second, 1000
	}})
	w0 := s.Worker(0)
	beat := w0.After(core.StepHeartbeat).On("kv.commit").Pause()
	s.Until(beat.Fired)
	sent := s.World().Now()
	w0.Resume()
	s.Advance(3 * time.Second)
	w0.Partition(ops.KV, ops.PD)
	s.Advance(20 * time.Second)
	last := lastCall(s, core.StepConvert)
	require.Greater(t, last, sent+8*time.Second)
	require.LessOrEqual(t, last, sent+s.Core().StaleAfter-s.Core().FenceMargin)
	w0.Heal()
	s.Settle()
}

// A unit that was given back is in a later epoch, and has failed no more often for it: its first back-off is
// the first (R12).
func TestReleasesDoNotBackOff(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 8, Tune: func(k *core.Config) { k.UnitBackoffMax, k.UnitTimeout = 5*time.Minute, 20*time.Second }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	for n := range 6 {
		w0.After(core.StepClaimUnit).On("kv.commit").Terminate(10 * time.Second)
		s.Until(unitIs(s, 0, "state", "pending", "releases", string(rune('1'+n))))
		s.Until(func() bool { return !w0.Alive() })
		w0.Restart()
	}
	failByTime(s, w0)
	requireUnit(t, s, 0, "epoch", "7", "attempts", "1")
	w0.Slow(1)
	s.Advance(s.Core().UnitBackoff + 2*s.Core().ControlEvery + s.Core().WorkerPoll)
	requireUnit(t, s, 0, "epoch", "8")
	w1.Resume()
	s.Settle()
}

// A retry grants as many attempts again as the unit had, also to one that a reaper takes away (R12).
func TestReaperHeedsTheRetry(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 400)
	batch.MaxAttempts = 2
	batch.Sources[0].Recordings[0].Poison = 300
	batch.Sources[0].Recordings[1].Frames = 2000
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}})
	s.Until(unitIs(s, 0, "state", "dead"))
	requireDone(t, s, retry(s))
	for _, epoch := range []string{"2", "3"} {
		s.Until(unitIs(s, 0, "state", "processing", "epoch", epoch))
		owner := s.Process(unitRow(s, 0).get("worker"))
		owner.Crash()
		s.Until(func() bool { return unitRow(s, 0).get("state") != "processing" })
		requireUnit(t, s, 0, "state", "pending")
		owner.Restart()
	}
	s.Settle()
}

// What bounds an attempt bounds its last transaction, too.
func TestTimeoutIsOfTheWholeAttempt(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.UnitTimeout = 30 * time.Second }})
	s.Inject(storm{step: core.StepCompleteUnit, until: 2 * time.Minute})
	s.Until(unitIs(s, 0, "state", "failed"))
	require.Equal(t, "unit timeout", unitRow(s, 0).get("error"))
	s.Settle()
}

// The prefixes of an ended batch are looked at for as long as WatchFor says, also if its rows need not stay
// that long (R15).
func TestShortTTLDoesNotEndTheWatch(t *testing.T) {
	s := begin(t, conversion.Setup{TTL: time.Second, Tune: func(k *core.Config) { k.WatchFor = 2 * time.Minute }})
	s.Until(phaseIs(s, 0, "complete"))
	s.Advance(100 * time.Second)
	require.Len(t, s.World().Keys("sweep/"), 1)
	require.Equal(t, "complete", s.Phase(0))
	s.Settle()
}

// What bounds the input of a merge bounds all of it, and not a page of it.
func TestMergeMemoryIsOfTheWholeInput(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 6, Tune: func(k *core.Config) { k.Page, k.MergeMemory = 2, 2500 }})
	s.Until(phaseIs(s, 0, "failed"))
	require.Contains(t, storedRow(s, "batch/lab/data").get("error"), "MergeMemory")
}

// A call that timed out has taken longer than a breaker stays open. The pause begins when it has failed, or
// there would be none (R17).
func TestBreakerCountsFromTheFailure(t *testing.T) {
	s := begin(t, conversion.Setup{Frames: 40, Tune: func(k *core.Config) {
		k.BreakerFailures, k.BreakerOpen, k.StaleAfter = 1, 3*time.Second, 2*time.Minute
	}})
	w0 := s.Worker(0)
	s.Until(func() bool { return len(s.World().Uploads()) > 0 })
	w0.Partition(ops.Objects)
	s.Advance(time.Minute)
	var last time.Duration
	pauses := 0
	for _, e := range s.Trace() {
		if e.Level != sim.TraceCall || e.Task != "worker0" || e.What != "objects.upload_part" {
			continue
		}
		if e.At-last > s.Core().StorageTimeout { // the one before has timed out
			require.GreaterOrEqual(t, e.At-last, s.Core().StorageTimeout+s.Core().BreakerOpen)
			pauses++
		}
		last = e.At
	}
	require.Greater(t, pauses, 3)
	w0.Heal()
	s.Settle()
}

// Both units of a batch are of one shard, and its limit has a share in another: the second finds it, in
// whichever shard it is.
func TestEveryShardsShareIsFound(t *testing.T) {
	batch := conversion.NewBatch("lab", "data", 2, 40)
	batch.Parallelism = 2
	s := begin(t, conversion.Setup{Batches: []workload.Batch{batch}, Tune: func(k *core.Config) { k.Slots = 2 }})
	s.Until(phaseIs(s, 0, "running"))
	require.Equal(t, unitRow(s, 0).get("shard"), unitRow(s, 1).get("shard"), "name one of the recordings anew")
	s.Advance(2 * s.Core().WorkerPoll)
	require.Len(t, s.World().Keys("lease/"), 2)
	s.Settle()
}

// Rounds of the scanner may be rarer than its lease is long: the lead is renewed in time all the same (R20).
func TestLeadOutlastsThePause(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Tune: func(k *core.Config) { k.ScanEvery = time.Minute }})
	s.Advance(3 * time.Minute)
	var last time.Duration
	for _, e := range s.Effects() {
		if e.Kind == sim.EffectCommit && e.Step == string(core.StepLead) {
			require.Less(t, e.At-last, s.Core().ScannerLease)
			last = e.At
		}
	}
	require.Greater(t, last, 2*time.Minute)
	s.Settle()
}

// A source of many pages is listed to its end in one round: rounds may be rare.
func TestDiscoveryTakesOneRound(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 9, Tune: func(k *core.Config) { k.Page, k.ScanEvery, k.ScannerLease = 1, time.Minute, 3*time.Minute }})
	s.Until(phaseIs(s, 0, "running"))
	require.Less(t, s.World().Now(), time.Minute)
	s.Settle()
}

// No process lives for as long as the prefixes of an ended batch are looked at. They count together: what one
// has watched the next need not watch again (R15).
func TestWatchOutlastsItsJanitors(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.WatchFor = 2 * time.Minute }})
	w0 := s.Worker(0)
	s.Until(func() bool { return storedRow(s, "sweep/lab/data/00000001").get("state") == "collect" })
	ended := s.World().Now()
	for len(s.World().Keys("sweep/")) > 0 {
		require.Less(t, s.World().Now(), ended+3*s.Core().WatchFor)
		s.Advance(time.Minute)
		w0.Crash()
		w0.Restart()
	}
	require.Greater(t, s.World().Now(), ended+s.Core().WatchFor)
	s.Settle()
}

// What bounds the bytes of a transaction bounds those that create units, and those that bring them to rest.
func TestPagesAreCutByBytes(t *testing.T) {
	s := begin(t, conversion.Setup{Units: 3, Tune: func(k *core.Config) { k.TxnBytes = 1 }})
	s.Until(func() bool { return storedRow(s, "sweep/lab/data/00000001").get("state") == "collect" })
	for _, step := range []env.Step{core.StepDiscover, core.StepControl} {
		wrote := map[string]int{}
		for _, e := range commits(s, "w0", step) {
			units := 0
			for _, m := range e.Commit.Writes {
				if strings.HasPrefix(m.Key, "unit/") {
					units++
					wrote[m.Key]++
				}
			}
			require.LessOrEqual(t, units, 1, step)
		}
		require.Len(t, wrote, 3, step)
	}
	s.Settle()
}

// The store is known to be down, and an attempt is given back for that; the process is asked to stop while it
// does. It gives it back in the time that is left: no lease has to run out (R12).
func TestDrainWhileReleasing(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 12, Tune: func(k *core.Config) {
		k.BreakerFailures, k.UnitTimeout, k.StaleAfter = 1, 30*time.Second, 5*time.Minute
	}})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	s.Until(unitIs(s, 0, "state", "processing"))
	w0.Partition(ops.Objects)
	stall := w0.Before(core.StepReleaseUnit).On("kv.prewrite").LoseRequest()
	s.Until(stall.Fired)
	w0.Terminate(30 * time.Second)
	s.Until(func() bool { return !w0.Alive() })
	requireUnit(t, s, 0, "state", "pending", "attempts", "0", "releases", "1")
	w0.Heal()
	w1.Resume()
	s.Settle()
}

// What is small enough is one put, of an attempt and of a merge: nobody opens an upload for it.
func TestSmallObjectsAreOnePut(t *testing.T) {
	s := begin(t, conversion.Setup{Tune: func(k *core.Config) { k.MultipartAbove = 1 << 20 }})
	s.Until(phaseIs(s, 0, "complete"))
	require.Zero(t, requests(s, "objects.create_upload"))
	require.GreaterOrEqual(t, requests(s, "objects.put"), 8, "an episode, as published, and six that tell of it")
	s.Settle()
}
