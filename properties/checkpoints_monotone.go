package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// checkpointsMonotone: the checkpoints of a unit go forward in (epoch, seq) and
// in what they save, whoever writes them; a successor starts from what its
// claim found. Only when the upload behind a checkpoint has ended may its work
// be done again. A complete unit has none.
//
// A checkpoint that goes back makes a successor write what was written, in
// other parts; one that is lost costs the work of hours.
type checkpointsMonotone struct {
	*view
	last map[*unit]savepoint
}

// savepoint is the newest checkpoint that a unit ever had.
type savepoint struct {
	checkpointRow
	moment
}

func newCheckpointsMonotone(v *view) *checkpointsMonotone {
	return &checkpointsMonotone{view: v, last: map[*unit]savepoint{}}
}

func (i *checkpointsMonotone) Name() string { return "checkpoints-monotone" }

func (i *checkpointsMonotone) Observe(_ *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindCheckpoint) && !i.touched.has(kindUnit) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		var err error
		switch {
		case c.kind == kindUnit && c.unit.state == stateComplete && c.unit.checkpoint.exists:
			p := &c.unit.checkpoint
			err = breach("R5", "checkpoint of a complete unit", c.unit.uid, p.written.ref(fmt.Sprintf("wrote checkpoint %d.%d", p.now.epoch, p.now.seq)), e, "completed the unit",
				fmt.Sprintf("unit %s is complete, and checkpoint %d.%d is still there", c.unit.uid, p.now.epoch, p.now.seq))
		case c.kind != kindCheckpoint:
		case c.deleted:
			err = i.checkDeleted(e, c.unit)
		default:
			err = i.checkWritten(e, c.unit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *checkpointsMonotone) checkWritten(e *sim.Effect, u *unit) error {
	now := &u.checkpoint.now
	last, known := i.last[u]
	i.last[u] = savepoint{*now, momentOf(e)}
	wrong := func(clause, text string) error {
		first := sim.EventRef{}
		if known {
			first = last.ref(fmt.Sprintf("wrote checkpoint %d.%d", last.epoch, last.seq))
		}
		return breach("R5", clause, u.uid, first, e, fmt.Sprintf("wrote checkpoint %d.%d", now.epoch, now.seq), text)
	}
	if now.offset > u.now.size || now.offset < 0 || now.frames < 0 {
		return wrong("checkpoint outside the source", fmt.Sprintf("checkpoint %d.%d of unit %s is at byte %d of %d", now.epoch, now.seq, u.uid, now.offset, u.now.size))
	}
	if !known {
		return nil
	}
	back := now.epoch < last.epoch || now.epoch == last.epoch && now.seq < last.seq
	if back {
		return wrong("checkpoint went back", fmt.Sprintf("unit %s had checkpoint %d.%d, then %d.%d", u.uid, last.epoch, last.seq, now.epoch, now.seq))
	}
	if now.epoch == last.epoch && now.seq == last.seq && last.upload != "" && *now != last.checkpointRow {
		return wrong("checkpoint rewritten", fmt.Sprintf("unit %s had two different checkpoints %d.%d: at byte %d, then at byte %d", u.uid, now.epoch, now.seq, last.offset, now.offset))
	}
	if up := i.uploads[last.upload]; up == nil || !up.open {
		return nil
	}
	if now.offset < last.offset || now.frames < last.frames {
		return wrong("saved work given up", fmt.Sprintf("checkpoint %d.%d of unit %s saves %d bytes, %d frames; %d.%d saved %d and %d already, and its upload is open",
			now.epoch, now.seq, u.uid, now.offset, now.frames, last.epoch, last.seq, last.offset, last.frames))
	}
	return nil
}

func (i *checkpointsMonotone) checkDeleted(e *sim.Effect, u *unit) error {
	if !u.checkpoint.existed || u.sub.terminal() {
		return nil
	}
	switch u.state {
	case statePending, stateProcessing, stateFailed:
		return breach("R5", "checkpoint lost", u.uid, u.checkpoint.written.ref("deleted the checkpoint"), e, "deleted the checkpoint",
			fmt.Sprintf("the checkpoint of unit %s was deleted while the unit is %s", u.uid, stateNames[u.state]))
	}
	// A dead unit that an operator retries begins anew, but its numbers go on.
	last := i.last[u]
	last.offset, last.frames, last.upload = 0, 0, ""
	i.last[u] = last
	return nil
}
