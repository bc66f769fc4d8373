package main

import (
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
	p := program{races: true, base: 1, universes: 100}
	r, err := p.try(m)
	require.NoError(t, err)
	require.Greater(t, r.Tried, 80)
	require.Greater(t, r.Failed*r.Universes, 3*r.Drawn*r.Tried, "%+v", r)
	require.Positive(t, r.Failed)
}
