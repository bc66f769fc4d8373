package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
)

// TestSignsAreTrue: every fact that a scenario must bring about has a sign, and
// core writes the lines and counts the metrics that signs name.
func TestSignsAreTrue(t *testing.T) {
	files, err := filepath.Glob("../../../core/*.go")
	require.NoError(t, err)
	var core strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		core.Write(text)
	}
	shown := map[string]bool{}
	for _, s := range signs() {
		require.NotEmpty(t, chaos.MarkMeaning(s.Mark), s.Mark)
		require.False(t, shown[s.Mark], s.Mark)
		shown[s.Mark] = true
		require.Contains(t, core.String(), `"`+s.Log, s.Mark)
		if s.Metric != "" && s.Metric != "ready" { // which is cmd/worker's own
			require.Contains(t, core.String(), `("`+s.Metric+`", `, s.Mark)
		}
		require.False(t, s.Log == "" && s.Metric == "" && s.Tell == "", s.Mark)
	}
	for _, scenario := range chaos.Scenarios() {
		for _, mark := range scenario.Observe {
			require.True(t, shown[mark], "%s of %s", mark, scenario.Name)
		}
	}
}
