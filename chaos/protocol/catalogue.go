// Package protocol is the chaos vocabulary of one system, the conversion's
// coordination protocol of package core: what a chaos configuration may name
// there. Another system brings a catalogue of its own.
package protocol

import "github.com/gauntlet-dst/gauntlet/chaos"

var (
	commits     = []string{chaos.KVCommit}
	reads       = []string{chaos.KVGet, chaos.KVScan}
	listings    = []string{chaos.ObjectsList}
	sourceReads = []string{chaos.ObjectsGet}
	stagings    = []string{chaos.ObjectsPut, chaos.ObjectsUploadPart, chaos.ObjectsCompleteUpload}
	deletions   = []string{chaos.ObjectsDelete, chaos.ObjectsAbortUpload}
)

// Catalogue returns the protocol's steps in the order of a batch's life, with
// the calls that each makes. The caller must not change it.
func Catalogue() chaos.Catalogue {
	return chaos.Catalogue{Steps: []chaos.Step{
		{Name: "submit", About: "a client submits a batch", Effect: commits, Makes: makes["submit"]},
		{Name: "status", About: "a client reads a batch's status", Effect: reads, Makes: makes["status"]},
		{Name: "list", About: "a client lists batches", Effect: reads, Makes: makes["list"]},
		{Name: "cancel", About: "a client cancels a batch", Effect: commits, Makes: makes["cancel"]},
		{Name: "retry", About: "a client gives dead units new attempts", Effect: commits, Makes: makes["retry"]},
		{Name: "probe", About: "a process finds out what the object store has", Effect: []string{chaos.ObjectsListUploads}, Makes: makes["probe"]},
		{Name: "lead", About: "a scanner takes or renews its leadership", Effect: commits, Makes: makes["lead"]},
		{Name: "discover", About: "the leading scanner lists a source", Effect: listings, Makes: makes["discover"]},
		{Name: "control", About: "a controller moves a batch to its next phase", Effect: commits, Makes: makes["control"]},
		{Name: "claim_unit", About: "a worker claims a unit", Effect: commits, Makes: makes["claim_unit"]},
		{Name: "resume", About: "a worker looks for a checkpoint to resume from", Effect: []string{chaos.KVGet}, Makes: makes["resume"]},
		{Name: "convert", About: "a worker reads and converts frames", Effect: sourceReads, Makes: makes["convert"]},
		{Name: "heartbeat", About: "a worker extends its lease", Effect: commits, Makes: makes["heartbeat"]},
		{Name: "checkpoint", About: "a worker records how far it has come", Effect: commits, Makes: makes["checkpoint"]},
		{Name: "stage", About: "a worker writes its output to staging", Effect: stagings, Makes: makes["stage"]},
		{Name: "complete_unit", About: "a worker reports a unit complete", Effect: commits, Makes: makes["complete_unit"]},
		{Name: "fail_unit", About: "a worker reports a failed attempt", Effect: commits, Makes: makes["fail_unit"]},
		{Name: "release_unit", About: "a draining worker gives a unit back", Effect: commits, Makes: makes["release_unit"]},
		{Name: "reap", About: "a reaper requeues a unit whose lease went stale", Effect: commits, Makes: makes["reap"]},
		{Name: "try_claim_merge", About: "a merger claims a merge", Effect: commits, Makes: makes["try_claim_merge"]},
		{Name: "renew_merge", About: "a merger extends its merge lease", Effect: commits, Makes: makes["renew_merge"]},
		{Name: "merge", About: "a merger writes a dataset's objects", Effect: stagings, Makes: makes["merge"]},
		{Name: "flip", About: "a merger publishes a dataset", Effect: commits, Makes: makes["flip"]},
		{Name: "collect", About: "a janitor deletes what nobody names any more", Effect: deletions, Makes: makes["collect"]},
	}}
}
