package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// workSaved: as long as nothing is in its way, an attempt saves how far it has
// come: what it stored of its output is named by a checkpoint once
// CheckpointEvery has passed and another part is stored; and a successor whose
// claim found a checkpoint with an open upload completes that upload, rather
// than begin anew.
//
// Without it a recording that takes longer than machines live is never
// converted, and every crash costs hours.
type workSaved struct {
	*view
	unsaved  map[*upload]*unsaved
	suspects []suspicion
}

// unsaved is what an upload holds beyond its last checkpoint.
type unsaved struct {
	by     moment // who stored the first such part, and when
	owed   moment // when a checkpoint became due
	number int    // of the part stored then
}

func newWorkSaved(v *view) *workSaved {
	return &workSaved{view: v, unsaved: map[*upload]*unsaved{}}
}

func (i *workSaved) Name() string { return "work-saved" }

func (i *workSaved) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectObject {
		if e.Object.Kind == objstore.EffectUploadPart && i.cfg.CheckpointEvery > 0 && w.Timely() {
			i.stored(e)
		}
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		switch {
		case c.kind == kindCheckpoint && !c.deleted:
			delete(i.unsaved, i.uploads[c.unit.checkpoint.now.upload])
		case c.kind == kindUnit && c.unit.state == stateComplete && c.unit.before != stateComplete:
			if err := i.checkResumed(e, c.unit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *workSaved) Settled(*sim.World) error { return i.unexcused(i.suspects, nil) }

// stored judges a part of an upload to the staging area. Parts are stored
// several at once; the one that was stored when the checkpoint became due has
// its companions, and the next after those comes after the checkpoint.
func (i *workSaved) stored(e *sim.Effect) {
	up := i.uploads[e.Object.UploadID]
	u := up.object.unit
	if u == nil || !u.ownedBy(e.Process, e.Incarnation) {
		return
	}
	s := i.unsaved[up]
	if s == nil || !s.by.is(e.Process, e.Incarnation) {
		i.unsaved[up] = &unsaved{by: momentOf(e)}
		return
	}
	switch {
	case s.owed.event == 0 && e.At-s.by.at > drifted(i.cfg.CheckpointEvery):
		s.owed, s.number = momentOf(e), e.Object.Number
	case s.owed.event != 0 && e.Object.Number > s.number+i.cfg.PartsInFlight:
		i.suspects = append(i.suspects, suspicion{e.Process, s.by.at, e.At, breach("R5", "work not saved", u.uid, s.by.ref("stored the first part since the last checkpoint"), e,
			fmt.Sprintf("stored part %d", e.Object.Number),
			fmt.Sprintf("%s/%s has stored parts of unit %s for %s without a checkpoint that names them; one is due every %s", e.Process, e.Incarnation, u.uid, e.At-s.by.at, i.cfg.CheckpointEvery))})
		delete(i.unsaved, up)
	}
}

// checkResumed judges whether the attempt that completed a unit made use of what
// its claim found.
func (i *workSaved) checkResumed(e *sim.Effect, u *unit) error {
	c := claimOf(u.claims, u.now.epoch)
	if c == nil || c.upload == "" || u.now.staged == c.uploadKey {
		return nil
	}
	if up := i.uploads[c.upload]; up == nil || !up.open {
		return nil // it expired, or a late request of its owner completed it
	}
	return breach("R5", "saved work not continued", u.uid, c.ref(fmt.Sprintf("claimed epoch %d", c.epoch)), e, "completed the unit",
		fmt.Sprintf("unit %s was completed at epoch %d as %s, although its claim found the open upload %s of %s", u.uid, u.now.epoch, u.now.staged, c.upload, c.uploadKey))
}
