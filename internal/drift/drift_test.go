package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
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

// TestTables: both tables say what was not measured, and why.
func TestTables(t *testing.T) {
	tab := &table{edits: []mutants.Mutant{{Name: "e", What: "an edit"}}, rows: make([]row, 1), mutants: 2, command: "go run x", unfound: []string{"rare", "seldom"}}
	tab.add(0, false, true, false)
	tab.add(0, true, true, true)
	require.Contains(t, tab.String(), "drift: not measured, since none of 4000 universes fails: rare seldom\n")
	require.Contains(t, tab.String(), "drift: 2 mutants, 1 edits: plans 2 of 2 (100 %), as they stand 1 of 2 (50 %), plain seeds 1 of 2 (50 %)")
	require.Contains(t, tab.markdown(), "\nNot measured, since none of 4000 universes fails: rare, seldom.\n")
	require.Contains(t, tab.markdown(), "| an edit | 1 of 2 (50 %) | 2 of 2 (100 %) | 1 of 2 (50 %) |\n")
	require.Contains(t, tab.markdown(), "`go run x` wrote this page")
}

// TestBadNames: what is not there is named.
func TestBadNames(t *testing.T) {
	require.ErrorContains(t, run(options{}), "testdata/edits: no patches: run it from the module's root")
	t.Chdir("../..")
	require.ErrorContains(t, run(options{edits: "melt"}), `-edits: nothing in testdata is called "melt"`)
	require.ErrorContains(t, run(options{mutants: "melt", edits: "look-is-a-step"}), `-mutants: nothing in testdata is called "melt"`)
}
