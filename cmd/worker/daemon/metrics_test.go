package daemon

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMetricsAreListed: the table has just the metrics that core counts.
func TestMetricsAreListed(t *testing.T) {
	files, err := filepath.Glob("../../../core/*.go")
	require.NoError(t, err)
	counted := map[string]bool{}
	call := regexp.MustCompile(`\.(?:Add|Set)\("([a-z_]+)", `)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range call.FindAllStringSubmatch(string(text), -1) {
			counted[found[1]] = true
		}
	}
	require.Greater(t, len(counted), 20)
	listed := map[string]bool{}
	for _, one := range Metrics {
		listed[one.Name] = true
		require.NotEmpty(t, one.Meaning)
	}
	require.Equal(t, counted, listed)
}
