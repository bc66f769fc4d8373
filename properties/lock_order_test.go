package properties_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Claims are waited for in one order, looked at once in the other, and tried for without
// waiting, or by somebody who has given up what it held: nothing can come of that.
func TestOneOrderOfClaims(t *testing.T) {
	s := newStory("lock-order").running().claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0")
	s.polls(w0, "unit/"+unitB, 3).polls(w1, "unit/"+unitA, 1).polls(w1, "unit/"+unitB, 3)
	for range 3 {
		s.request(w1, "claim_unit", ops.KVGet, "unit/"+unitA, 0, done)
	}
	s.complete(w1, unitB, "1 1 0 0").polls(w1, "unit/"+unitA, 3).settle()
	require.NoError(t, s.err)
}
