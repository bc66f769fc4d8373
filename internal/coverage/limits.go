package main

import (
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// limitsOfUnit notes which timer or limit moved a unit.
func (w *watcher) limitsOfUnit(e *sim.Effect, key string, was, is *schema.Unit) {
	limit := func(name string) { w.note("limit/"+name, e.Process, e.Event) }
	switch {
	case is.State == schema.Processing:
		switch {
		case is.Epoch == 10:
			w.note("case/a unit's tenth attempt", e.Process, e.Event)
		case is.Epoch == 30:
			w.note("case/a unit's thirtieth attempt", e.Process, e.Event)
		case is.Epoch == 100:
			w.note("case/a unit's hundredth attempt", e.Process, e.Event)
		}
		if is.Slot > 0 {
			limit("parallelism: a slot is taken")
		}
	case e.Step == "reap":
		limit("stale_after: a unit is taken away")
	case was.State == schema.Failed && is.State == schema.Pending:
		w.backedOff(e, is)
	case was.State == schema.Dead && is.State == schema.Pending && is.Retries == 5:
		w.note("case/an operator's fifth retry of a unit", e.Process, e.Event)
	}
	if was.State != schema.Processing {
		return
	}
	if is.State == schema.Failed || is.State == schema.Dead {
		w.failing[key] = true
	}
	if is.State == schema.Dead && is.Attempts >= int64(w.core.MaxAttempts) {
		limit("max_attempts: the last is over")
	}
	if (is.State == schema.Failed || is.State == schema.Dead) && strings.Contains(is.Error, "timeout") && e.Step == "fail_unit" {
		limit("unit_timeout")
	}
}

func (w *watcher) backedOff(e *sim.Effect, u *schema.Unit) {
	w.note("limit/unit_backoff", e.Process, e.Event)
	wait := w.core.UnitBackoff
	for range u.Attempts - 1 {
		wait = min(2*wait, w.core.UnitBackoffMax)
	}
	if u.Attempts > 1 && wait < w.core.UnitBackoffMax {
		w.note("limit/unit_backoff, doubled", e.Process, e.Event)
	}
	if wait == w.core.UnitBackoffMax {
		w.note("limit/unit_backoff_max", e.Process, e.Event)
	}
}

// failed notes a batch that is given up.
func (w *watcher) failed(e *sim.Effect, b *schema.Batch) {
	if strings.HasPrefix(b.Error, "more than") {
		w.note("limit/backoff_limit: a batch has too many failures", e.Process, e.Event)
		if len(w.failing) > 2 {
			w.note("case/backoff_limit: used up by three units and more", e.Process, e.Event)
		}
	}
}

// cancelled notes what a cancel meets.
func (w *watcher) cancelled(e *sim.Effect) {
	owned := map[string]int{}
	for _, owner := range w.busy {
		owned[owner]++
	}
	for _, n := range owned {
		if n > 1 {
			w.note("case/slots: a cancel beside several of one process", e.Process, e.Event)
			return
		}
	}
}

// drained notes whether a drain was over in time.
func (w *watcher) drained(e *sim.Effect) {
	if e.At-w.draining[e.Process] >= w.core.DrainTimeout {
		w.note("limit/drain_timeout", e.Process, e.Event)
	}
}

// checkpoint notes which of its triggers wrote it.
func (w *watcher) checkpoint(e *sim.Effect, key string, row []byte) {
	var c schema.Checkpoint
	if row == nil || c.Decode(string(row)) != nil {
		delete(w.checkings, key)
		return
	}
	last := w.checkings[key]
	w.checkings[key] = c
	switch {
	case last.Frames > 0 && last.Epoch != c.Epoch:
		return
	case w.sinceDrain(e):
		w.note("limit/checkpoint at a drain", e.Process, e.Event)
	case c.Frames-last.Frames >= int64(w.core.CheckpointFrames):
		w.note("limit/checkpoint_frames", e.Process, e.Event)
	default:
		w.note("limit/checkpoint_every", e.Process, e.Event)
	}
}

// sinceDrain reports whether a transaction began after its process was asked to stop:
// what was converted until then is saved for the next attempt.
func (w *watcher) sinceDrain(e *sim.Effect) bool {
	asked, draining := w.draining[e.Process]
	t := w.tasks[place{e.Process, e.Incarnation, e.Task}]
	return draining && t != nil && t.began > asked
}

func (w *watcher) object(e *sim.Effect) {
	o := &e.Object
	switch {
	case o.Kind == objstore.EffectPut && strings.Contains(o.Key, "/staging/"):
		w.note("limit/multipart_above: an episode in one piece", e.Process, e.Event)
	case o.Kind == objstore.EffectComplete && strings.Contains(o.Key, "/staging/"):
		w.note("limit/multipart_above: an episode in parts", e.Process, e.Event)
	case strings.Contains(o.Key, "/chunk-001/"):
		w.note("limit/episodes_per_chunk: a second chunk", e.Process, e.Event)
	}
}

// task is what a task has done lately.
type task struct {
	step  string
	began time.Duration // its last transaction
	last  sim.Call      // its last request
	at    time.Duration
	tries int // of that very request
	// conflicts are those in a row, of transactions in one step.
	conflicts int
	pages     int
}

// timer is what lets a task begin its next round, by the task's name.
func (w *watcher) timer(task string) (string, time.Duration) {
	k := w.core
	switch {
	case task == "reaper":
		return "reap_every", k.ReapEvery
	case task == "controller":
		return "control_every", k.ControlEvery
	case task == "scanner":
		return "scan_every", min(k.ScanEvery, k.ScannerLease/3)
	case task == "merger":
		return "merge_poll", k.MergePoll
	case task == "janitor":
		return "janitor_every", k.JanitorEvery
	case strings.HasSuffix(task, "-heartbeat"):
		return "heartbeat of a unit", k.Heartbeat
	case task == "merge-renewal":
		return "heartbeat of a merge", k.Heartbeat
	case strings.HasPrefix(task, "worker") && !strings.Contains(task, "-"):
		return "worker_poll", k.WorkerPoll
	}
	return "", 0
}

// ObserveCall follows the requests.
func (w *watcher) ObserveCall(_ *sim.World, c *sim.Call) {
	at := place{c.Process, c.Incarnation, c.Task}
	t := w.tasks[at]
	if t == nil {
		t = &task{}
		w.tasks[at] = t
	}
	if c.Fate == sim.ReplyLost || c.Fate == sim.ReplyDropped {
		w.unheard(t, c)
		return
	}
	w.calls[c.Process] = append(w.calls[c.Process], c.Event)
	if c.Op == ops.TSO || c.Step != t.step {
		w.begin(t, c, at)
	}
	w.repeated(t, c)
	w.conflict(t, c)
	w.page(t, c)
	if c.Op.Service() == ops.Objects {
		w.breaker(c)
	}
	if c.Op == ops.UploadPart && strings.HasSuffix(c.Task, "-part1") {
		w.note("limit/parts_in_flight: a second", c.Process, c.Event)
	}
	t.step, t.last, t.at = c.Step, *c, c.At
}

// unheard notes an outcome that stays unknown while its process drains.
func (w *watcher) unheard(t *task, c *sim.Call) {
	t.last.Fate = c.Fate
	if _, draining := w.draining[c.Process]; draining && (c.Op == ops.Commit || c.Op == ops.Prewrite) {
		w.note("case/drain: an outcome stays unknown", c.Process, c.Event)
	}
}

// begin notes a step that begins, and the timer that began it.
func (w *watcher) begin(t *task, c *sim.Call, at place) {
	if c.Step != t.step {
		if c.Step != "" {
			w.note("step/"+c.Step, c.Process, c.Event)
		}
		t.conflicts = 0
		if t.step == "discover" && c.Step == "lead" && c.At-t.at < w.core.ScanEvery/2 {
			w.note("limit/scanner_lease: renewed in the middle of a round", c.Process, c.Event)
		}
	} else if t.began > 0 && c.At-t.began >= w.core.OpTimeout && !t.last.OK() {
		w.note("limit/op_timeout", c.Process, c.Event)
	}
	if c.Op != ops.TSO {
		return
	}
	if name, period := w.timer(c.Task); name != "" && t.began > 0 && c.At-t.at >= period*3/4 {
		w.note("timer/"+name, c.Process, c.Event)
		if c.Step == t.step && c.Step != "" {
			w.note("step/"+c.Step, c.Process, c.Event)
		}
	}
	t.began = c.At
	if c.Step == "claim_unit" {
		w.dropped(c, at)
	}
}

// dropped notes an attempt that its owner gave up because its lease had run out
// on its own clock.
func (w *watcher) dropped(c *sim.Call, at place) {
	key := w.holds[at]
	if key == "" || w.busy[key] != c.Process {
		return
	}
	delete(w.holds, at)
	if c.At-w.beaten[key] >= w.core.StaleAfter-w.core.FenceMargin {
		w.note("limit/fence_margin: an owner gives up by its own clock", c.Process, c.Event)
	}
}

// repeated notes requests that are sent again.
func (w *watcher) repeated(t *task, c *sim.Call) {
	if c.Op != t.last.Op || c.Key != t.last.Key || c.Step != t.step || t.last.OK() {
		t.tries = 1
		return
	}
	t.tries++
	if c.Op.Service() != ops.Objects {
		if c.At-t.at >= w.config.RPCTimeout {
			w.note("limit/rpc_timeout", c.Process, c.Event)
		}
		return
	}
	w.note("limit/storage_backoff: tried again", c.Process, c.Event)
	if c.At-t.at >= w.core.StorageTimeout {
		w.note("limit/storage_timeout", c.Process, c.Event)
	}
	delay := w.core.StorageBackoff
	for range t.tries - 2 {
		delay = min(2*delay, w.core.StorageBackoffMax)
	}
	if delay == w.core.StorageBackoffMax {
		w.note("limit/storage_backoff_max", c.Process, c.Event)
	}
	if t.tries == w.core.StorageTries && !c.OK() && !patient(c.Step) {
		w.note("limit/storage_tries: used up", c.Process, c.Event)
	}
}

// patient steps are those of owners, who go on trying.
func patient(step string) bool {
	switch step {
	case "convert", "stage", "complete_unit", "merge", "heartbeat", "renew_merge", "flip", "checkpoint":
		return true
	}
	return false
}

func (w *watcher) conflict(t *task, c *sim.Call) {
	switch {
	case c.Op == ops.Commit && c.OK():
		t.conflicts = 0
	case c.Op == ops.Prewrite && c.Answer.KV == tikv.StatusWriteConflict:
		if t.conflicts++; t.conflicts == 2 {
			w.note("limit/conflict_backoff: a second conflict in a row", c.Process, c.Event)
		}
		if t.conflicts == w.core.ConflictTries && !patient(c.Step) {
			w.note("limit/conflict_tries: used up", c.Process, c.Event)
		}
	}
}

// page notes later pages of scans and listings, and those of them that fail.
func (w *watcher) page(t *task, c *sim.Call) {
	later := c.Op == ops.KVScan && strings.HasSuffix(c.Key, "\x00")
	switch c.Op {
	case ops.List, ops.ListUploads:
		if c.Op != t.last.Op || c.Key != t.last.Key || c.Step != t.step {
			t.pages = 0
		}
		later = t.pages > 0
		if c.OK() {
			t.pages++
		}
	}
	if !later {
		return
	}
	w.note("limit/page: a later one of "+c.Op.String(), c.Process, c.Event)
	if c.Unheard() {
		w.note("case/page: a later one of "+c.Op.String()+" fails", c.Process, c.Event)
	}
}

// refusals are what a process has got from the object store in a row.
type refusals struct {
	failures, successes int
	opened              time.Duration
	open, half          bool
}

// breaker follows what a circuit breaker must make of the calls.
func (w *watcher) breaker(c *sim.Call) {
	r := w.refusals[c.Process]
	if r == nil {
		r = &refusals{}
		w.refusals[c.Process] = r
	}
	note := func(what string) { w.note("limit/breaker: "+what, c.Process, c.Event) }
	failed := c.Unheard() || c.Answer.Class == env.ClassUndetermined
	if r.open && c.At-r.opened >= w.core.BreakerOpen {
		r.open, r.half, r.successes = false, true, 0
		note("half open (breaker_open is over)")
	}
	switch {
	case failed && r.half:
		r.half, r.open, r.opened = false, true, c.At
		note("half open -> open")
	case failed:
		if r.failures++; r.failures == w.core.BreakerFailures && !r.open {
			r.open, r.opened = true, c.At
			note("closed -> open (breaker_failures)")
		}
	case r.half:
		if r.successes++; r.successes == w.core.BreakerSuccesses {
			*r = refusals{}
			note("half open -> closed (breaker_successes)")
		}
	default:
		r.failures = 0
	}
}
