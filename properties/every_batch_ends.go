package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
)

// everyBatchEnds: once the faults have stopped, every submission comes to an
// end: complete, failed or cancelled. The simulator itself complains when that
// takes too long.
//
// A batch that hangs is the one failure that nobody is told of.
type everyBatchEnds struct{ watch }

var (
	everyBatchEndsSays = say("every-batch-ends")

	batchNeverEnded = everyBatchEndsSays.clause("R13", "batch never ended")
)

func newEveryBatchEnds(v *view) sim.Invariant {
	i := &everyBatchEnds{}
	i.watch = v.watch(everyBatchEndsSays, on{})
	return i
}

func (i *everyBatchEnds) Settled(*sim.World) error {
	for _, s := range i.order {
		if s.exists && !s.terminal() {
			return batchNeverEnded.breachOverdue(i.world, s.bid, s.born.Ref("submitted "+s.bid),
				"%s is still %s at the end of the run", s.bid, s.now.Phase)
		}
	}
	return nil
}
