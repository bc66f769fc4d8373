package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// Config is what cannot be seen in the stores: what was asked for, and the
// times by which liveness is judged. Durations are the configured ones of the
// system under test; the invariants add what clocks may drift.
type Config struct {
	// Workload is what the clients submit: a submission is compared with the
	// batch of its namespace and name.
	Workload workload.Spec

	// Heartbeat is the period of lease and merge claim renewals, StaleAfter how
	// long an observer must see a beat unchanged, ScannerLease the same for the
	// scanner's leadership.
	Heartbeat, StaleAfter, ScannerLease time.Duration
	// FenceMargin is how much earlier than StaleAfter an owner stops that cannot renew
	// its lease; 0 leaves that unjudged.
	FenceMargin time.Duration
	// Poll is a worker's pause before an empty queue; the others are the
	// periods of the roles that their names say.
	Poll, ReapEvery, ControlEvery, ScanEvery, MergePoll, JanitorEvery time.Duration
	// UnitBackoff is the pause before a unit that failed once is queued again;
	// it doubles with each attempt up to UnitBackoffMax.
	UnitBackoff, UnitBackoffMax time.Duration
	// OpTimeout bounds one try of a transaction, StorageTimeout one call to the
	// object store, BackoffMax the pause between tries, and BreakerOpen how
	// long a store that counts as down is not called.
	OpTimeout, StorageTimeout, BackoffMax, BreakerOpen time.Duration
	// DrainTimeout bounds what a process still does after it was asked to stop.
	DrainTimeout time.Duration
	// WatchFor is how long ended batches are watched, TTL how long their rows are
	// kept, or 0 for ever; with a WatchFor of 0 neither is judged.
	WatchFor, TTL time.Duration
	// UnitTimeout is how long an attempt may take; 0 leaves that unjudged.
	UnitTimeout time.Duration
	// MaxInFlight bounds how long a request may still execute after it was sent.
	MaxInFlight time.Duration

	// BreakerFailures is how many failures in a row make a store count as down, and
	// BreakerSuccesses how many successes then make it count as up again; 0 leaves
	// either unjudged. MaxLatency bounds a message's way, faults aside,
	// where no timer overtakes it.
	BreakerFailures, BreakerSuccesses int
	MaxLatency                        time.Duration
	// ConflictTries is how often a transaction is tried at least that meets conflicts, with
	// a pause after the first that is ConflictBackoff and doubles up to BackoffMax; 0 leaves
	// that unjudged.
	ConflictTries   int
	ConflictBackoff time.Duration
	// CheckpointEvery is how long stored parts may go unnamed by a checkpoint,
	// PartsInFlight how many are stored at once; 0 leaves that unjudged.
	CheckpointEvery time.Duration
	PartsInFlight   int
	// PartSize, MultipartAbove and ReadChunk, in bytes, bound what is written
	// at once; 0 leaves that unjudged.
	PartSize, MultipartAbove, ReadChunk int64

	// Probe is the prefix under which processes find out at their start what the
	// object store has; "" if they do not. Page is how much they list at once.
	Probe string
	Page  int

	// MaxAttempts and BackoffLimit are what a submission gets that names none.
	MaxAttempts, BackoffLimit int
	// Shards is into how many shards a batch's units are divided, at most; 0 leaves
	// that unjudged.
	Shards int
	// Slots is how many units a worker executes at once; Workers names the
	// processes that play the role, Controllers those that reap, merge and
	// control.
	Slots                int
	Workers, Controllers []string
}

// drifted is how long d can last, at most, by a clock that is as slow as the
// simulator makes them (a tenth).
func drifted(d time.Duration) time.Duration { return d + d/8 }

// hurried is how short d can be, at least, by a clock that is as fast as that.
func hurried(d time.Duration) time.Duration { return d - d/8 }

// soonest is how short d can be by any clock of this universe's, so far.
func (v *view) soonest(d time.Duration) time.Duration {
	if v.world.Hastened() {
		return hurried(d)
	}
	return d
}

// slack is how long a healed system may need to notice that it is healed: a
// call sent before may have to time out, a breaker to close, a back-off to end,
// and a fenced owner to notice it.
func (c *Config) slack() time.Duration {
	return drifted(c.Heartbeat + 2*c.OpTimeout + 2*c.StorageTimeout + c.BackoffMax + 2*c.BreakerOpen)
}

// All returns every invariant, with fresh state for one universe, in the order
// in which they must be called.
func All(c Config) []sim.Invariant {
	v := newView(&c)
	invariants := []sim.Invariant{v}
	for _, begin := range list {
		invariants = append(invariants, begin(v))
	}
	return invariants
}

// list is every invariant but the view. Where one effect breaks several
// sentences the one that says most is asked first.
var list = [...]func(*view) sim.Invariant{
	newSnapshotIsolation,
	newExactlyOnce,
	newCancelFinal,
	newFencing,
	newLegalEdges,
	newNoLostUnit,
	newCheckpointsMonotone,
	newDatasetEqualsReference,
	newQueueAgrees,
	newShardsAgree,
	newAttemptsBounded,
	newLimitsEnforced,
	newWorkSaved,
	newOwnersKnow,
	newBoundedWrites,
	newMergeInput,
	newDurablePointers,
	newOutputsExclusive,
	newSubmitsKept,
	newAnswersTrue,
	newLeadership,
	newRunsOnce,
	newOutcomesJustified,
	newStoreSpared,
	newNoFlapping,
	newDrainsGracefully,
	newOrphanClaimable,
	newNoIdleBesideWork,
	newMergeTakenOver,
	newEveryBatchEnds,
	newSummariesAgree,
	newNoLeaks,
	newNoLostUpdate,
	newNoWriteSkew,
	newLockOrder,
	newRefinesModel,
	newMarks,
}

// Names returns the invariants' names, in the order of All.
func Names() []string {
	var names []string
	for _, inv := range All(Config{}) {
		names = append(names, inv.Name())
	}
	return names
}
