package fault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Every kind has forms, at every operation that it strikes but for clocks, which
// are struck where steps begin. Each form reads what it prints; no two are equal.
func TestForms(t *testing.T) {
	for _, info := range fault.Kinds() {
		forms := 0
		for _, op := range ops.All() {
			decisive, others := fault.Forms(info, &scale, crossing(op))
			if !info.Strikes(op) {
				require.Empty(t, append(decisive, others...), "%s at %s", info.Name, op)
			}
			seen := map[string]bool{}
			for _, k := range append(decisive, others...) {
				f := &fault.Fault{Kind: k, At: crossing(op).Anchor()}
				again, err := fault.Parse(f.String())
				require.NoError(t, err, "%s", f)
				require.Equal(t, f.String(), again.String())
				require.False(t, seen[f.String()], "%s stands twice", f)
				seen[f.String()] = true
				forms++
			}
		}
		require.Positive(t, forms, "%s has no form: say in every.go how it may strike", info.Name)
	}
}

// Trusted clients are spared what befalls processes, and who may not die for good
// does not.
func TestFormsSpare(t *testing.T) {
	client := crossing(ops.Commit)
	client.Client = true
	crash, _ := fault.Named("crash")
	decisive, others := fault.Forms(crash, &scale, client)
	require.Empty(t, append(decisive, others...))
	bound := crossing(ops.Commit)
	bound.Expendable = false
	_, may := fault.Forms(crash, &scale, crossing(ops.Commit))
	_, mayNot := fault.Forms(crash, &scale, bound)
	require.Len(t, may, len(mayNot)+3, "never, at each of three moments")
}
