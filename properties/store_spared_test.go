package properties_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
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

// TestPaceOfRounds: a look is a round's first but if it is repeated, or comes after something
// of the same round. What nobody waits for is of no round, and a pause may be a bit longer by
// a slow clock. Faults excuse no haste.
func TestPaceOfRounds(t *testing.T) {
	for _, c := range []struct {
		name, told string
		between    func(s *story)
	}{
		{"nothing", "", func(*story) {}},
		{"a page of the same look", "", func(s *story) { s.request(w0, "control", ops.KVScan, "active/lab/data\x00", 2, became{fate: sim.Lost}) }},
		{"another's lock", "", func(s *story) { s.request(w0, "control", ops.CheckTxn, "batch/"+batch, 3, done) }},
		{"a safe point", "", func(s *story) { s.request(w0, "control", ops.SafePoint, "", 0, done) }},
		{"an answer to nobody", "", func(s *story) { s.request(w0, "control", ops.KVGet, "batch/"+batch, 4, dropped) }},
		{"a renewal", "", func(s *story) { s.request(w0, "lead", ops.Commit, "leader/scanner", 4, done) }},
		{"another transaction", "next round", func(s *story) { s.request(w0, "control", ops.KVGet, "batch/"+batch, 4, done) }},
		{"a pause", "", func(s *story) {
			s.request(w0, "control", ops.KVGet, "batch/"+batch, 4, done).pass(700 * time.Millisecond)
		}},
		{"a pause before the first try", "", func(s *story) {
			s.request(w0, "control", ops.KVGet, "batch/"+batch, 4, done).pass(700*time.Millisecond).request(w0, "control", ops.TSO, "", 0, became{fate: sim.Lost})
			s.pass(100 * time.Millisecond)
		}},
	} {
		s := newStory("store-spared").running()
		s.fault(&fault.Partition{Service: ops.Every, For: time.Hour})
		s.looksAt(2, "active/").pass(time.Millisecond)
		c.between(s)
		s.pass(time.Millisecond).looksAt(6, "active/").settle()
		s.requireTold(t, c.told, c.name)
	}
	s := newStory("store-spared").running()
	s.looksAt(2, "active/").pass(1125*time.Millisecond).looksAt(4, "active/").settle()
	require.NoError(t, s.err)
}

// TestPaceOfTries: only tries of one transaction are a row of them, and nobody pauses who has
// tried often enough, or whose tries a fault has ended.
func TestPaceOfTries(t *testing.T) {
	other := func(step string, op ops.Op, key string, ts uint64, is became) func(s *story) {
		return func(s *story) { s.request(w0, step, op, key, ts, is) }
	}
	for _, c := range []struct {
		name, told string
		before     func(s *story)
	}{
		{"nothing", "tried again", func(*story) {}},
		{"what the conflict has left", "tried again", func(s *story) {
			s.request(w0, "complete_unit", ops.Prewrite, "unit/"+unitA, 4, done).request(w0, "complete_unit", ops.Rollback, "unit/"+unitA, 4, done)
		}},
		{"a conflict that a fault makes", "tried again", func(s *story) { s.fault(&fault.Conflict{}) }},
		{"a fault", "", func(s *story) { s.fault(&fault.Partition{Service: ops.Every, For: time.Hour}) }},
		{"a pause", "", func(s *story) { s.pass(40 * time.Millisecond) }},
		{"another step", "", other("fail_unit", ops.KVGet, "unit/"+unitA, 5, done)},
		{"another transaction", "", other("complete_unit", ops.KVGet, "unit/"+unitA, 5, done)},
		{"a try that got no timestamp", "", other("complete_unit", ops.TSO, "", 0, done)},
		{"an object", "", other("complete_unit", ops.Put, "out/x", 0, done)},
		{"an answer to nobody", "", other("complete_unit", ops.KVGet, "unit/"+unitA, 5, dropped)},
		{"another primary", "", func(s *story) {
			s.request(w0, "complete_unit", ops.TSO, "", 0, done).request(w0, "complete_unit", ops.Prewrite, "unit/"+unitB, 6, done)
		}},
		{"a commit", "", func(s *story) {
			s.pass(100*time.Millisecond).tries(5, done).request(w0, "complete_unit", ops.Commit, "unit/"+unitA, 5, done)
		}},
		{"all tries", "", func(s *story) {
			s.pass(100*time.Millisecond).tries(10, conflict).pass(time.Second).tries(12, conflict)
		}},
		{"a timer that overtakes", "", func(s *story) { s.w.Hurry() }},
	} {
		s := newStory("store-spared").running()
		s.tries(2, conflict).pass(60*time.Millisecond).tries(4, conflict)
		c.before(s)
		s.pass(60*time.Millisecond).tries(20, conflict).settle()
		s.requireTold(t, c.told, c.name)
	}
	s := newStory("store-spared").running()
	for ts := range uint64(3) {
		s.request(w0, "control", ops.TSO, "", 0, done).request(w0, "control", ops.KVGet, "batch/"+batch, 2+ts, done)
		s.request(w0, "control", ops.Prewrite, "batch/"+batch, 2+ts, conflict) // and announces the end
	}
	s.settle()
	require.NoError(t, s.err)
}

// TestPausesAreSpread: pauses that are drawn are not alike, and a few may be by chance.
func TestPausesAreSpread(t *testing.T) {
	drawn := func(n int) time.Duration { return time.Duration(875+n*37%125) * time.Millisecond }
	for name, pause := range map[string]func(n int) time.Duration{
		"drawn": drawn,
		"two thirds alike": func(n int) time.Duration {
			if n%3 == 0 {
				return drawn(n)
			}
			return time.Second
		},
	} {
		s := newStory("store-spared").pausesOf(pause)
		s.settle()
		require.NoError(t, s.err, name)
	}
}
