package harness

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// A fresh process that comes to the same run is noted, one that comes to another
// is an error, and one that says nothing proves nothing.
func TestAfresh(t *testing.T) {
	shrunk := func(runs int) *explain.Report {
		return &explain.Report{Reduced: &shrink.Shrunk{
			Plan: &plan.Plan{Settings: []plan.Field{{Name: "sim.arm", Value: sim.DefaultArm}}}, Runs: runs, Minimal: true,
			Result: &sim.Result{Hash: 0x2a},
		}}
	}
	prints := func(line string) []string { return []string{"echo", line, ""} }

	r := shrunk(7)
	require.NoError(t, Afresh(r, prints(fmt.Sprintf("sim: hash=%016x", 0x2a))...))
	require.Contains(t, r.Reduced.Certificate(), "the same in a fresh process")

	r = shrunk(7)
	var other *sim.Nondeterminism
	require.True(t, errors.As(Afresh(r, prints(fmt.Sprintf("sim: hash=%016x", 0x2b))...), &other))
	require.Equal(t, [2]uint64{0x2a, 0x2b}, [2]uint64{other.First, other.Second})

	r = shrunk(7)
	require.NoError(t, Afresh(r, prints("ok")...))
	require.NotContains(t, r.Reduced.Certificate(), "fresh")

	r = shrunk(0)
	require.NoError(t, Afresh(r, prints(fmt.Sprintf("sim: hash=%016x", 0x2a))...))
	require.False(t, r.Reduced.Afresh)
}
