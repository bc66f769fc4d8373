package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// known are two bugs in two cells: one is found in both, the other in the portfolio
// alone.
func known(t *testing.T) *measurements {
	file := filepath.Join(t.TempDir(), "cells")
	require.NoError(t, os.WriteFile(file, []byte(`{"Mutant":"a","Name":"portfolio","Universes":100,"Kills":10,"CPU":1,"By":{"fencing":10}}
{"Mutant":"a","Name":"tier0","Universes":40,"Kills":1,"CPU":0.5,"By":{"fencing":1}}
{"Mutant":"b","Name":"portfolio","Universes":100,"Kills":0,"CPU":1}
{"Mutant":"b","Name":"tier0","Universes":1000,"Kills":0,"CPU":8}
`), 0o600))
	cells, err := mutants.ReadCells(file)
	require.NoError(t, err)
	return newMeasurements([]mutants.Mutant{
		{Name: "a", Invariant: "fencing", Rule: "R1", Size: mutants.Size{Faults: 1, Processes: 2}},
		{Name: "b", Script: "TestB", Rule: "R2"}, {Name: "unmeasured"},
	}, cells)
}

// TestCosts: a kill costs a universe's time over the share of universes that kill;
// where there was none that is a bound.
func TestCosts(t *testing.T) {
	m := known(t)
	require.Equal(t, []string{"portfolio", "tier0"}, m.cells)
	for _, c := range []struct {
		bug, cell string
		seconds   float64
		censored  bool
	}{
		{"a", "portfolio", 0.1, false},
		{"a", "tier0", 0.5, false},
		{"b", "portfolio", 0.01 / 0.03699, true}, // the upper end for 0 of 100
		{"b", "tier0", 8, true},
	} {
		seconds, censored := cost(m.known[c.bug][c.cell])
		require.InDelta(t, c.seconds, seconds, 1e-3, "%+v", c)
		require.Equal(t, c.censored, censored, "%+v", c)
	}
	require.Len(t, m.shared("tier0"), 2)
	mean, worst := m.mean(m.shared("tier0"), "tier0")
	require.InDelta(t, 2, mean, 1e-9) // the root of 0.5 times 8
	require.InDelta(t, 8, worst, 1e-9)
}

// TestExpected: K(t) counts what t CPU-seconds are expected to kill, and what was
// never found as nothing.
func TestExpected(t *testing.T) {
	m := known(t)
	require.InDelta(t, 0.1, m.expected(m.all[:2], "portfolio", 0.01), 1e-9) // one universe
	require.InDelta(t, 1, m.expected(m.all[:2], "portfolio", 100), 1e-9)
	require.Zero(t, m.expected(m.all[:2], "tier0", 0.4))
	require.InDelta(t, 1, m.expected(m.all[:2], "tier0", 0.6), 1e-9)
}

// TestPage: the page's tables and pictures name every bug that is measured.
func TestPage(t *testing.T) {
	m := known(t)
	t.Chdir(t.TempDir())
	require.ErrorContains(t, m.write(), pageFile)
	require.NoError(t, os.Mkdir("docs", 0o755))
	require.NoError(t, os.WriteFile(pageFile, []byte("# x\n"+begins+"old\n"+ends+"after\n"), 0o600))
	require.NoError(t, m.write())
	page, err := os.ReadFile(pageFile)
	require.NoError(t, err)
	require.Contains(t, string(page), "| tier0 | 2 | 1 | 0 | 0 | 1040 | 8 | ≥ 2.00 | 8.0 | 5.00 | 1.0 | 1.0 | 1.0 |")
	require.Contains(t, string(page), "| `a` | R1 | fencing | 1 | 0/1/2 | 100 | 10 | 0.10000 |")
	require.Contains(t, string(page), "| `b` | R2 | `TestB` |")
	require.Contains(t, string(page), "Of 3 bugs scripts tell 1, and universes must find the other 2. Of these 1 are measured, and 0 are needles.")
	require.NotContains(t, string(page), "old")
	require.Contains(t, string(page), ends+"after\n")
	for _, picture := range []string{killsFile, matrixFile} {
		text, err := os.ReadFile(picture)
		require.NoError(t, err)
		require.Contains(t, string(text), "</svg>")
	}
}

// TestFlags: what would measure nothing, or could not be kept, is refused before
// anything is measured.
func TestFlags(t *testing.T) {
	sound := program{cap: 10, kills: 20, placements: 2000}
	require.NoError(t, sound.check(nil))
	for _, c := range []struct {
		spoil func(*program)
		args  []string
		says  string
	}{
		{func(p *program) { p.cap = 0 }, nil, "-cap=0: "},
		{func(p *program) { p.cap = math.NaN() }, nil, "-cap=NaN: "},
		{func(p *program) { p.kills = 0 }, nil, "-kills=0: "},
		{func(p *program) { p.placements = -5 }, nil, "-placements=-5: "},
		{func(p *program) { p.base = "zzz" }, nil, `-base: seed "zzz"`},
		{func(*program) {}, []string{"flip-without-fence"}, `"flip-without-fence": want flags only`},
	} {
		p := sound
		c.spoil(&p)
		require.ErrorContains(t, p.check(c.args), c.says)
	}
	require.ErrorContains(t, writable(filepath.Join(t.TempDir(), "none", "x")), "-results: ")
}
