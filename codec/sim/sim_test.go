// Package sim_test runs simulated universes in which the real codec converts: the
// system, the faults and the invariants are those of the root module's sim, the
// recordings are MCAP, and what is published is a LeRobot dataset.
//
//	go test ./sim                   200 universes
//	go test ./sim -seeds=20000      as nightly runs it
//	go test ./sim -seed=42          one, with its story
package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
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

// The oracles see what a codec does wrong that only interruptions show: here a
// state that is a frame too old.
func TestBrokenStatesAreFound(t *testing.T) {
	s := realConversion()
	codec := realCodec()
	format := format(codec)
	s.Target.Assemble = func() sim.Assembly { return &conversion.Config{Codec: forgetful{codec}, Format: format} }
	found := ""
	ran := 0
	_, err := sweep.Run(s.Target, sweep.Options{Base: 1, Count: 3000}, func(r *sim.Result) bool {
		ran++
		if r.Violation != nil {
			found = r.Violation.Invariant
		}
		return found == ""
	})
	require.NoError(t, err)
	require.Contains(t, []string{"dataset-equals-reference", "outcomes-justified"}, found)
	fmt.Printf("broken states: found by %s after %d universes\n", found, ran)
}

// forgetful is a codec whose states are a frame too old.
type forgetful struct{ dataset.Codec }

func (f forgetful) NewConverter(state []byte) (dataset.Converter, error) {
	c, err := f.Codec.NewConverter(state)
	return &forgetfulConverter{Converter: c, now: state}, err
}

type forgetfulConverter struct {
	dataset.Converter
	before, now []byte
}

func (c *forgetfulConverter) Frame(dst, src []byte, eof bool) (out []byte, consumed int, frame bool, err error) {
	out, consumed, frame, err = c.Converter.Frame(dst, src, eof)
	if frame {
		c.before, c.now = c.now, c.Converter.State()
	}
	return out, consumed, frame, err
}

func (c *forgetfulConverter) State() []byte { return c.before }
