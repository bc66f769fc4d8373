package properties_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties"
)

// TestInvariantsAreFound: the file of an invariant has its name.
func TestInvariantsAreFound(t *testing.T) {
	for _, name := range properties.Names() {
		file := strings.ReplaceAll(name, "-", "_") + ".go"
		if name == "rows-readable" {
			file = "view.go"
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(source), `say("`+name+`")`)
	}
}
