package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// checkpointsMonotone: the checkpoints of a unit go forward in (epoch, seq) and
// in what they save, whoever writes them; a successor starts from what its
// claim found. Only when the upload behind a checkpoint has ended may its work
// be done again. A complete unit has none.
//
// A checkpoint that goes back makes a successor write what was written, in
// other parts; one that is lost costs the work of hours.
type checkpointsMonotone struct {
	watch
	last map[*unit]savepoint
}

// savepoint is the newest checkpoint that a unit ever had.
type savepoint struct {
	schema.Checkpoint
	sim.Moment
}

var (
	checkpointsMonotoneSays = say("checkpoints-monotone")

	checkpointOfACompleteUnit  = checkpointsMonotoneSays.clause("R5", "checkpoint of a complete unit")
	checkpointLost             = checkpointsMonotoneSays.clause("R5", "checkpoint lost")
	checkpointOutsideTheSource = checkpointsMonotoneSays.clause("R5", "checkpoint outside the source")
	checkpointWentBack         = checkpointsMonotoneSays.clause("R5", "checkpoint went back")
	checkpointRewritten        = checkpointsMonotoneSays.clause("R5", "checkpoint rewritten")
	savedWorkGivenUp           = checkpointsMonotoneSays.clause("R5", "saved work given up")
)

func newCheckpointsMonotone(v *view) sim.Invariant {
	i := &checkpointsMonotone{last: map[*unit]savepoint{}}
	i.watch = v.watch(checkpointsMonotoneSays, on{checkpoint: i.check, unit: i.checkComplete})
	return i
}

// check judges a checkpoint that was written or deleted.
func (i *checkpointsMonotone) check(c *checkpointChange) error {
	if c.deleted {
		return i.checkDeleted(c)
	}
	return i.checkWritten(c)
}

func (i *checkpointsMonotone) checkComplete(c *unitChange) error {
	u := c.unit
	if u.now.State != schema.Complete || !u.checkpoint.exists {
		return nil
	}
	p := &u.checkpoint.now
	written := i.world.LastWrite(u.checkpoint.key)
	return checkpointOfACompleteUnit.breach(c.by, u.uid, written.Ref(fmt.Sprintf("wrote checkpoint %d.%d", p.Epoch, p.Seq)), "completed the unit",
		"unit %s is complete, and checkpoint %d.%d is still there", u.uid, p.Epoch, p.Seq)
}

func (i *checkpointsMonotone) checkWritten(c *checkpointChange) error {
	u := c.unit
	now := &u.checkpoint.now
	last, known := i.last[u]
	i.last[u] = savepoint{*now, c.by.Moment()}
	wrong := func(broken *clause, format string, args ...any) error {
		first := sim.EventRef{}
		if known {
			first = last.Ref(fmt.Sprintf("wrote checkpoint %d.%d", last.Epoch, last.Seq))
		}
		return broken.breach(c.by, u.uid, first, fmt.Sprintf("wrote checkpoint %d.%d", now.Epoch, now.Seq), format, args...)
	}
	if now.Offset > u.now.Size || now.Offset < 0 || now.Frames < 0 {
		return wrong(checkpointOutsideTheSource, "checkpoint %d.%d of unit %s is at byte %d of %d", now.Epoch, now.Seq, u.uid, now.Offset, u.now.Size)
	}
	if !known {
		return nil
	}
	back := now.Epoch < last.Epoch || now.Epoch == last.Epoch && now.Seq < last.Seq
	if back {
		return wrong(checkpointWentBack, "unit %s had checkpoint %d.%d, then %d.%d", u.uid, last.Epoch, last.Seq, now.Epoch, now.Seq)
	}
	if now.Epoch == last.Epoch && now.Seq == last.Seq && last.Upload != "" && *now != last.Checkpoint {
		return wrong(checkpointRewritten, "unit %s had two different checkpoints %d.%d: at byte %d, then at byte %d", u.uid, now.Epoch, now.Seq, last.Offset, now.Offset)
	}
	if !i.uploads[last.Upload].usable() {
		return nil
	}
	if now.Offset < last.Offset || now.Frames < last.Frames {
		return wrong(savedWorkGivenUp, "checkpoint %d.%d of unit %s saves %d bytes, %d frames; %d.%d saved %d and %d already, and its upload is open",
			now.Epoch, now.Seq, u.uid, now.Offset, now.Frames, last.Epoch, last.Seq, last.Offset, last.Frames)
	}
	return nil
}

func (i *checkpointsMonotone) checkDeleted(c *checkpointChange) error {
	u := c.unit
	if !c.existed || u.sub.terminal() {
		return nil
	}
	switch u.now.State {
	case schema.Pending, schema.Processing, schema.Failed:
		written := i.world.WriteBefore(c.key)
		return checkpointLost.breach(c.by, u.uid, written.Ref("wrote the checkpoint"), "deleted the checkpoint",
			"the checkpoint of unit %s was deleted while the unit is %s", u.uid, u.now.State)
	}
	// A dead unit that an operator retries begins anew, but its numbers go on.
	last := i.last[u]
	last.Offset, last.Frames, last.Upload = 0, 0, ""
	i.last[u] = last
	return nil
}
