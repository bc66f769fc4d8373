package relocate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/relocate"
)

// counted is the careless counter, and how many universes of it are assembled.
func counted() (sim.Target, *int) {
	target, n := counter.Target(true), 0
	assemble := target.Assemble
	target.Assemble = func() sim.Assembly {
		n++
		return assemble()
	}
	return target, &n
}

// at is the kept plan with its pause at a call, for so long, and other words replaced.
// Without a call it has no pause.
func at(t *testing.T, call, lasts string, replaced ...string) *plan.Plan {
	text := strings.NewReplacer(append(replaced, "CALL", call, "for=20s", "for="+lasts)...).Replace(kept)
	if call == "" {
		text = text[:strings.Index(text, "fault")]
	}
	p, err := plan.Parse("old.plan", []byte(text))
	require.NoError(t, err)
	return p
}

// A plan that holds as it stands, since times and calls are others now, is found
// nearby: the nearest variation is told, and it fails as the plan says.
func TestNearby(t *testing.T) {
	for call, was := range map[string]struct{ lasts, now string }{
		"w1/main raise kv.get counter #3": {"20ms", `^fault pause at w1/main raise kv.get counter #3 phase=after for=20ms clock=stops is now fault pause at w1/main raise kv.get counter #3 phase=after for=\d+ms clock=stops$`},
		"w1/main raise kv.get counter #2": {"20ms", `^pause at w1/main raise kv.get counter #2 is now pause at w1/main raise kv.get counter #1$`},
		"":                                {"", `^seed 0x000000000000002a is now seed 0x[0-9a-f]{16}$`},
	} {
		p := at(t, call, was.lasts)
		before := p.String()
		plain, err := sim.Replay(counter.Target(true), p)
		require.NoError(t, err)
		require.Nil(t, plain.Violation, "this is no test")

		replayed, err := relocate.Replay(counter.Target(true), p)
		require.NoError(t, err)
		require.NotNil(t, replayed.Result.Violation)
		require.Equal(t, "counters-agree", replayed.Result.Violation.Invariant)
		require.Len(t, replayed.Moves, 1)
		require.Regexp(t, was.now, replayed.Moves[0].String())
		require.Positive(t, replayed.Nearby)
		require.Contains(t, replayed.Advice(), "as it stands the plan holds now")
		require.Equal(t, before, p.String(), "the plan itself was changed")

		again, err := sim.Replay(counter.Target(true), replayed.Result.Plan)
		require.NoError(t, err)
		require.Equal(t, replayed.Result.Hash, again.Hash, "what was found cannot be kept")
	}
}

// Another shape is another failure.
func TestNearbyShape(t *testing.T) {
	for shape, found := range map[string]bool{"": true, " lost update": true, " an update too many": false} {
		p := at(t, "w1/main raise kv.get counter #2", "20ms", "expect counters-agree", "expect counters-agree"+shape)
		replayed, err := relocate.Replay(counter.Target(true), p)
		require.NoError(t, err)
		require.Equal(t, found, replayed.Result.Violation != nil, shape)
		require.Equal(t, found, replayed.Nearby > 0)
	}
}

// What was mended is not searched for: the plan is run once. And what is said to
// fail and was mended holds, after a bounded search.
func TestNothingNearby(t *testing.T) {
	for _, expect := range []string{"expect none", ""} {
		target, runs := counted()
		replayed, err := relocate.Replay(target, at(t, "w1/main raise kv.get counter #2", "20ms", "expect counters-agree", expect))
		require.NoError(t, err)
		require.Equal(t, relocate.Replayed{Result: replayed.Result}, *replayed)
		require.Nil(t, replayed.Result.Violation)
		require.Equal(t, 1, *runs, expect)
	}
	target, runs := counted()
	p := at(t, "w1/main raise kv.get counter #2", "20ms", "careless = true", "careless = false")
	plain, err := sim.Replay(target, p)
	require.NoError(t, err)
	replayed, err := relocate.Replay(target, p)
	require.NoError(t, err)
	require.Equal(t, plain.Hash, replayed.Result.Hash)
	require.Empty(t, replayed.Moves)
	require.Zero(t, replayed.Nearby)
	require.Greater(t, *runs, 50, "it was not searched for")
	require.LessOrEqual(t, *runs, 210)
}

// The place of a plan's search is its own: it does the same each time.
func TestNearbyIsDeterministic(t *testing.T) {
	p := at(t, "", "")
	one, err := relocate.Replay(counter.Target(true), p)
	require.NoError(t, err)
	other, err := relocate.Replay(counter.Target(true), p)
	require.NoError(t, err)
	require.Equal(t, one.Moves, other.Moves)
	require.Equal(t, one.Result.Hash, other.Result.Hash)
	require.Equal(t, one.Nearby, other.Nearby)
}
