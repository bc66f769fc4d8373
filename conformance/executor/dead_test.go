package executor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/search"
)

// burials objects when a store handles a request that an incarnation sent after
// its end: one that was sent before arrives within a message's longest way.
type burials struct {
	way   time.Duration
	ended map[string]time.Duration
}

func (b *burials) Name() string { return "the-dead-rest" }

func (b *burials) Observe(_ *sim.World, e *sim.Effect) error {
	switch e.Happened {
	case sim.Crashed, sim.Killed, sim.Exited:
		b.ended[e.Process+"/"+e.Incarnation] = e.At
	}
	return nil
}

func (b *burials) ObserveCall(_ *sim.World, c *sim.Call) {
	ended, dead := b.ended[c.Process+"/"+c.Incarnation]
	if dead && c.Fate == sim.Handled && c.At > ended+b.way {
		panic(fmt.Sprintf("%s/%s ended at %s, and its %s was handled at %s", c.Process, c.Incarnation, ended, c.Op, c.At))
	}
}

// TestTheDeadRest: a process that has ended never touches the world again, neither
// by its own tasks nor by its client's goroutines.
func TestTheDeadRest(t *testing.T) {
	ended := 0
	for seed := *first; seed < *first+6; seed++ {
		b := &burials{ended: map[string]time.Duration{}}
		of := small()
		of.Search = search.Options{Kinds: []string{"crash", "terminate"}, Everywhere: true, Budget: 8}
		inner := of.Invariants
		of.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant { return append(inner(a, s), b) }
		court, err := sim.DrawCourt(of, seed)
		require.NoError(t, err)
		b.way = court.Config().LatencyMax + court.Config().Quantum + time.Millisecond
		r := run(t, court)
		require.Nil(t, r.Violation, "seed %d", seed)
		ended += len(b.ended)
	}
	require.Greater(t, ended, 10)
}
