package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// The rows of the page's tables.
var (
	faultRow   = regexp.MustCompile("^\\| `([a-z-]+)` \\| (.+) \\|$")
	cellOf     = regexp.MustCompile(`^(\S+) (\d+) \((\d+)\)$`)
	itemRow    = regexp.MustCompile(`^\| (.+) \| (\d+) \| (\d+) \| (\d+) \|$`)
	settingRow = regexp.MustCompile("^\\| `(\\S+)` \\| (\\d+) \\|$")
)

// published reads what the page says that universes drew.
func published(t *testing.T, page string) *sums {
	s := &sums{universes: whole, pairs: map[pair]struck{}, items: map[string]tally{}}
	group := ""
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "## "); ok {
			group = strings.ToLower(strings.TrimSuffix(title, "s")) + "/"
		}
		if row := settingRow.FindStringSubmatch(line); row != nil {
			s.items[group+row[1]] = tally{n: number(row[2])}
			continue
		}
		if row := itemRow.FindStringSubmatch(line); row != nil {
			s.items[group+row[1]] = tally{n: number(row[2]), after: number(row[3])}
			continue
		}
		row := faultRow.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		for _, text := range strings.Split(row[2], ", ") {
			cell := cellOf.FindStringSubmatch(text)
			require.NotNil(t, cell, "%s: %q", row[1], text)
			op, known := ops.Named(cell[1])
			require.True(t, known, cell[1])
			s.pairs[pair{row[1], op}] = struck{fired: number(cell[2]), drawn: number(cell[3])}
		}
	}
	return s
}

// TestPage: docs/COVERAGE.md tells of everything that is asked for, and by its figures
// all of it comes often enough; README.md counts it.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/COVERAGE.md")
	require.NoError(t, err)
	_, tables, found := strings.Cut(string(text), tablesBegin)
	require.True(t, found)
	s := published(t, tables)
	require.NoError(t, s.judge(), "make coverage")
	require.Len(t, s.pairs, len(pairs()))

	after := 0
	for _, item := range expected() {
		if !item.calm {
			after++
		}
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	counts := fmt.Sprintf("%d of %[1]d; %d of %[2]d; %d of %[3]d", len(pairs()), after, len(expected())-after)
	require.True(t, strings.Contains(string(readme), "| "+counts+" |"), "README.md does not say %s", counts)
}
