package sim_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// lives counts the living incarnations of each process, and what the first of two
// does.
type lives struct {
	living map[string][]string
	second int // incarnations that began beside one that lived
	beside int // commits of an incarnation whose successor has begun
}

func (*lives) Name() string  { return "lives" }
func (*lives) NeverObjects() {}

func (l *lives) Observe(_ *sim.World, e *sim.Effect) error {
	living := l.living[e.Process]
	switch {
	case e.Kind == sim.EffectCommit && len(living) > 1 && living[0] == e.Incarnation:
		l.beside++
	case e.Kind != sim.EffectProcess:
	case e.Happened == sim.Booted:
		// A successor that is started again beside its stray is no second one.
		if n := len(living); n > 0 && number(living[n-1])+1 == number(e.Incarnation) {
			l.second++
		}
		l.living[e.Process] = append(living, e.Incarnation)
	case e.Happened == sim.Crashed, e.Happened == sim.Exited, e.Happened == sim.Killed:
		for i, incarnation := range living {
			if incarnation == e.Incarnation {
				l.living[e.Process] = append(append([]string{}, living[:i]...), living[i+1:]...)
			}
		}
	}
	return nil
}

// number is an incarnation's; they are counted from 1.
func number(incarnation string) int {
	n, err := strconv.Atoi(incarnation)
	if err != nil {
		panic(err)
	}
	return n
}

// strays is the conversion, whose processes are replaced if they seem to be dead.
func strays(after, lasts time.Duration, seen *lives) sim.Target {
	target := suite.Target()
	target.Vary = func(c *sim.Config, _ sim.Assembly) { c.ReplaceAfter, c.StrayFor = after, lasts }
	all := target.Invariants
	target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
		*seen = lives{living: map[string][]string{}}
		return append(all(a, s), seen)
	}
	return target
}

// A process that is frozen, cut off or slow for long is started anew under its name
// while it lives. Both act, and every invariant holds. The plan replays the run, and
// without the setting no name has two.
func TestTwoIncarnations(t *testing.T) {
	var seen lives
	second, beside := 0, 0
	for seed := range uint64(20) {
		target := strays(time.Second, 10*time.Minute, &seen)
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		require.Nil(t, r.Violation, "seed %d", seed)
		require.Equal(t, seen.second, r.Marks["two_incarnations"])
		second, beside = second+seen.second, beside+seen.beside
		if seen.second == 0 {
			continue
		}
		for name, living := range seen.living {
			require.LessOrEqual(t, len(living), 1, "%s of seed %d outlives the healing", name, seed)
		}
		p, err := plan.Parse("printed", []byte(r.Plan.String()))
		require.NoError(t, err)
		again, err := sim.Replay(target, p)
		require.NoError(t, err)
		require.Equal(t, r.Hash, again.Hash)
		without, err := sim.Replay(target, p.With("sim.replace_after", "0s"))
		require.NoError(t, err)
		require.Zero(t, without.Marks["two_incarnations"])
		require.Zero(t, seen.second)
	}
	t.Logf("%d second incarnations, %d commits beside them", second, beside)
	require.Greater(t, second, 3)
	require.Greater(t, beside, 20)
}

// Most universes let what seems to be dead come back by itself; some replace it.
func TestReplacedInSomeUniverses(t *testing.T) {
	target := counter.Target(false)
	drawn := 0
	target.Vary = func(c *sim.Config, _ sim.Assembly) {
		if c.ReplaceAfter > 0 {
			drawn++
		}
	}
	for seed := range uint64(600) {
		_, err := sim.Run(target, seed)
		require.NoError(t, err)
	}
	require.InDelta(t, 36, drawn, 20)
}
