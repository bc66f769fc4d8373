package lint_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/lint"
)

// TestLeaksAreFound: the linter finds each of the leaks that a system under test
// could have, and respects what is excepted with a reason.
func TestLeaksAreFound(t *testing.T) {
	datadriven.RunTest(t, "testdata/breaches", func(t *testing.T, d *datadriven.TestData) string {
		found, err := lint.Run(".", d.CmdArgs[0].Key)
		if err != nil {
			return err.Error() + "\n"
		}
		var b strings.Builder
		for _, breach := range found {
			b.WriteString(breach.String() + "\n")
		}
		return b.String()
	})
}

func TestNothingToCheck(t *testing.T) {
	_, err := lint.Run(".", "./nowhere/...")
	require.ErrorContains(t, err, "pattern ./nowhere/...: ")
}
