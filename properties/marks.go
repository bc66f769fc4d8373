package properties

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// marks never objects. It counts the situations that a search must reach before
// its silence means anything, and names the abstract states that it passes
// through, both from what the stores did and what they refused.
type marks struct {
	watch
	prewritten []prewritten
	last       uint64 // abstract state
}

// prewritten is a transaction that was prewritten and not yet decided.
type prewritten struct {
	process, incarnation string
	startTS              uint64
}

// marksSays has no clauses: marks never object.
var marksSays = say("marks")

func newMarks(v *view) sim.Invariant {
	i := &marks{}
	i.watch = v.watch(marksSays, on{
		unit: i.markUnit, merge: i.markMerge, leader: i.markLeader, batch: i.markBatch, commit: i.nameState,
		object: i.markObject, record: i.markRecord, process: i.markProcess, always: i.markLate,
	})
	return i
}

// NeverObjects leaves the marks out of the list of what held.
func (*marks) NeverObjects() {}

// Marks returns the names of the marks that a search must reach; the simulator
// adds some of its own.
func Marks() []string {
	return []string{
		"attempt_timed_out", "cancel_loses", "cancel_wins", "crash_between_prewrite_and_commit", "dead_letter",
		"double_takeover", "drain_mid_unit", "late_request_of_old_run", "list_page_failed", "merge_takeover",
		"resubmitted_otherwise", "resume_from_checkpoint", "resume_open_upload", "scanner_takeover",
		"scanner_takeover_mid_listing", "takeover_after_expiry", "zombie_complete_refused", "zombie_flip_refused",
	}
}

// markLate notices an effect of an incarnation that has ended.
func (i *marks) markLate(e *sim.Effect) error {
	if !e.Late {
		return nil
	}
	if alive, _ := i.lives(e.Process, e.Incarnation); !alive {
		i.world.Mark("late_request_of_old_run")
	}
	return nil
}

func (i *marks) markMerge(c *mergeChange) error {
	if c.claimed() && len(c.sub.merge.claims) > 1 {
		i.world.Mark("merge_takeover")
	}
	return nil
}

func (i *marks) markLeader(c *leaderChange) error {
	if !c.existed || !c.taken() {
		return nil
	}
	i.world.Mark("scanner_takeover")
	if i.listing() {
		i.world.Mark("scanner_takeover_mid_listing")
	}
	return nil
}

func (i *marks) markBatch(c *batchChange) error {
	if c.entered() && c.sub.now.Phase == "cancelled" && c.before.Phase != "pending" {
		i.world.Mark("cancel_wins")
	}
	if p := c.prior; !c.deleted && p != nil && p != c.sub && p.wanted != c.sub.wanted {
		i.world.Mark("resubmitted_otherwise")
	}
	return nil
}

// listing reports whether a source is listed in part: some page of it is on
// record, and not the last.
func (i *marks) listing() bool {
	for _, s := range i.order {
		for _, d := range s.discoveries {
			if s.now.Phase == "discovering" && d != nil && d.now.After != "" && !d.now.Done {
				return true
			}
		}
	}
	return false
}

func (i *marks) markUnit(c *unitChange) error {
	u, w := c.unit, i.world
	switch {
	case c.deleted:
		return nil
	case c.claimed():
		switch u.takeovers() {
		case 0:
		case 1:
			w.Mark("takeover_after_expiry")
		default:
			w.Mark("double_takeover")
		}
	case c.before.State == schema.Processing && u.now.State == schema.Complete:
		if own := claimOf(u.claims, u.now.Epoch); own != nil && own.upload != "" && own.uploadKey == u.now.Staged {
			w.Mark("resume_from_checkpoint")
		}
	case c.became(schema.Dead):
		w.Mark("dead_letter")
	case u.now.State == schema.Pending && u.now.Releases > c.before.Releases:
		if p := i.processes[c.before.Worker]; p != nil && p.draining {
			w.Mark("drain_mid_unit")
		}
	}
	if u.now.State == schema.Failed && strings.Contains(u.now.Error, "timeout") {
		w.Mark("attempt_timed_out")
	}
	return nil
}

