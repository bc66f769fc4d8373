package properties_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// TestUnheardRefusalOpensNoBreaker: the last of many refusals come when their callers' attempts
// have ended. The process has heard of those before them alone, and its breaker has let it try
// again for longer than it stays open: it may look for work. If it has heard of one it may not.
func TestUnheardRefusalOpensNoBreaker(t *testing.T) {
	attempts := []string{"worker0", "worker1"}
	for unheard := range len(attempts) + 1 {
		s := newStory("store-spared").running()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.pass(20 * time.Second)
		for _, s.task = range attempts {
			s.request(w0, "stage", ops.Put, "out/"+s.task, 0, refused).pass(time.Millisecond)
		}
		for _, s.task = range attempts[:unheard] {
			s.request(w0, "stage", ops.Put, "out/"+s.task, 0, dropped)
		}
		s.pass(5*time.Second).request(w0, "claim_unit", ops.TSO, "", 0, done)
		s.request(w0, "claim_unit", ops.KVScan, "active/", 0, done).settle()
		require.Equal(t, unheard == len(attempts), s.err == nil, "%d unheard: %v", unheard, s.err)
	}
}

// TestLookBeginsWithItsFirstTry: a look at the queue is brought to its end, also if a breaker
// opens while its timestamp is asked for again and again.
func TestLookBeginsWithItsFirstTry(t *testing.T) {
	for _, early := range []bool{false, true} {
		s := newStory("store-spared").running()
		if early {
			s.request(w0, "claim_unit", ops.TSO, "", 0, refused).pass(time.Second)
		}
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.pass(-5*time.Second).request(w0, "claim_unit", ops.TSO, "", 0, done)
		s.request(w0, "claim_unit", ops.KVScan, "active/", 0, done).settle()
		require.Equal(t, early, s.err == nil, s.err)
	}
}
