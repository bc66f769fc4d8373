package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeptPlansLast is the measurement in small: two planted bugs under three edits
// each, of those that moved calls. `make drift` is the whole.
func TestKeptPlansLast(t *testing.T) {
	t.Chdir("../..")
	require.NoError(t, run(options{
		mutants: "merge-flip-unfenced,claim-keeps-queue-row",
		edits:   "worker-task-renamed,look-is-a-step,flip-reads-the-active-row",
		seed:    1, least: 80,
	}))
}

// TestBadNames: what is not there is named.
func TestBadNames(t *testing.T) {
	require.ErrorContains(t, run(options{}), "testdata/edits: no patches: run it from the module's root")
	t.Chdir("../..")
	require.ErrorContains(t, run(options{edits: "melt"}), "testdata/edits/melt.patch")
	require.ErrorContains(t, run(options{mutants: "melt", edits: "look-is-a-step"}), "testdata/mutants/melt.patch")
}
