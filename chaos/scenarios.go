package chaos

import "time"

// Marks: the facts that runs are searched for. They are derived from what the
// stores applied and from the trace, never from what the system says of itself.
const (
	TakeoverAfterExpiry           = "takeover_after_expiry"
	ConflictAtCommit              = "conflict_at_commit"
	UndeterminedApplied           = "undetermined_applied"
	UndeterminedNotApplied        = "undetermined_not_applied"
	CrashBetweenPrewriteAndCommit = "crash_between_prewrite_and_commit"
	ResumeFromCheckpoint          = "resume_from_checkpoint"
	ZombieCompleteRefused         = "zombie_complete_refused"
	ZombieFlipRefused             = "zombie_flip_refused"
	MergeTakeover                 = "merge_takeover"
	LateExecution                 = "late_execution"
	DoubleTakeover                = "double_takeover"
	ResumeOpenUpload              = "resume_open_upload"
	CancelWins                    = "cancel_wins"
	CancelLoses                   = "cancel_loses"
	ScannerTakeover               = "scanner_takeover"
	DeadLetter                    = "dead_letter"
	DrainMidUnit                  = "drain_mid_unit"
	ListPageFailed                = "list_page_failed"
	AttemptTimedOut               = "attempt_timed_out"
	LateRequestOfOldRun           = "late_request_of_old_run"
	RetryAfterUnavailable         = "retry_after_unavailable"
	Reconnected                   = "reconnected"
)

var marks = [...][2]string{
	{TakeoverAfterExpiry, "a unit whose lease went stale was claimed by another worker"},
	{ConflictAtCommit, "a commit lost against another writer"},
	{UndeterminedApplied, "a commit ended undetermined and had been applied"},
	{UndeterminedNotApplied, "a commit ended undetermined and was never applied"},
	{CrashBetweenPrewriteAndCommit, "a process died between prewrite and commit and left locks"},
	{ResumeFromCheckpoint, "an attempt went on from its predecessor's checkpoint"},
	{ZombieCompleteRefused, "a worker that had lost its unit tried to complete it and was refused"},
	{ZombieFlipRefused, "a merger that had lost its claim tried to publish and was refused"},
	{MergeTakeover, "an abandoned merge was claimed with the next generation"},
	{LateExecution, "a request executed after its caller had given up"},
	{DoubleTakeover, "one unit was taken over twice"},
	{ResumeOpenUpload, "an attempt went on with the open upload of its predecessor"},
	{CancelWins, "a cancel was acknowledged before the publication, which did not happen"},
	{CancelLoses, "a cancel came after the publication and was refused"},
	{ScannerTakeover, "the scanner's leadership moved to another process"},
	{DeadLetter, "a unit used up its attempts"},
	{DrainMidUnit, "a terminated worker gave back a unit that it had begun"},
	{ListPageFailed, "a page of a listing failed in the middle of discovery"},
	{AttemptTimedOut, "an attempt was stopped at its time limit"},
	{LateRequestOfOldRun, "a request of an earlier incarnation executed after the restart"},
	{RetryAfterUnavailable, "a call that was answered with \"unavailable\" was tried again and succeeded"},
	{Reconnected, "a process that had been cut off from a service was heard there again"},
}

// Marks returns the names of all marks.
func Marks() []string {
	names := make([]string, len(marks))
	for i := range marks {
		names[i] = marks[i][0]
	}
	return names
}

// MarkMeaning says what a mark stands for, in one clause; "" for a word that
// is no mark.
func MarkMeaning(mark string) string {
	for i := range marks {
		if marks[i][0] == mark {
			return marks[i][1]
		}
	}
	return ""
}

// Scenarios returns the predefined scenarios. The caller owns them.
func Scenarios() []Scenario {
	return []Scenario{
		workerCrash(), partitionTiKV(), slowWorker(), mergeRace(), storageFailure(),
		outOfMemory(), spotTermination(), workersLost(), lostCommitReply(), zombieMerger(),
		weakObjectStore(), rollingRestart(), clockSkew(),
	}
}

