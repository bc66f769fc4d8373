package main

import "strings"

// item is something that must happen.
type item struct {
	name string
	// calm items need not happen right after a fault of their own process.
	calm bool
}

// Items are named by their group and themselves: edges by the two ends and by the
// step that takes them, timers and limits by the configuration's names.
const (
	steps = `submit status list cancel retry probe lead discover control claim_unit resume convert heartbeat
checkpoint stage complete_unit fail_unit release_unit reap try_claim_merge renew_merge merge flip collect`

	timers = `worker_poll
reap_every
control_every
scan_every
merge_poll
janitor_every
heartbeat of a unit
heartbeat of a merge`

	limits = `backoff_limit: a batch has too many failures
breaker: closed -> open (breaker_failures)
breaker: half open (breaker_open is over)
breaker: half open -> closed (breaker_successes)
breaker: half open -> open
checkpoint at a drain
checkpoint_every
checkpoint_frames
conflict_backoff: a second conflict in a row
conflict_tries: used up
drain_timeout
episodes_per_chunk: a second chunk
fence_margin: an owner gives up by its own clock
max_attempts: the last is over
multipart_above: an episode in one piece
multipart_above: an episode in parts
op_timeout
page: a later one of kv.scan
page: a later one of objects.list
page: a later one of objects.list_uploads
parallelism: a slot is taken
parts_in_flight: a second
rpc_timeout
scanner_lease: renewed in the middle of a round
scanner_lease: the leadership is taken over
stale_after: a merge is taken over
stale_after: a unit is taken away
storage_backoff: tried again
storage_backoff_max
storage_timeout
storage_tries: used up
unit_backoff
unit_backoff, doubled
unit_backoff_max
unit_timeout`

	// cases are neither, and were asked for.
	cases = `a unit's tenth attempt
a unit's thirtieth attempt
a unit's hundredth attempt
an operator's fifth retry of a unit
backoff_limit: used up by three units and more
drain: an outcome stays unknown
incarnations: two of one name live
incarnations: the first of two commits
page: a later one of kv.scan fails
page: a later one of objects.list fails
page: a later one of objects.list_uploads fails
slots: a cancel beside several of one process`

	edges = `batch: cancelled -> expired (collect)
batch: cancelled -> pending, submitted again (submit)
batch: complete -> expired (collect)
batch: complete -> pending, submitted again (submit)
batch: discovering -> cancelled (cancel)
batch: discovering -> failed (discover)
batch: discovering -> running (discover)
batch: expired -> pending, submitted again (submit)
batch: failed -> expired (collect)
batch: failed -> pending, submitted again (submit)
batch: merging -> cancelled (cancel)
batch: merging -> complete (flip)
batch: none -> pending (submit)
batch: pending -> cancelled (cancel)
batch: pending -> discovering (discover)
batch: running -> cancelled (cancel)
batch: running -> failed (control)
batch: running -> merging (try_claim_merge)
leader: leads -> another leads (lead)
leader: leads -> let go ()
leader: let go -> leads (lead)
leader: none -> leads (lead)
leader: renewed (lead)
lease: ended (complete_unit)
lease: ended (control)
lease: ended (fail_unit)
lease: ended (reap)
lease: ended (release_unit)
lease: first beat (heartbeat)
lease: granted (claim_unit)
lease: renewed (heartbeat)
merge: claimed -> claimed by another (try_claim_merge)
merge: claimed -> let go ()
merge: claimed -> published (flip)
merge: let go -> claimed (try_claim_merge)
merge: renewed (renew_merge)
merge: row deleted (collect)
merge: unclaimed -> claimed (try_claim_merge)
process: busy -> draining
process: busy -> frozen
process: busy -> gone, crashed
process: draining -> gone, drained
process: draining -> gone, killed
process: idle -> draining
process: idle -> frozen
process: idle -> gone, crashed
process: starting
remains: collect -> none (collect)
remains: none -> settle (cancel)
remains: none -> settle (control)
remains: none -> settle (discover)
remains: none -> settle (flip)
remains: settle -> collect (control)
remains: watched longer (collect)
unit: absent -> pending (discover)
unit: dead -> pending (retry)
unit: failed -> cancelled (control)
unit: failed -> pending (control)
unit: pending -> cancelled (control)
unit: pending -> processing (claim_unit)
unit: processing -> cancelled (control)
unit: processing -> cancelled (reap)
unit: processing -> complete (complete_unit)
unit: processing -> dead (fail_unit)
unit: processing -> dead (reap)
unit: processing -> dead, poison (fail_unit)
unit: processing -> failed (fail_unit)
unit: processing -> pending (reap)
unit: processing -> pending (release_unit)
unit: row deleted (collect)`
)

// seldom are items that happen, and that nothing is asked of: a batch whose end has to
// be announced, and that the controller then ends, has met two conflicts with claims or
// completions at the very time, and
// core.merge_memory is a bound of memory that no drawn batch comes near. A pause or a
// crash of a process that drains is one like others, and a process ends by itself only
// if it finds at its start that it cannot work with its stores.
const seldom = `edge/batch: discovering, end announced (cancel)
edge/batch: discovering, end announced (discover)
edge/batch: running, end announced (cancel)
edge/batch: discovering, end announced (control)
edge/batch: running, end announced (control)
edge/batch: discovering -> cancelled (control)
edge/batch: running -> cancelled (control)
edge/batch: discovering -> failed (control)
edge/process: draining -> frozen
edge/process: draining -> gone, crashed
edge/process: idle -> gone, by itself
setting/core.merge_memory`

// expected lists the items, and the settings with a zero value.
func expected() []item {
	var list []item
	add := func(group string, names []string, calm bool) {
		for _, name := range names {
			list = append(list, item{name: group + "/" + name, calm: calm})
		}
	}
	add("step", strings.Fields(steps), false)
	add("timer", strings.Split(timers, "\n"), false)
	add("limit", strings.Split(limits, "\n"), false)
	add("edge", strings.Split(edges, "\n"), false)
	add("case", strings.Split(cases, "\n"), true)
	for _, s := range settings() {
		if name := "setting/" + s.Name; zeroes()[s.Name] != "" && !strings.Contains(seldom, name) {
			list = append(list, item{name: name, calm: true})
		}
	}
	return list
}
