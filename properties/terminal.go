package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// everyBatchEnds: once the faults have stopped, every submission comes to an
// end: complete, failed or cancelled. The simulator itself complains when that
// takes too long.
//
// A batch that hangs is the one failure that nobody is told of.
type everyBatchEnds struct{ *view }

func (i *everyBatchEnds) Name() string { return "every-batch-ends" }

func (i *everyBatchEnds) Observe(*sim.World, *sim.Effect) error { return nil }

func (i *everyBatchEnds) Settled(*sim.World) error {
	for _, s := range i.order {
		if s.exists && !s.terminal() {
			return settledBreach("R13", "batch never ended", s.bid, s.born.ref("submitted "+s.bid),
				fmt.Sprintf("%s is still %s at the end of the run", s.bid, s.row.phase))
		}
	}
	return nil
}