func workerCrash() Scenario {
	return Scenario{
		Name:    "worker-crash",
		Title:   "A worker crashes in the middle of a unit; another goes on from its checkpoint.",
		Tests:   "checkpoint recovery, reaping of a dead owner's lease, resolution of the locks that a dead committer left",
		Workers: 3, Batches: 1, Units: 4,
		Inject: []Injection{
			{Fault: Crash, Role: "worker", Restart: 30 * time.Second,
				At: At{Step: "checkpoint", Call: KVCommit, Nth: 1, NthTo: 3, Phase: After}},
			{Fault: Crash, Role: "worker", Restart: 10 * time.Second, KeepTemp: true,
				At: At{Step: "complete_unit", Call: KVPrewrite, Phase: Applied}},
		},
		Observe:  []string{TakeoverAfterExpiry, ResumeFromCheckpoint, ResumeOpenUpload, CrashBetweenPrewriteAndCommit},
		Liveness: "An orphaned unit is claimable within stale + reaper + poll; every batch becomes terminal.",
	}
}

func partitionTiKV() Scenario {
	return Scenario{
		Name:    "partition-tikv",
		Title:   "A worker loses TiKV for longer than its lease, another loses the placement driver, a third hears no answers.",
		Tests:   "reconnection, the owner's own lease clock, queue rebuild after healing",
		Workers: 3, Batches: 1, Units: 4,
		Inject: []Injection{
			{Fault: Partition, Role: "worker", Service: ServiceKV, Direction: DirectionBoth, For: 10 * time.Second, Leases: 1.25,
				At: At{Step: "heartbeat", Call: KVPrewrite, Nth: 1, NthTo: 3}},
			{Fault: Partition, Role: "worker", Service: ServicePD, Direction: DirectionBoth, For: 45 * time.Second,
				At: At{Step: "claim_unit", Call: KVBegin, Nth: 1, NthTo: 3}},
			{Fault: Partition, Role: "worker", Service: ServiceKV, Direction: DirectionReply, For: 90 * time.Second,
				At: At{Step: "complete_unit", Call: KVCommit}},
		},
		Observe:  []string{Reconnected, RetryAfterUnavailable, TakeoverAfterExpiry},
		Liveness: "After healing, queue membership equals claimability and every pending unit is claimed within stale + reaper + poll.",
	}
}

func slowWorker() Scenario {
	return Scenario{
		Name:    "slow-worker",
		Title:   "One worker computes ten times slower; another freezes past its lease with a completion in hand.",
		Tests:   "zombie reaping, heartbeat time-out, fencing of a late completion, the throughput bound with a straggler",
		Workers: 3, Batches: 1, Units: 6,
		Inject: []Injection{
			{Fault: Slow, Role: "worker", Factor: 10, At: At{Step: "convert", Call: Work}},
			{Fault: Pause, Role: "worker", Leases: 1.5, For: time.Minute,
				At: At{Step: "complete_unit", Call: KVPrewrite}},
		},
		Observe:  []string{TakeoverAfterExpiry, ZombieCompleteRefused},
		Liveness: "With one worker ten times slower the batch ends within the bound derived from the configuration; no worker that still beats is reaped.",
	}
}

func mergeRace() Scenario {
	return Scenario{
		Name:    "merge-race",
		Title:   "Several mergers try to claim the same merge at the same time.",
		Tests:   "the optimistic lock of the merge claim, one publication, losers that discard without harming the winner",
		Workers: 4, Batches: 2, Units: 2,
		Inject: []Injection{
			{Fault: Delay, Role: "merger", Count: 2, For: 2 * time.Second,
				At: At{Step: "try_claim_merge", Call: KVPrewrite}},
			{Fault: Crash, Role: "merger", Restart: 20 * time.Second,
				At: At{Step: "merge", Nth: 1, NthTo: 2}},
		},
		Observe:  []string{ConflictAtCommit, MergeTakeover},
		Liveness: "An abandoned merge is taken over within stale + poll; every batch is published once.",
	}
}

