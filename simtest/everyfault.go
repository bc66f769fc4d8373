package simtest

import (
	"cmp"
	"testing"

	"github.com/gauntlet-dst/gauntlet/harness"
)

// How many placements of one fault EveryFault tries, as a rule and under -short. Of
// pairs it tries a quarter as many, and none under -short.
const (
	usualPlacements = 2_000
	fewPlacements   = 120
)

// EveryFault places single faults, and pairs of them, in a few small universes: a
// bounded sample, the likeliest to tell first. All of them are what the command
// `every-fault` is for. It fails for each kind of violation.
func EveryFault(t *testing.T) {
	s := start(t)
	q := harness.Placing{Request: s.request(), Singles: cmp.Or(s.placements, usualPlacements)}
	q.Count = harness.Schedules
	q.Pairs = q.Singles / 4
	if testing.Short() && s.placements == 0 {
		q.Singles, q.Pairs = fewPlacements, 0
	}
	out, err := s.suite.EveryFault(q)
	if err != nil {
		t.Fatal(err)
	}
	limit := maxReports
	if *keepFlag {
		limit = maxKept
	}
	for _, f := range out.Failures[:min(limit, len(out.Failures))] {
		s.explain(t, s.suite.Target, f.First, harness.Reduction, harness.Commands{Replay: command(t.Name(), ""), Keep: command(t.Name(), "-keep")})
	}
	s.say(out.Line(), "sim: every-fault: "+out.String())
	if out.Singles.Tried == 0 && len(out.Failures) == 0 {
		t.Error("no fault was placed")
	}
}
