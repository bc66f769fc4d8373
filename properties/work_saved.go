package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// workSaved: as long as nothing is in its way, an attempt saves how far it has
// come: what it stored of its output is named by a checkpoint once
// CheckpointEvery has passed and another part is stored, and before its process gives
// the unit back because it was asked to stop; and a successor whose
// claim found a checkpoint with an open upload completes that upload, rather
// than begin anew. Nor does an attempt begin anew that has found its whole output
// under its key, as one does whose completion was applied and not answered.
//
// Without it a recording that takes longer than machines live is never
// converted, and every crash costs hours.
type workSaved struct {
	watch
	unsaved  map[*upload]*unsaved
	newest   map[*unit]*upload // of those that parts were stored of
	whole    map[sight]sim.EventRef
	remade   []remade
	suspects []suspicion
	drained  []suspicion
}

// unsaved is what an upload holds beyond its last checkpoint.
type unsaved struct {
	by     sim.Moment // who stored the first such part, and when
	epoch  uint64     // of the attempt: a later one of the same process begins at the checkpoint
	owed   sim.Moment // when a checkpoint became due
	number int        // of the part stored then
	first  int        // number of the first such part that was seen
	known  bool       // its owner knows that one is stored: it has stored what comes after
}

// sight is that a task saw a unit's output.
type sight struct {
	process, incarnation, task string
	unit                       *unit
}

// remade is an upload that a task opened after it had seen the unit's output.
type remade struct {
	by        sight
	seen      sim.EventRef
	epoch     uint64 // of the attempt
	violation error
}

var (
	workSavedSays = say("work-saved")

	workNotSaved          = workSavedSays.clause("R5", "work not saved")
	savedWorkNotContinued = workSavedSays.clause("R5", "saved work not continued")
	workGivenAwayUnsaved  = workSavedSays.clause("R5", "work given away unsaved")
	wholeOutputMadeAgain  = workSavedSays.clause("R5", "whole output made again")
)

func newWorkSaved(v *view) sim.Invariant {
	i := &workSaved{unsaved: map[*upload]*unsaved{}, newest: map[*unit]*upload{}, whole: map[sight]sim.EventRef{}}
	i.watch = v.watch(workSavedSays, on{object: i.checkStored, checkpoint: i.noteSaved, unit: i.checkUnit})
	return i
}

func (i *workSaved) Settled(*sim.World) error {
	if err := i.checkRemade(); err != nil {
		return err
	}
	if err := i.unexcused(i.suspects, nil); err != nil {
		return err
	}
	return i.unexcused(i.drained, i.enough)
}

func (i *workSaved) noteSaved(c *checkpointChange) error {
	if !c.deleted {
		delete(i.unsaved, i.uploads[c.unit.checkpoint.now.Upload])
	}
	return nil
}

// ObserveCall notes what a task sees of a unit's output, and that it opens another upload
// afterwards. Every object under a unit's keys is its whole output, whoever completed it:
// conversions are deterministic. A request that nobody waits for is of earlier times.
func (i *workSaved) ObserveCall(_ *sim.World, c *sim.Call) {
	if c.Op != ops.Head && c.Op != ops.CreateUpload || c.Late || !c.OK() {
		return
	}
	k := schema.SplitObjectKey(c.Key)
	u := i.unitOf[k.UID]
	if k.Area != schema.Staging || u == nil {
		return
	}
	by := sight{c.Process, c.Incarnation, c.Task, u}
	if c.Op == ops.Head {
		i.whole[by] = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " found " + c.Key}
		return
	}
	if seen, ok := i.whole[by]; ok {
		i.remade = append(i.remade, remade{by, seen, k.Epoch, wholeOutputMadeAgain.breachOfCall(c, seen, "opened an upload",
			"%s began the output of unit %s anew, after it had found it whole", who(c), u.uid)})
	}
}

