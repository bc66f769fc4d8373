package properties_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// TestTheRecipeIsTrue follows CONTRIBUTING's recipe for a new invariant: its
// example in a file of its own and one line in the list are all that the package
// needs, and then the tests demand a story for its clause.
func TestTheRecipeIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package once more")
	}
	text, err := os.ReadFile(filepath.Join("..", "CONTRIBUTING.md"))
	require.NoError(t, err)
	_, recipe, found := strings.Cut(string(text), "**A new invariant.**")
	require.True(t, found)
	example := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(recipe)
	require.NotNil(t, example, "the recipe has no example")
	list, err := os.ReadFile("config.go")
	require.NoError(t, err)
	const last = "\tnewMarks,\n"
	require.Contains(t, string(list), last)

	dir := t.TempDir()
	replaced := map[string]string{}
	overlay := func(name, content string) {
		here, err := filepath.Abs(name)
		require.NoError(t, err)
		replaced[here] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(replaced[here], []byte(content), 0o600))
	}
	overlay("outputs_named.go", example[1])
	overlay("config.go", strings.Replace(string(list), last, "\tnewOutputsNamed,\n"+last, 1))
	said, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, said, 0o600))

	out, err := exec.Command("go", "test", "-vet=off", "-overlay="+file, "-run=^(TestEveryClauseFires|TestLifeWithoutTrouble)$", ".").CombinedOutput()
	require.Error(t, err, "nothing demands a story for a new clause")
	require.Contains(t, string(out), "no story breaks outputs-named: batch without an output")
	require.NotContains(t, string(out), "FAIL: TestLifeWithoutTrouble", "a life without trouble is objected to:\n%s", out)
}