func storageFailure() Scenario {
	return Scenario{
		Name:    "storage-failure",
		Title:   "The object store is away, refuses, cuts bodies off and forgets an upload; then it recovers.",
		Tests:   "retries with back-off, graceful degradation without consuming attempts, discovery that does not take a failed listing for an empty one",
		Workers: 2, Batches: 1, Units: 3,
		Inject: []Injection{
			{Fault: Refuse, Role: "scanner", At: At{Step: "discover", Call: ObjectsList}},
			{Fault: Refuse, Role: "worker", For: 20 * time.Second, At: At{Call: ObjectsUploadPart, Nth: 1, NthTo: 3}},
			{Fault: Truncate, Role: "worker", At: At{Call: ObjectsGet, Nth: 1, NthTo: 4}},
			{Fault: LoseReply, Role: "worker", At: At{Call: ObjectsCompleteUpload}},
			{Fault: ExpireUpload, Role: "worker", At: At{Call: ObjectsCompleteUpload}},
			{Fault: Partition, Role: "worker", Count: All, Service: ServiceObjects, Direction: DirectionBoth, For: 2 * time.Minute,
				At: At{Step: "convert", Call: ObjectsGet, Nth: 2, NthTo: 4}},
		},
		ClusterOnly: []Injection{
			{Fault: DiskFull, Role: "worker", For: 2 * time.Minute, At: At{Time: time.Minute}},
		},
		Observe:  []string{RetryAfterUnavailable, ListPageFailed},
		Liveness: "Work resumes by itself; no attempt is consumed while the store is known to be down.",
	}
}

func outOfMemory() Scenario {
	return Scenario{
		Name:    "out-of-memory",
		Title:   "The kernel kills workers for their memory while they convert.",
		Tests:   "recovery from a death in the middle of computing, attempts counted at claim and bounded",
		Workers: 3, Batches: 1, Units: 3,
		Inject: []Injection{
			{Fault: OOM, Role: "worker", Count: 2, Restart: 20 * time.Second, KeepTemp: true,
				At: At{Step: "convert", Call: Work, Nth: 2, NthTo: 12}},
		},
		Observe:  []string{TakeoverAfterExpiry, ResumeFromCheckpoint},
		Liveness: "An orphaned unit is claimable within stale + reaper + poll; every batch becomes terminal.",
	}
}

func spotTermination() Scenario {
	return Scenario{
		Name:    "spot-termination",
		Title:   "Spot instances are taken away: SIGTERM, then SIGKILL; once with too little time to drain.",
		Tests:   "draining (checkpoint, release, no attempt consumed), and recovery when the kill comes first",
		Workers: 3, Batches: 1, Units: 4,
		Inject: []Injection{
			{Fault: Terminate, Role: "worker", Grace: 30 * time.Second, Restart: time.Minute,
				At: At{Step: "convert", Call: Work, Nth: 2, NthTo: 12}},
			{Fault: Terminate, Role: "worker", Grace: 5 * time.Millisecond, Restart: time.Minute,
				At: At{Step: "convert", Call: Work, Nth: 2, NthTo: 12}},
		},
		Observe:  []string{DrainMidUnit, ResumeFromCheckpoint, TakeoverAfterExpiry},
		Liveness: "A released unit is claimed within 2 polls; an orphaned one within stale + reaper + poll.",
	}
}

func workersLost() Scenario {
	return Scenario{
		Name:    "workers-lost",
		Title:   "Three of four workers are lost for good, with their scratch space, one of them just after it took over.",
		Tests:   "recovery from what the stores hold alone, with fewer workers than before; a unit that changes hands twice",
		Workers: 4, Batches: 1, Units: 2,
		Inject: []Injection{
			// With two units the third worker to record a checkpoint is one that
			// took a unit over.
			{Fault: Crash, Role: "worker", Count: 3, At: At{Step: "checkpoint", Call: KVCommit, Phase: After}},
		},
		Observe:  []string{TakeoverAfterExpiry, ResumeFromCheckpoint, DoubleTakeover},
		Liveness: "The remaining worker finishes every batch, with three workers dead for ever.",
	}
}

func lostCommitReply() Scenario {
	return Scenario{
		Name:    "lost-commit-reply",
		Title:   "Commits are applied and their replies lost, or lost themselves: the caller cannot know which.",
		Tests:   "re-reading by identity after an undetermined commit: claim, completion, merge claim and publication happen once",
		Workers: 2, Batches: 1, Units: 3,
		Inject: []Injection{
			{Fault: LoseReply, Role: "worker", For: 2 * time.Minute, At: At{Step: "claim_unit", Call: KVCommit}},
			{Fault: LoseReply, Role: "worker", For: 2 * time.Minute, At: At{Step: "complete_unit", Call: KVCommit}},
			{Fault: LoseRequest, Role: "worker", For: 2 * time.Minute, At: At{Step: "complete_unit", Call: KVCommit}},
			{Fault: LoseReply, Role: "merger", For: 2 * time.Minute, At: At{Step: "try_claim_merge", Call: KVCommit}},
			{Fault: LoseReply, Role: "merger", For: 2 * time.Minute, At: At{Step: "flip", Call: KVCommit}},
		},
		Observe:  []string{UndeterminedApplied, UndeterminedNotApplied},
		Liveness: "Every batch becomes terminal; no unit belongs to a worker that does not know it for longer than stale + reaper.",
	}
}

