package properties

import (
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// boundedWrites: nothing that is written to the object store at once is larger
// than a part may be: neither an episode nor a dataset passes through a
// process's memory as a whole.
//
// What is held in memory is bounded by the configuration, not by the size of
// what somebody recorded, or the largest recording of the year kills every
// worker in turn.
type boundedWrites struct{ watch }

var (
	boundedWritesSays = say("bounded-writes")

	writeLargerThanAPart = boundedWritesSays.clause("R5", "write larger than a part")
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
