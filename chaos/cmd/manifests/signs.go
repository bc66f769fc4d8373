package main

import "github.com/gauntlet-dst/gauntlet/chaos"

// sign is where a worker shows a fact that a scenario must bring about.
type sign struct {
	Mark   string
	Log    string // the line's message, or its beginning; "" for none
	Metric string // without the namespace; "" for none
	Tell   string // how to tell the fact from others that show the same
}

// signs are those of all facts that scenarios are searched for.
func signs() []sign {
	return []sign{
		{chaos.TakeoverAfterExpiry, "unit reaped, now ", "units_reaped_total", "then \"unit claimed\" with the same key, by another process"},
		{chaos.DoubleTakeover, "unit reaped, now ", "units_reaped_total", "twice with the same key"},
		{chaos.ResumeFromCheckpoint, "conversion continued", "resumes_total", ""},
		{chaos.ResumeOpenUpload, "conversion continued", "resumes_total", "a checkpoint is that of an open upload"},
		{chaos.CrashBetweenPrewriteAndCommit, "", "", "no worker sees it: TiKV counts the locks that it resolves"},
		{chaos.Reconnected, "", "ready", "/readyz fails, and holds again"},
		{chaos.RetryAfterUnavailable, "", "object_retries_total", "of calls to the object store; TiKV's client tries again by itself"},
		{chaos.ListPageFailed, "discovery failed", "object_retries_total", ""},
		{chaos.ConflictAtCommit, "", "txn_conflicts_total", ""},
		{chaos.UndeterminedApplied, "", "txn_undetermined_total", "applied or not, the worker finds out for itself and does not say"},
		{chaos.UndeterminedNotApplied, "", "txn_undetermined_total", "as above"},
		{chaos.ZombieCompleteRefused, "attempt fenced", "attempts_fenced_total", "whichever call of the attempt was refused: completion, checkpoint or heartbeat"},
		{chaos.ZombieFlipRefused, "merge failed", "", "with the class fenced and \"flip\" in the error"},
		{chaos.MergeTakeover, "merge claimed", "merge_claims_total", "the key ends in the generations of the batch and of the merge: the latter above 1"},
		{chaos.LateExecution, "", "", "no worker sees it; what it would have broken, does not happen"},
		{chaos.DrainMidUnit, "unit released", "releases_total", ""},
		{chaos.ScannerTakeover, "scanner leads", "leaderships_total", "by another process than before"},
	}
}