// checkRemade judges an upload that was opened after all claims are known: what was seen
// counts for the attempt that saw it.
func (i *workSaved) checkRemade() error {
	for n := range i.remade {
		r := &i.remade[n]
		own := claimOf(r.by.unit.claims, r.epoch)
		if own != nil && own.Is(r.by.process, r.by.incarnation) && own.Event < r.seen.Event {
			return r.violation
		}
	}
	return nil
}

// checkStored judges a part of an upload to the staging area. Parts are stored
// several at once; the one that was stored when the checkpoint became due has
// its companions, and the next after those comes after the checkpoint.
func (i *workSaved) checkStored(c *objectChange) error {
	up, e := c.upload, c.by
	if c.effect().Kind != objstore.EffectUploadPart || i.cfg.CheckpointEvery == 0 || !i.world.Timely() {
		return nil
	}
	u := up.object.unit
	if u == nil || !u.ownedBy(e.Process, e.Incarnation) {
		return nil
	}
	if last := i.newest[u]; last == nil || up.created.Event > last.created.Event {
		i.newest[u] = up
	}
	s := i.unsaved[up]
	if s == nil || !s.by.Is(e.Process, e.Incarnation) || s.epoch != u.now.Epoch {
		i.unsaved[up] = &unsaved{by: e.Moment(), epoch: u.now.Epoch, first: c.effect().Number}
		return nil
	}
	s.known = s.known || c.effect().Number >= s.first+i.cfg.PartsInFlight
	switch number := c.effect().Number; {
	case s.owed.Event == 0 && e.At-s.by.At > drifted(i.cfg.CheckpointEvery):
		s.owed, s.number = e.Moment(), number
	case s.owed.Event != 0 && number > s.number+i.cfg.PartsInFlight:
		i.suspects = append(i.suspects, suspicion{e.Process, s.by.At, e.At, workNotSaved.breach(e, u.uid, s.by.Ref("stored the first part since the last checkpoint"), fmt.Sprintf("stored part %d", number),
			"%s has stored parts of unit %s for %s without a checkpoint that names them; one is due every %s", c.who(), u.uid, e.At-s.by.At, i.cfg.CheckpointEvery)})
		delete(i.unsaved, up)
	}
	return nil
}

func (i *workSaved) checkUnit(c *unitChange) error {
	if p := i.processes[c.before.Worker]; c.became(schema.Pending) && c.byOwner() && p != nil && p.draining {
		i.checkGivenBack(c)
	}
	return i.checkResumed(c)
}

// checkGivenBack judges a unit that a process gives back because it was asked to stop.
// An upload that it began anew has taken an earlier one's place.
func (i *workSaved) checkGivenBack(c *unitChange) {
	last := i.newest[c.unit]
	if s := i.unsaved[last]; s != nil && s.known && s.epoch == c.before.Epoch && s.by.Is(c.by.Process, c.by.Incarnation) {
		i.drained = append(i.drained, suspicion{c.by.Process, s.by.At, c.by.At, c.breaks(workGivenAwayUnsaved,
			"%s gave unit %s back because it was asked to stop; of what it has stored of upload %s no checkpoint names what is from part %d on", c.who(), c.unit.uid, last.id, s.first)})
	}
}

// checkResumed judges whether the attempt that completed a unit made use of what
// its claim found.
func (i *workSaved) checkResumed(c *unitChange) error {
	u := c.unit
	if !c.became(schema.Complete) {
		return nil
	}
	own := claimOf(u.claims, u.now.Epoch)
	if own == nil || own.upload == "" || u.now.Staged == own.uploadKey {
		return nil
	}
	if !i.uploads[own.upload].usable() {
		return nil // it expired, or a late request of its owner completed or spoilt it
	}
	return savedWorkNotContinued.breach(c.by, u.uid, own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch)), "completed the unit",
		"unit %s was completed at epoch %d as %s, although its claim found the open upload %s of %s", u.uid, u.now.Epoch, u.now.Staged, own.upload, own.uploadKey)
}