// takeovers counts the attempts that somebody else than their owner ended.
func (u *unit) takeovers() int {
	n := 0
	for k := range u.claims {
		if c := &u.claims[k]; c.ended.Event != 0 && !c.ended.Is(c.owner, c.ownerInc) {
			n++
		}
	}
	return n
}

func (i *marks) markObject(c *objectChange) error {
	if c.effect().Kind != objstore.EffectUploadPart || c.object.unit == nil {
		return nil
	}
	if own := claimOf(c.object.unit.claims, c.object.Epoch); own != nil && !own.Is(c.by.Process, c.by.Incarnation) {
		i.world.Mark("resume_open_upload")
	}
	return nil
}

func (i *marks) markRecord(e *sim.Effect) error {
	r := &e.Record
	if r.What != "cancel" || !r.Returned || r.Class == env.ClassNone {
		return nil
	}
	if s := i.newest(r.Of); s != nil && s.now.Phase == "complete" {
		i.world.Mark("cancel_loses")
	}
	return nil
}

func (i *marks) markProcess(e *sim.Effect) error {
	switch e.Happened {
	case sim.Crashed, sim.Killed:
		for _, p := range i.prewritten {
			if p.process == e.Process && p.incarnation == e.Incarnation {
				i.world.Mark("crash_between_prewrite_and_commit")
			}
		}
	}
	switch e.Happened {
	case sim.Crashed, sim.Killed, sim.Exited:
		i.prewritten = slices.DeleteFunc(i.prewritten, func(p prewritten) bool {
			return p.process == e.Process && p.incarnation == e.Incarnation
		})
	}
	return nil
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
		if s != nil && lostTo(s.merge.claims, c) && len(s.merge.claims) > 0 && !s.merge.claims[len(s.merge.claims)-1].Is(c.Process, c.Incarnation) {
			w.Mark("zombie_flip_refused")
		}
	}
}

// lostUnit reports whether the caller once had the unit that it completes, and
// lost it. A commit that is refused names its primary, the checkpoint.
func (i *marks) lostUnit(c *sim.Call) bool {
	_, rest := schema.Split(c.Key)
	u := i.units[schema.UnitTable.Key(rest)]
	return u != nil && !u.ownedBy(c.Process, c.Incarnation) && lostTo(u.claims, c)
}

// lostTo reports whether the caller once claimed this and lost it to another.
func lostTo(claims []claim, c *sim.Call) bool {
	for n := range claims {
		own := &claims[n]
		if !own.Is(c.Process, c.Incarnation) {
			continue
		}
		if n+1 < len(claims) || own.ended.Event != 0 && !own.ended.Is(c.Process, c.Incarnation) {
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
		return i.newest(name)
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
func (i *marks) nameState(*sim.Effect) error {
	if !i.changed(batchRows | unitRows | mergeRows | leaderRows | checkpointRows) {
		return nil
	}
	h := scramble(1, uint64(i.owner(i.leader.now.Worker, i.leader.now.Incarnation)))
	for _, s := range i.order {
		m := &s.merge.now
		one := scramble(hashText(s.now.Phase), min(m.Gen, 3)<<8|uint64(i.owner(m.Worker, m.Incarnation)))
		for _, u := range s.units {
			saved := uint64(0)
			if u.checkpoint.exists {
				saved = 1
			}
			owner := 0
			if u.now.State == schema.Processing {
				owner = i.owner(u.now.Worker, u.now.Incarnation)
			}
			one += scramble(uint64(u.now.State)<<8|uint64(owner), min(u.now.Epoch, 4)<<16|uint64(min(u.now.Attempts, 4))<<8|saved)
		}
		h = scramble(h, one)
	}
	if h != i.last {
		i.last = h
		i.world.State(h)
	}
	return nil
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
