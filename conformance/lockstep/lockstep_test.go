// Package lockstep lets several clients and stores live through the same drawn
// histories, and compares every answer with the others' and with a model of
// snapshot isolation.
package lockstep_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
)

var systems = []system{
	{name: "thin over the engine", cluster: engine, open: thin},
	{name: "real over the engine", cluster: engine, open: real},
	{name: "real over mocktikv", cluster: mock, open: real},
	{name: "real over the engine, async commit", cluster: engine, open: real, async: true},
	{name: "real over the engine, one-phase commit", cluster: engine, open: real, async: true, onePC: true},
}

// TestLockStep draws histories of which rapid's number is the count.
func TestLockStep(t *testing.T) {
	restore, err := rpc.Quiet()
	require.NoError(t, err)
	t.Cleanup(restore)
	var begun, commits, conflicts, undetermined int
	met := map[trouble]int{}
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt, *length)
		for _, o := range h {
			if o.verb == commit {
				met[o.meet]++
			}
		}
		for _, s := range systems {
			if *only != "" && s.name != *only {
				continue
			}
			m := &model{async: s.async, onePC: s.onePC}
			if difference := s.run(t, h, m); difference != "" {
				rt.Fatalf("%s: %s", s.name, difference)
			}
			begun += m.begun
			commits += m.commits
			conflicts += m.conflicts
			undetermined += m.undetermined
		}
	})
	require.Positive(t, undetermined)
	require.GreaterOrEqual(t, begun, *least)
	for meet := range troubles {
		require.Positive(t, met[meet], "no commit met: %s", troubleNames[meet])
	}
	fmt.Printf("lockstep: %d transactions on %d systems: %d committed, %d conflicts, %d undetermined\n",
		begun, len(systems), commits, conflicts, undetermined)
}

// One transaction is refused, its replies are lost, and what it leaves behind may be in the
// way of an older one. That is refused as well, and cannot tell, since a reply of its own
// was lost: it is neither a conflict nor a commit (a drawn history of 42 operations found it).
func TestRefusedByWhatMayBeThere(t *testing.T) {
	restore, err := rpc.Quiet()
	require.NoError(t, err)
	t.Cleanup(restore)
	for shared := range keys {
		for other := range keys {
			h := history{
				{verb: put, slot: 1, key: shared}, {verb: put, slot: 0, key: shared}, {verb: lock, slot: 0, key: other},
				{verb: put, slot: 3, key: other}, {verb: commit, slot: 3}, {verb: put, slot: 1, key: (other + 1) % keys},
				{verb: commit, slot: 0, meet: replyLost}, {verb: pass}, {verb: commit, slot: 1, meet: replyLostOnce},
			}
			for _, s := range systems {
				m := &model{async: s.async, onePC: s.onePC}
				require.Empty(t, s.run(t, h, m), "%s: %d, %d", s.name, shared, other)
				require.Positive(t, m.commits)
			}
		}
	}
}

var (
	length = flag.Int("length", 200, "most operations of a history")
	least  = flag.Int("least", 1, "how many transactions there must be at least, all systems together")
	only   = flag.String("system", "", "run one system alone")
)
