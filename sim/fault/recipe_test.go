package fault_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheRecipeIsTrue follows CONTRIBUTING's recipe for a new fault: its example
// in a file of its own and one line in the table are all that a kind needs. It
// is complete, it prints what it parses, and the vocabulary asks for it.
func TestTheRecipeIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package once more")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	require.NoError(t, err)
	_, recipe, found := strings.Cut(string(text), "**A new fault.**")
	require.True(t, found)
	example := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(recipe)
	require.NotNil(t, example, "the recipe has no example")
	table, err := os.ReadFile("kinds.go")
	require.NoError(t, err)
	const first = "var kinds = []*Info{\n"
	require.Contains(t, string(table), first)

	dir := t.TempDir()
	replaced := map[string]string{}
	overlay := func(name, content string) {
		here, err := filepath.Abs(name)
		require.NoError(t, err)
		replaced[here] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(replaced[here], []byte(content), 0o600))
	}
	overlay("flip_bit.go", example[1])
	overlay("kinds.go", strings.Replace(string(table), first, first+"\t&flipBitInfo,\n", 1))
	said, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, said, 0o600))
	test := func(args ...string) (string, error) {
		out, err := exec.Command("go", append([]string{"test", "-vet=off", "-overlay=" + file}, args...)...).CombinedOutput()
		return string(out), err
	}

	out, err := test("-v", "-run=^(TestKinds|TestDrawnFaultsRoundTrip)$", ".")
	require.NoError(t, err, "%s", out)
	require.Equal(t, 2, strings.Count(out, "--- PASS: "), "%s", out)
	out, err = test("../../internal/kinds")
	require.Error(t, err, "the vocabulary of package chaos does not miss the new kind")
	require.Contains(t, out, "-rewrite")
}
