package kinds_test

import (
	"flag"
	"fmt"
	"go/format"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

var rewrite = flag.Bool("rewrite", false, "write chaos/kinds.go")

const file = "../../chaos/kinds.go"

// TestChaosKinds: package chaos has the simulator's kinds of faults, in the same
// words. `go test ./internal/kinds -rewrite` writes them.
func TestChaosKinds(t *testing.T) {
	source, err := format.Source([]byte(constants()))
	require.NoError(t, err)
	if *rewrite {
		require.NoError(t, os.WriteFile(file, source, 0o644))
		return
	}
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(source), string(written), "go test ./internal/kinds -rewrite")
	for _, k := range fault.Kinds() {
		info, ok := chaos.FaultInfoOf(chaos.Fault(k.Name))
		require.True(t, ok, k.Name)
		require.Equal(t, k.About, info.About)
		require.Equal(t, k.Effect, info.Applied)
	}
}

func constants() string {
	var b strings.Builder
	b.WriteString("// Made by `go test ./internal/kinds -rewrite` from the table of package sim/fault;\n// do not edit.\n\npackage chaos\n\n")
	b.WriteString("// The kinds of faults that the simulator produces. Which fields of an [Injection]\n// count for each is said here; all others must be zero.\nconst (\n")
	for _, k := range fault.Kinds() {
		fmt.Fprintf(&b, "\t// %s: %s.%s\n\t%s Fault = %q\n", goName(k.Name), k.About, counts(k), goName(k.Name), k.Name)
	}
	b.WriteString(")\n\n// kinds are the simulator's kinds, in the order of its table.\nvar kinds = [...]struct {\n\tfault Fault\n\tabout, effect string\n}{\n")
	for _, k := range fault.Kinds() {
		fmt.Fprintf(&b, "\t{%s, %q, %q},\n", goName(k.Name), k.About, k.Effect)
	}
	b.WriteString("}\n")
	return b.String()
}

func goName(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// counts names the fields of an injection that are options of the kind.
func counts(k *fault.Info) string {
	var fields []string
	for _, o := range k.Options() {
		field := map[string]string{
			"restart": "Restart", "temp": "KeepTemp", "grace": "Grace", "for": "For, Leases", "after": "For, Leases",
			"service": "Service", "direction": "Direction", "factor": "Factor", "by": "Offset", "ppm": "PPM",
		}[o.Name]
		if field != "" {
			fields = append(fields, field)
		}
	}
	if k.Requests && !slices.Contains(fields, "For, Leases") {
		fields = append(fields, "For, Leases")
	}
	if len(fields) == 0 {
		return ""
	}
	return " Counts: " + strings.Join(fields, ", ") + "."
}
