package explain

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// A column is of a process. What an incarnation sends whose successor lives already is
// said to be its.
func TestAstray(t *testing.T) {
	boots := func(incarnation string, event uint64) sim.Life {
		return sim.Life{Stamp: sim.Stamp{Event: event}, Process: "w0", Incarnation: incarnation, Happened: sim.Booted}
	}
	s := &story{h: &sim.History{Lives: []sim.Life{boots("1", 1), boots("2", 50)}}}
	for _, c := range []struct {
		process, incarnation string
		sent                 uint64
		astray               bool
	}{{"w0", "1", 49, false}, {"w0", "1", 50, true}, {"w0", "2", 60, false}, {"w1", "1", 60, false}} {
		r := sim.Request{Who: sim.Who{Process: c.process, Incarnation: c.incarnation}, Sent: sim.Stamp{Event: c.sent}}
		require.Equal(t, c.astray, s.astray(&r), c)
	}
}
