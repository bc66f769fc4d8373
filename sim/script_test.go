package sim_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/suite"
)

// A worker that stalls past its lease with a merge flip in hand must lose it.
func TestStalledMergerIsFenced(t *testing.T) {
	s := conversion.New(t, conversion.Setup{Workers: 2, Units: 1}, suite.Target())
	w0, w1 := s.Worker(0), s.Worker(1)

	w1.Pause()
	stall := w0.Before(core.StepFlip).Pause() // pauses the whole process, flip in hand
	s.Until(stall.Fired)

	w1.Resume() // the lease runs out; w1 takes the merge over and publishes
	s.Until(w1.Idle)

	w0.Resume() // its stale flip must be refused
	s.Settle()
	w0.Saw(env.ErrConflict) // includes "rolled back by another"
}
