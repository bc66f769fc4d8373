package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// mergeInput: a merge is claimed only when every unit of the batch is complete,
// and its input is those units: as many as the batch has, and for every
// generation the same.
//
// A merge that begins early, or from an old look, publishes a dataset that
// lacks episodes; two generations with different inputs publish two datasets.
type mergeInput struct{ watch }

var (
	mergeInputSays = say("merge-input")

	mergeInputChanged          = mergeInputSays.clause("R10", "merge input changed")
	mergeClaimedTooEarly       = mergeInputSays.clause("R10", "merge claimed too early")
	mergeClaimedInAnotherPhase = mergeInputSays.clause("R10", "merge claimed in another phase")
	mergeInputOfAnotherSize    = mergeInputSays.clause("R10", "merge input of another size")
)

func newMergeInput(v *view) sim.Invariant {
	i := &mergeInput{}
	i.watch = v.watch(mergeInputSays, on{merge: i.check})
	return i
}

func (i *mergeInput) check(c *mergeChange) error {
	if c.deleted {
		return nil
	}
	s, now, was := c.sub, &c.sub.merge.now, &c.before
	wrong := func(broken *clause, first sim.EventRef, subject, format string, args ...any) error {
		return broken.breach(c.by, subject, first, fmt.Sprintf("claimed g%d", now.Gen), format, args...)
	}
	if c.existed && (now.Digest != was.Digest || now.Units != was.Units) {
		wrote := i.world.WriteBefore(c.key)
		return wrong(mergeInputChanged, wrote.Ref(fmt.Sprintf("wrote g%d", was.Gen)), s.bid,
			"generation %d of merge/%s has %d units, digest %s; generation %d had %d, %s", now.Gen, s.bid, now.Units, now.Digest, was.Gen, was.Units, was.Digest)
	}
	if !c.claimed() {
		return nil
	}
	complete := int64(0)
	for _, u := range s.units {
		if u.now.State != schema.Complete {
			changed := i.world.LastWrite(u.key)
			return wrong(mergeClaimedTooEarly, changed.Ref("left the unit "+u.now.State.String()), u.uid,
				"generation %d of merge/%s was claimed while unit %s is %s", now.Gen, s.bid, u.uid, u.now.State)
		}
		complete++
	}
	if s.now.Phase != "merging" {
		return wrong(mergeClaimedInAnotherPhase, s.ended.Ref("ended "+s.bid), s.bid,
			"generation %d of merge/%s was claimed while the batch is %s", now.Gen, s.bid, s.now.Phase)
	}
	if now.Units != complete || s.now.Units != complete {
		return wrong(mergeInputOfAnotherSize, s.running.Ref("ended the discovery"), s.bid,
			"generation %d of merge/%s has %d units; %d are complete, the batch has %d", now.Gen, s.bid, now.Units, complete, s.now.Units)
	}
	return nil
}
