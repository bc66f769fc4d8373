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

var (
	length = flag.Int("length", 200, "most operations of a history")
	least  = flag.Int("least", 1, "how many transactions there must be at least, all systems together")
	only   = flag.String("system", "", "run one system alone")
)
