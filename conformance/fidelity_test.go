package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/clientgo/known"
	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
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
	b.WriteString(objectStores(t))
	b.WriteString(suite(t))
	return b.String()
}

// objectStores tells what package objcontract's ledger says of each server.
func objectStores(t *testing.T) string {
	answers, deviations, err := objcontract.Ledger()
	require.NoError(t, err)
	type count struct{ all, hides, alarms, words, traits int }
	var servers []string
	counts := map[string]*count{}
	for _, d := range deviations {
		c := counts[d.Server]
		if c == nil {
			c = &count{}
			counts[d.Server] = c
			servers = append(servers, d.Server)
		}
		c.all++
		switch d.Errs {
		case objcontract.Hides:
			c.hides++
		case objcontract.Alarms:
			c.alarms++
		case objcontract.Words:
			c.words++
		}
		if len(d.Traits) > 0 {
			c.traits++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
## Object stores

Package `+"`fakes/objcontract`"+` shows %d behaviours to the in-memory store, which is S3 by its documentation, and to real
servers, and keeps where they differ in `+"`testdata/ledger`"+`. A difference hides bugs if the in-memory store does more than
the server, raises false alarms if it does less, and is one of words if both refuse. Those with an option can be switched
on, and the simulator's universes draw them. `+"`make s3`"+`

| server | equal | hides bugs | false alarms | words | of these, with an option |
|---|---|---|---|---|---|
`, len(answers))
	for _, server := range servers {
		c := counts[server]
		fmt.Fprintf(&b, "| %s | %d of %d | %d | %d | %d | %d of %d |\n",
			server, len(answers)-c.all, len(answers), c.hides, c.alarms, c.words, c.traits, c.all)
	}
	return b.String()
}

// suite tells what becomes of the real client's own suite.
func suite(t *testing.T) string {
	s, err := known.Read()
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, `
## The real client's own suite

%d of its %d tests pass over the engine, %d skip themselves and %d fail. The suite is a module of its own inside client-go's
repository, which no module proxy has: `+"`make conformance CLIENT_GO=CHECKOUT`"+` runs it where a checkout of
github.com/tikv/client-go at go.mod's commit is given. The nightly workflow makes one. TiDB's mock stores, which the tests
open, are replaced by the engine. A test with another outcome than this ends the run with an error:

| test | outcome | what is missing |
|---|---|---|
`, s.Passing(), s.Tests, len(s.Skipped), len(s.Failing))
	for _, test := range s.Failing {
		fmt.Fprintf(&b, "| %s | fails | %s |\n", test.Name, test.Needs)
	}
	for _, test := range s.Skipped {
		fmt.Fprintf(&b, "| %s | skips itself | %s |\n", test.Name, test.Needs)
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
