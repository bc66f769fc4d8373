package properties

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// marks never objects. It counts the situations that a search must reach before
// its silence means anything, and names the abstract states that it passes
// through, both from what the stores did and what they refused.
type marks struct {
	*view
	prewritten []prewritten
	last       uint64 // abstract state
}

// prewritten is a transaction that was prewritten and not yet decided.
type prewritten struct {
	process, incarnation string
	startTS              uint64
}

func newMarks(v *view) *marks {
	return &marks{view: v}
}

// Marks returns the names of the marks that a search must reach; the simulator
// adds some of its own.
func Marks() []string {
	return []string{
		"attempt_timed_out", "cancel_loses", "cancel_wins", "crash_between_prewrite_and_commit", "dead_letter",
		"double_takeover", "drain_mid_unit", "late_request_of_old_run", "list_page_failed", "merge_takeover",
		"resume_from_checkpoint", "resume_open_upload", "scanner_takeover", "scanner_takeover_mid_listing",
		"takeover_after_expiry", "zombie_complete_refused", "zombie_flip_refused",
	}
}

func (i *marks) Name() string { return "marks" }

func (i *marks) Observe(w *sim.World, e *sim.Effect) error {
	if e.Late && i.outlived(e) {
		w.Mark("late_request_of_old_run")
	}
	switch e.Kind {
	case sim.EffectCommit:
		for n := range i.changes {
			i.markChange(w, e, &i.changes[n])
		}
		i.nameState(w)
	case sim.EffectObject:
		i.markObject(w, e)
	case sim.EffectRecord:
		i.markRecord(w, &e.Record)
	case sim.EffectProcess:
		i.markProcess(w, e)
	}
	return nil
}

// outlived reports whether an effect is of an incarnation that has ended.
func (i *marks) outlived(e *sim.Effect) bool {
	alive, _ := i.lives(e.Process, e.Incarnation)
	return !alive
}

func (i *marks) markChange(w *sim.World, e *sim.Effect, c *change) {
	switch {
	case c.deleted:
	case c.kind == kindUnit:
		i.markUnit(w, c.unit)
	case c.kind == kindMerge && len(c.sub.merge.claims) > 1 && c.sub.merge.now.gen != c.sub.merge.was.gen:
		w.Mark("merge_takeover")
	case c.kind == kindLeader && i.leader.existed && i.leader.now.epoch != i.leader.was.epoch:
		w.Mark("scanner_takeover")
		if i.listing() {
			w.Mark("scanner_takeover_mid_listing")
		}
	case c.kind == kindBatch && c.sub.row.phase == "cancelled" && c.sub.was.phase != "cancelled" && c.sub.was.phase != "pending":
		w.Mark("cancel_wins")
	}
}

// listing reports whether a source is listed in part: some page of it is on
// record, and not the last.
func (i *marks) listing() bool {
	for _, s := range i.order {
		for _, d := range s.discoveries {
			if s.row.phase == "discovering" && d != nil && d.now.after != "" && !d.now.done {
				return true
			}
		}
	}
	return false
}

func (i *marks) markUnit(w *sim.World, u *unit) {
	switch {
	case u.claimed():
		switch u.takeovers() {
		case 0:
		case 1:
			w.Mark("takeover_after_expiry")
		default:
			w.Mark("double_takeover")
		}
	case u.before == stateProcessing && u.state == stateComplete:
		if c := claimOf(u.claims, u.now.epoch); c != nil && c.upload != "" && c.uploadKey == u.now.staged {
			w.Mark("resume_from_checkpoint")
		}
	case u.state == stateDead && u.before != stateDead:
		w.Mark("dead_letter")
	case u.state == statePending && u.now.releases > u.was.releases:
		if p := i.processes[u.was.worker]; p != nil && p.draining {
			w.Mark("drain_mid_unit")
		}
	}
	if u.state == stateFailed && strings.Contains(u.now.err, "timeout") {
		w.Mark("attempt_timed_out")
	}
}

// takeovers counts the attempts that somebody else than their owner ended.
func (u *unit) takeovers() int {
	n := 0
	for k := range u.claims {
		if c := &u.claims[k]; c.ended.event != 0 && !c.ended.is(c.owner, c.ownerInc) {
			n++
		}
	}
	return n
}

func (i *marks) markObject(w *sim.World, e *sim.Effect) {
	if e.Object.Kind != objstore.EffectUploadPart || i.object.unit == nil {
		return
	}
	if own := claimOf(i.object.unit.claims, i.object.epoch); own != nil && !own.is(e.Process, e.Incarnation) {
		w.Mark("resume_open_upload")
	}
}

func (i *marks) markRecord(w *sim.World, r *sim.Record) {
	if r.What != "cancel" || !r.Returned || r.Class == env.ClassNone {
		return
	}
	if s := i.batches["batch/"+r.Of]; s != nil && s.row.phase == "complete" {
		w.Mark("cancel_loses")
	}
}

func (i *marks) markProcess(w *sim.World, e *sim.Effect) {
	switch e.Happened {
	case sim.Crashed, sim.Killed:
		for _, p := range i.prewritten {
			if p.process == e.Process && p.incarnation == e.Incarnation {
				w.Mark("crash_between_prewrite_and_commit")
			}
		}
	}
	switch e.Happened {
	case sim.Crashed, sim.Killed, sim.Exited:
		i.prewritten = slices.DeleteFunc(i.prewritten, func(p prewritten) bool {
			return p.process == e.Process && p.incarnation == e.Incarnation
		})
	}
}

