package properties_test

import (
	"strconv"
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
// opens while its timestamp is asked for again and again. One that begins long after another
// has failed is a look of its own.
func TestLookBeginsWithItsFirstTry(t *testing.T) {
	for _, tries := range []int{0, 1, 9} {
		s := newStory("store-spared").running()
		for n := range 9 {
			if n < tries {
				s.request(w0, "claim_unit", ops.TSO, "", 0, refused).pass(500 * time.Millisecond)
			}
			s.request(w0, "stage", ops.Put, "out/"+strconv.Itoa(n), 0, refused).pass(500 * time.Millisecond)
		}
		s.request(w0, "claim_unit", ops.TSO, "", 0, done)
		s.request(w0, "claim_unit", ops.KVScan, "active/", 0, done).settle()
		require.Equal(t, tries == 9, s.err == nil, "%d tries: %v", tries, s.err)
	}
}
