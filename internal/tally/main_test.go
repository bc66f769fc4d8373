package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const stream = `go vet ./...
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"sim: total seeds=7 published=7\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"dull\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"what went wrong\n"}
{"Action":"fail","Package":"p","Test":"TestB/sub"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"ImportPath":"q","Action":"build-output","Output":"q.go:1:1: no such thing\n"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
`

func TestTally(t *testing.T) {
	var out bytes.Buffer
	var wants wanted
	require.NoError(t, wants.add("total seeds=7 "))
	require.NoError(t, wants.add("total seeds=8 "))
	require.Error(t, new(wanted).add("("))
	c, err := tally(strings.NewReader(stream), &out, &wants)
	require.NoError(t, err)
	require.Equal(t, counts{passed: 1, failed: 3, skipped: 1}, c, "a package that does not build is one failure")
	require.Equal(t, []string{"never seen: total seeds=8 "}, wants.missing())
	require.Equal(t, "go vet ./...\nsim: total seeds=7 published=7\nwhat went wrong\nq.go:1:1: no such thing\n", out.String())
}
