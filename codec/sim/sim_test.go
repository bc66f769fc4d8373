// Package sim_test runs simulated universes in which the real codec converts: the
// system, the faults and the invariants are those of the root module's sim, the
// recordings are MCAP, and what is published is a LeRobot dataset.
//
//	go test ./sim                   100 universes (20 with -short)
//	go test ./sim -seeds=20000      as nightly runs it
//	go test ./sim -seed=42          one, with its story
package sim_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/simtest"
)

func TestMain(m *testing.M) { simtest.Main(m, realConversion()) }
func TestSim(t *testing.T)  { simtest.Universes(t) }

// largerReads is how much more of a source is read at once than the plain codec's
// recordings need: a frame has twenty times their bytes, and the simulator's
// times know of frames only.
const largerReads = 16

func realConversion() harness.Suite {
	s := suite.Conversion()
	s.Scenarios, s.Stage = nil, nil // they are the plain codec's
	codec := realCodec()
	format := format(codec)
	s.Target.Assemble = func() sim.Assembly { return &conversion.Config{Codec: codec, Format: format} }
	s.Target.Vary = func(_ *sim.Config, a sim.Assembly) {
		a.(*conversion.Config).Core.ReadChunk *= largerReads
	}
	return s
}
