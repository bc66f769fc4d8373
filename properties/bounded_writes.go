package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// boundedWrites: nothing that is written to the object store at once is larger
// than a part may be, and no more of a unit's parts are kept for being written
// together than may be: neither an episode nor a dataset passes through a
// process's memory as a whole. What is small enough is written at once, not in parts.
//
// What is held in memory is bounded by the configuration, not by the size of
// what somebody recorded, or the largest recording of the year kills every
// worker in turn. An object in parts costs three requests at least, and most objects of a
// dataset are small.
type boundedWrites struct{ watch }

var (
	boundedWritesSays = say("bounded-writes")

	writeLargerThanAPart = boundedWritesSays.clause("R5", "write larger than a part")
	tooManyPartsAtOnce   = boundedWritesSays.clause("R5", "too many parts at once")
	smallObjectInParts   = boundedWritesSays.clause("R5", "small object in parts")
)

func newBoundedWrites(v *view) sim.Invariant {
	i := &boundedWrites{}
	i.watch = v.watch(boundedWritesSays, on{object: i.check})
	return i
}

// overshoot is how much a part may exceed what cuts it, since it ends with a
// frame or a line: more than the largest of either that workloads have.
const overshoot = 512

func (i *boundedWrites) check(c *objectChange) error {
	if c.object.Area == schema.OtherArea || i.cfg.PartSize == 0 {
		return nil
	}
	o := c.effect()
	if o.Kind == objstore.EffectComplete {
		return i.checkLarge(c)
	}
	if o.Kind == objstore.EffectUploadPart && c.object.unit != nil {
		if err := i.checkTogether(c); err != nil {
			return err
		}
	}
	most := i.cfg.PartSize
	switch {
	case o.Kind == objstore.EffectPut, o.Kind == objstore.EffectUploadPart && o.Number == 1:
		most = max(most, i.cfg.MultipartAbove) // what is known to need an upload only now
	case o.Kind != objstore.EffectUploadPart:
		return nil
	}
	most += i.cfg.ReadChunk + overshoot
	if o.Size <= most {
		return nil
	}
	return writeLargerThanAPart.breach(c.by, o.Key, sim.EventRef{}, "wrote "+o.Key,
		"%s wrote %d bytes to %s at once; a part is cut at %d", c.who(), o.Size, o.Key, most)
}

// checkTogether judges a part of a unit's output by those before it: parts that are
// written together arrive in any order, and the first of the next lot is written when
// all of the last have arrived.
func (i *boundedWrites) checkTogether(c *objectChange) error {
	number, most := c.effect().Number, i.cfg.PartsInFlight
	if most == 0 || number <= most || c.upload.find(number-most) != nil {
		return nil
	}
	return tooManyPartsAtOnce.breach(c.by, c.object.unit.uid, c.upload.created.Ref("opened the upload"), fmt.Sprintf("stored part %d", number),
		"%s stored part %d of upload %s before part %d; no more than %d are written at once", c.who(), number, c.upload.id, number-most, most)
}

// checkLarge judges an object that was written in parts. The first part is not cut before
// the object is known to be larger than what may be written at once.
func (i *boundedWrites) checkLarge(c *objectChange) error {
	o, least := c.effect(), max(i.cfg.PartSize, i.cfg.MultipartAbove)
	if o.Size >= least {
		return nil
	}
	return smallObjectInParts.breach(c.by, o.Key, c.upload.created.Ref("opened the upload"), "completed it",
		"%s wrote the %d bytes of %s in %d parts; what has less than %d is written at once", c.who(), o.Size, o.Key, len(c.upload.parts), least)
}
