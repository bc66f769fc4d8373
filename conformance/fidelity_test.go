package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
)

const document = "../docs/FIDELITY.md"

// fidelity is docs/FIDELITY.md.
func fidelity(t *testing.T, rows []*row) string {
	var b strings.Builder
	b.WriteString(`# How far the in-memory stores can be trusted

This page is made by tests, from what they saw, and CI fails when it is another than they would make
(` + "`go test ./conformance -run TestBehaviours -rewrite`" + `). ` + "`make conformance`" + ` runs everything that it tells of.

The real client, client-go, runs over the same engine as the in-memory client of the simulator (package
` + "`conformance/rpc`" + `): in one process, in virtual time, every message marshalled and every call at least 200 us long. So
what the two show an application can be compared call by call.

## The contract

Package ` + "`fakes/kvcontract`" + ` has the tests that every ` + "`env.KV`" + ` must pass, 15 of them the anomalies of the Hermitage suite:
11 prevented (G0, G1a, G1b, G1c, OTV, PMP twice, P4, G-single three times), 3 of type G2 allowed, as snapshot isolation does, and
one of those prevented by locks. ` + "`go test ./conformance -run TestContract`" + `

| stand | passed |
|---|---|
`)
	for _, s := range []string{
		"the in-memory client over the engine", "the real client over the engine", "the real client over mocktikv, which comes with it",
	} {
		fmt.Fprintf(&b, "| %s | %d of %d |\n", s, kvcontract.Count(), kvcontract.Count())
	}
	b.WriteString(`
mocktikv has no expected failure: the contract asks for nothing that it lacks.

## What an application sees

`)
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.thin]++
	}
	fmt.Fprintf(&b, "%d situations, driven on both clients with the same faults. The real client shows what the table says in all of\n"+
		"them. The in-memory client is equal in %d, stricter in %d, weaker in %d, and unchecked in %d. \"At once\" is less than 20 ms:\n"+
		"shorter times are not told apart. Longer ones have the room that the real client's random pauses need, and its timestamps,\n"+
		"which may be 2 s old.\n\n", len(rows), counts[equal], counts[stricter], counts[weaker], counts[unchecked])
	b.WriteString("### Where the two differ\n\n")
	if counts[equal] == len(rows) {
		b.WriteString("Nowhere.\n")
	} else {
		b.WriteString("| | situation | the real client shows | in-memory | in which direction it errs, and why |\n|---|---|---|---|---|\n")
		for _, r := range rows {
			if r.thin != equal {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.id, r.situation, r.shows(), r.thin, r.why)
			}
		}
	}
	b.WriteString("\n### All\n\nThe test of row N, and of those that follow from it, is `go test ./conformance -run 'TestBehaviours/.*/N$'`.\n\n" +
		"| | situation | the real client shows | in-memory |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.id, r.situation, r.shows(), r.thin)
	}
	return b.String()
}

// shows says what an application must see.
func (r *row) shows() string {
	what := r.class
	if r.value != "" {
		what += ", " + r.value
	}
	if r.most.Milliseconds() <= 20 {
		return what + ", at once"
	}
	return fmt.Sprintf("%s, after %s to %s", what, trimmed(r.least), trimmed(r.most))
}