// ObserveCall sees requests, also those that were refused.
func (i *marks) ObserveCall(w *sim.World, c *sim.Call) {
	switch c.Op {
	case ops.Prewrite:
		i.markPrewrite(w, c)
	case ops.Commit:
		if c.OK() {
			i.decided(c.StartTS)
		} else {
			i.markRefused(w, c)
		}
	case ops.KVGet:
		i.markRefused(w, c)
	case ops.List:
		if !c.OK() && c.Step == "discover" {
			w.Mark("list_page_failed")
		}
	}
}

func (i *marks) markPrewrite(w *sim.World, c *sim.Call) {
	if !c.OK() {
		i.decided(c.StartTS)
		i.markRefused(w, c)
		return
	}
	for n := range i.prewritten {
		if i.prewritten[n].startTS == c.StartTS {
			return
		}
	}
	i.prewritten = append(i.prewritten, prewritten{c.Process, c.Incarnation, c.StartTS})
}

func (i *marks) decided(startTS uint64) {
	for n := range i.prewritten {
		if i.prewritten[n].startTS == startTS {
			i.prewritten = slices.Delete(i.prewritten, n, n+1)
			return
		}
	}
}

// markRefused notices a step that came too late: it finds the row of somebody
// else, or is refused outright.
func (i *marks) markRefused(w *sim.World, c *sim.Call) {
	switch c.Step {
	case "complete_unit":
		if i.lostUnit(c) {
			w.Mark("zombie_complete_refused")
		}
	case "flip":
		s := i.mergeAt(c.Key)
		if s != nil && lostTo(s.merge.claims, c) && len(s.merge.claims) > 0 && !s.merge.claims[len(s.merge.claims)-1].is(c.Process, c.Incarnation) {
			w.Mark("zombie_flip_refused")
		}
	}
}

// lostUnit reports whether the caller once had the unit that it completes, and
// lost it. A commit that is refused names the batch, which is its primary.
func (i *marks) lostUnit(c *sim.Call) bool {
	lost := func(u *unit) bool { return !u.ownedBy(c.Process, c.Incarnation) && lostTo(u.claims, c) }
	if u := i.units[c.Key]; u != nil {
		return lost(u)
	}
	s := i.batches[c.Key]
	return s != nil && c.Op != ops.KVGet && slices.ContainsFunc(s.units, lost)
}

// lostTo reports whether the caller once claimed this and lost it to another.
func lostTo(claims []claim, c *sim.Call) bool {
	for n := range claims {
		own := &claims[n]
		if !own.is(c.Process, c.Incarnation) {
			continue
		}
		if n+1 < len(claims) || own.ended.event != 0 && !own.ended.is(c.Process, c.Incarnation) {
			return true
		}
	}
	return false
}

func (i *marks) mergeAt(key string) *submission {
	if s := i.batches[key]; s != nil {
		return s
	}
	if name, ok := strings.CutPrefix(key, "active/"); ok { // the primary of a flip
		return i.batches["batch/"+name]
	}
	bid, ok := strings.CutPrefix(key, "merge/")
	if !ok {
		return nil
	}
	return i.submissions[bid]
}

// nameState names the abstract state, if the commit changed it: the phases of
// the batches, the multiset of their units, who merges and who leads, with
// numbers cut off where they no longer make a difference.
func (i *marks) nameState(w *sim.World) {
	if i.touched&(1<<kindBatch|1<<kindUnit|1<<kindMerge|1<<kindLeader|1<<kindCheckpoint) == 0 {
		return
	}
	h := scramble(1, uint64(i.owner(i.leader.now.worker, i.leader.now.incarnation)))
	for _, s := range i.order {
		one := scramble(hashText(s.row.phase), min(s.merge.now.gen, 3)<<8|uint64(i.owner(s.merge.now.worker, s.merge.now.incarnation)))
		for _, u := range s.units {
			saved := uint64(0)
			if u.checkpoint.exists {
				saved = 1
			}
			owner := 0
			if u.state == stateProcessing {
				owner = i.owner(u.now.worker, u.now.incarnation)
			}
			one += scramble(uint64(u.state)<<8|uint64(owner), min(u.now.epoch, 4)<<16|uint64(min(u.now.attempts, 4))<<8|saved)
		}
		h = scramble(h, one)
	}
	if h != i.last {
		i.last = h
		w.State(h)
	}
}

// owner is 0 for nobody, 1 for a living incarnation, 2 for a dead one.
func (i *marks) owner(worker, incarnation string) int {
	if worker == "" {
		return 0
	}
	if alive, _ := i.lives(worker, incarnation); alive {
		return 1
	}
	return 2
}

// scramble mixes two words (splitmix64's finaliser).
func scramble(a, b uint64) uint64 {
	a ^= b * 0x9e3779b97f4a7c15
	a = (a ^ a>>30) * 0xbf58476d1ce4e5b9
	a = (a ^ a>>27) * 0x94d049bb133111eb
	return a ^ a>>31
}

func hashText(text string) uint64 {
	h := uint64(len(text))
	for n := range len(text) {
		h = (h ^ uint64(text[n])) * 1099511628211
	}
	return h
}