func zombieMerger() Scenario {
	return Scenario{
		Name:    "zombie-merger",
		Title:   "A merger freezes with the publication in hand, and another's publication executes late; successors take over.",
		Tests:   "the generation in the publication's condition; losers that discard and never fail the winner",
		Workers: 3, Batches: 2, Units: 1,
		Inject: []Injection{
			{Fault: Pause, Role: "merger", Leases: 1.5, For: time.Minute, At: At{Step: "flip", Call: KVPrewrite}},
			{Fault: Delay, Role: "merger", Leases: 1.5, For: time.Minute, At: At{Step: "flip", Call: KVPrewrite}},
		},
		Observe:  []string{MergeTakeover, ZombieFlipRefused, LateExecution},
		Liveness: "An abandoned merge is taken over within stale + poll; every batch is published once.",
	}
}

func weakObjectStore() Scenario {
	return Scenario{
		Name:    "weak-object-store",
		Title:   "The object store ignores the conditions of writes while a stale merger and its successor both write.",
		Tests:   "that safety comes from epochs in keys and from the flip in TiKV, never from conditional object writes",
		Workers: 3, Batches: 1, Units: 2,
		Inject: []Injection{
			{Fault: WeakObjects},
			{Fault: Pause, Role: "worker", Leases: 1.5, For: time.Minute, At: At{Step: "stage"}},
			{Fault: Pause, Role: "merger", Leases: 1.5, For: time.Minute, At: At{Step: "flip", Call: KVPrewrite}},
		},
		Observe:  []string{TakeoverAfterExpiry, MergeTakeover, ZombieFlipRefused},
		Liveness: "Every batch is published once, byte-identical to the fault-free run.",
	}
}

func rollingRestart() Scenario {
	return Scenario{
		Name:    "rolling-restart",
		Title:   "Every process is replaced, one after another, as a deployment does it.",
		Tests:   "draining under load, hand-over of the scanner's leadership, no attempt consumed by a deployment",
		Workers: 3, Batches: 2, Units: 3,
		Inject: []Injection{
			{Fault: Terminate, Count: All, Every: 10 * time.Second, Grace: 30 * time.Second, Restart: 5 * time.Second,
				At: At{Step: "convert", Call: Work, Nth: 2, NthTo: 12}},
		},
		Observe:  []string{DrainMidUnit, ResumeFromCheckpoint, ScannerTakeover},
		Liveness: "Every batch becomes terminal; no unit is dead.",
	}
}

func clockSkew() Scenario {
	return Scenario{
		Name:    "clock-skew",
		Title:   "Wall clocks stand hours apart and step, monotonic clocks drift, and a worker dies.",
		Tests:   "that no decision compares two clocks: staleness is judged by unchanged beats on the observer's own clock",
		Workers: 3, Batches: 1, Units: 3,
		Inject: []Injection{
			{Fault: Skew, Role: "worker", Offset: 2 * time.Hour, At: At{Step: "claim_unit"}},
			{Fault: Skew, Role: "worker", Offset: -2 * time.Hour, At: At{Step: "heartbeat"}},
			{Fault: Drift, Role: "worker", PPM: 50_000, At: At{Step: "claim_unit"}},
			{Fault: Drift, Role: "worker", PPM: -50_000, At: At{Step: "heartbeat"}},
			{Fault: Crash, Role: "worker", Restart: 30 * time.Second,
				At: At{Step: "checkpoint", Call: KVCommit, Nth: 1, NthTo: 2, Phase: After}},
		},
		Observe:  []string{TakeoverAfterExpiry, ResumeFromCheckpoint},
		Liveness: "No worker that still beats is reaped for its clock; every batch becomes terminal.",
	}
}
