package properties_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Claims are waited for in one order, looked at once in the other, and tried for without
// waiting, or by somebody who has given up what it held: nothing can come of that.
func TestOneOrderOfClaims(t *testing.T) {
	const a, b = "unit/" + unitA, "unit/" + unitB
	s := newStory("lock-order").running().claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0")
	s.polls(w0, a, b, 3).polls(w1, b, a, 1).polls(w1, b, b, 3)
	for range 3 {
		s.request(w1, "claim_unit", ops.KVGet, a, 0, done)
	}
	s.request(w1, "convert", ops.KVGet, b, 0, done).complete(w1, unitB, "1 1 0 0")
	s.polls(w1, b, a, 3).settle()
	require.NoError(t, s.err)
}

// TestAbandonedClaimsAreNotHeld: a row names whom the claim was given to, be it that he has
// given it up, or that it landed unseen.
//
//  1. w0, which has B, looks twice whether A is free. B and A are taken from their owners.
//  2. w1 takes B. It loses its lease, gives B up and tries for A: the commit's outcome is
//     unknown, it goes on with B's next epoch, and the claim of A lands after all.
//  3. Somebody else takes B. w1 reads B's row, twice since a reply is lost: it is fenced, and
//     waits for nothing.
func TestAbandonedClaimsAreNotHeld(t *testing.T) {
	const a, b = "unit/" + unitA, "unit/" + unitB
	s := newStory("lock-order").running().claim(w0, unitB, "1 1 0 0").claim(w1, unitA, "1 1 0 0")
	s.polls(w0, b, a, 2).reap(w1, w0, unitB, "1 1 0 0", 1).reap(w0, w1, unitA, "1 1 0 0", 1)
	s.claim(w1, unitB, "2 2 0 0").request(w1, "convert", ops.KVGet, b, 0, done)
	s.request(w1, "claim_unit", ops.KVGet, a, 0, done).claim(w1, unitA, "2 2 0 0")
	s.reap(w0, w1, unitB, "2 2 0 0", 2).claim(w0, unitB, "3 3 0 0")
	s.request(w1, "convert", ops.KVGet, b, 0, done).request(w1, "convert", ops.KVGet, b, 0, done).settle()
	require.NoError(t, s.err)
}

// TestReadersHoldNothing: a reaper reads whose unit is whose, its own process's among them,
// and has claimed none.
func TestReadersHoldNothing(t *testing.T) {
	const a, b = "unit/" + unitA, "unit/" + unitB
	s := newStory("lock-order").running().claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0")
	s.task = "reaper"
	for range 3 {
		for _, who := range []string{w0, w1} {
			s.request(who, "reap", ops.KVGet, a, 0, done).request(who, "reap", ops.KVGet, b, 0, done)
		}
	}
	s.settle()
	require.NoError(t, s.err)
}
