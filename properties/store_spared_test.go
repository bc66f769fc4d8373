package properties_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// TestUnheardRefusalOpensNoBreaker: the last of many refusals comes when its caller's attempt
// has ended. The process has heard of those before it alone, and its breaker has let it try
// again for longer than it stays open: it may look for work.
func TestUnheardRefusalOpensNoBreaker(t *testing.T) {
	for _, unheard := range []bool{true, false} {
		s := newStory("store-spared").running()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.pass(20*time.Second).request(w0, "stage", ops.Put, "out/x", 0, refused)
		if unheard {
			s.request(w0, "stage", ops.Put, "out/x", 0, dropped)
		}
		s.pass(5*time.Second).request(w0, "claim_unit", ops.KVScan, "active/", 0, done).settle()
		require.Equal(t, unheard, s.err == nil, "%v", s.err)
	}
}
