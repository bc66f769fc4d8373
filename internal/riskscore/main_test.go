package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// TestPredicted: of a merger that flips without its fence, universes that held tell
// more than universes that are drawn.
func TestPredicted(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the conversion with a bug")
	}
	t.Chdir(filepath.Join("..", ".."))
	m, err := mutants.Read(filepath.Join("testdata", "mutants", "flip-without-fence.patch"))
	require.NoError(t, err)
	p := program{races: true, base: 1, universes: 100, failures: 1}
	r, err := p.try(m)
	require.NoError(t, err)
	require.Greater(t, r.Tried, 80)
	require.Greater(t, r.Failed*r.Universes, 3*r.Drawn*r.Tried, "%+v", r)
	require.Positive(t, r.Failed)
}

// TestPageIsKept: a page whose table nothing would stand in stays as it is.
func TestPageIsKept(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	const text = "# x\n" + tableBegins + "| a |\n" + tableEnds
	require.NoError(t, os.WriteFile(page, []byte(text), 0o600))
	require.ErrorContains(t, (&program{page: page}).all(), "stays as it is")
	is, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, text, string(is))
}
