package main

import (
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

var universes = flag.Int("universes", 40, "how many universes to count: from 2000 on they are judged, and from 20000 on each item by itself")

// quick is from how many universes on the sum is judged.
const quick = 2000

// What universes draw is counted, and from quick universes on it is enough.
func TestCoverage(t *testing.T) {
	s, err := sum(1, *universes)
	require.NoError(t, err)
	fmt.Println(s.line())
	require.Empty(t, s.unknown())
	for _, item := range []string{"step/claim_unit", "timer/worker_poll", "edge/batch: merging -> complete (flip)", "edge/process: starting"} {
		require.Positive(t, s.items[item].n, item)
	}
	require.Positive(t, s.pairs[pair{"refuse", ops.TSO}].fired)
	if *universes >= quick {
		require.NoError(t, s.judge())
	}
}

// Few universes show too little, and the verdict says what.
func TestJudge(t *testing.T) {
	s := &sums{universes: whole, pairs: map[pair]struck{}, items: map[string]tally{}}
	for _, p := range pairs() {
		s.pairs[p] = struck{drawn: 2, fired: 1}
	}
	for _, item := range expected() {
		s.items[item.name] = tally{n: leastOf, after: leastOf, universes: 1}
	}
	require.NoError(t, s.judge())

	s.pairs[pair{"error-body", ops.CompleteUpload}] = struck{drawn: 3}
	s.items["step/flip"] = tally{n: leastOf, after: leastOf - 1}
	s.items["timer/worker_poll"] = tally{n: leastOf - 1, after: leastOf}
	s.items["edge/unit: dead -> complete (flip)"] = tally{n: 1}
	require.EqualError(t, s.judge(), "in 20000 universes from 0x0:\n"+
		"  edge/unit: dead -> complete (flip): happens, and stands in no list of internal/coverage\n"+
		"  fault error-body at objects.complete_upload: drawn 3 times, never fired\n"+
		"  step/flip, right after a fault: 19 times; want 20\n"+
		"  timer/worker_poll: 19 times; want 20")

	s = &sums{universes: quick, pairs: map[pair]struck{}, items: map[string]tally{}}
	require.EqualError(t, s.judge(), "in 2000 universes from 0x0:\n"+
		"  0 % of the items right after a fault; want 65 %\n  0 % of the items; want 90 %\n"+
		"  0 % of the kinds of faults at operations; want 75 %")
}

// Right after a fault is: within so many of the process's own requests, however many
// events others have meanwhile.
func TestSoon(t *testing.T) {
	w := &watcher{strikes: map[string][]uint64{"w0": {100, 500}}, calls: map[string][]uint64{}}
	for n := range uint64(near + 5) {
		w.calls["w0"] = append(w.calls["w0"], 1000+10*n)
	}
	require.False(t, w.soon("w0", 99), "before it")
	require.True(t, w.soon("w0", 100))
	require.True(t, w.soon("w0", 900), "it slept")
	require.True(t, w.soon("w0", 1000+10*(near-1)))
	require.False(t, w.soon("w0", 1000+10*near))
	require.False(t, w.soon("w1", 100), "another's")
}
