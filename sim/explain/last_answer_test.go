package explain

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// What a sleeper was told is the last answer that it waited for: the secondary keys of a
// commit are sent and not waited for.
func TestLastAnswer(t *testing.T) {
	h := &sim.History{}
	w := &sim.Wait{Processes: []string{"w0"}, Task: "reaper", Op: ops.Sleep}
	require.Empty(t, lastAnswer(h, w))
	add := func(op ops.Op, status string, end sim.RequestEnd) {
		h.Requests = append(h.Requests, sim.Request{Who: sim.Who{Process: "w0", Task: "reaper"}, Op: op, Keys: []string{"a"}, Status: status, End: end})
	}
	add(ops.Prewrite, "write conflict", sim.EndReply)
	require.Equal(t, ", after kv.prewrite a: write conflict", lastAnswer(h, w))
	add(ops.Commit, "ok", sim.EndReply)
	add(ops.Commit, "", sim.NoEnd)
	require.Empty(t, lastAnswer(h, w))
	add(ops.KVGet, "", sim.EndTimer)
	require.Equal(t, ", after kv.get a: timed out", lastAnswer(h, w))
}
