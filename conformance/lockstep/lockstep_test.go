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
	{name: "real over the engine", cluster: engine, open: real},
	{name: "real over mocktikv", cluster: mock, open: real},
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
		m := &model{}
		var want []string
		for i, o := range h {
			if o.verb == commit {
				met[o.meet]++
			}
			want = append(want, m.answer(i, o))
		}
		want = append(want, m.state())
		for _, s := range systems {
			if *only != "" && s.name != *only {
				continue
			}
			compare(rt, h, s.name, want, s.run(t, h))
		}
		begun += m.begun
		commits += m.commits
		conflicts += m.conflicts
		undetermined += m.undetermined
	})
	require.Positive(t, undetermined)
	for meet := range troubles {
		require.Positive(t, met[meet], "no commit met: %s", troubleNames[meet])
	}
	fmt.Printf("lockstep: %d transactions in each of %d systems, %d committed, %d conflicts, %d undetermined\n",
		begun, len(systems), commits, conflicts, undetermined)
}

var only = flag.String("system", "", "run one system alone")

var length = flag.Int("length", 200, "most operations of a history")

// state is what the store holds at last.
func (m *model) state() string {
	return m.all(&snapshot{began: m.tick()})
}

// compare tells the first difference, with the history up to it.
func compare(t *rapid.T, h history, name string, want, got []string) {
	for i := range want {
		if got[i] == want[i] {
			continue
		}
		what := "at last"
		if i < len(h) {
			what = h[i].String()
		}
		t.Fatalf("%s: %s: %q, want %q\n%s", name, what, got[i], want[i], h[:min(i+1, len(h))])
	}
}
