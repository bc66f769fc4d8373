package recipes

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

// root is the module's, seen from this package.
const root = "../.."

// A kind of fault is a file of its own and one line in the table. It is
// complete, it prints what it parses, and the vocabulary asks for it.
func TestNewFault(t *testing.T) {
	const first = "var kinds = []*Info{\n"
	o := newOverlay(t, "**A new fault.**", "sim/fault/flip_bit.go")
	o.edit("sim/fault/kinds.go", first, first+"\t&flipBitInfo,\n")

	out, err := o.test("-v", "-run=^(TestKinds|TestForms|TestDrawnFaultsRoundTrip)$", "./sim/fault")
	require.NoError(t, err, "%s", out)
	passed := regexp.MustCompile(`(?m)^--- PASS: (TestKinds|TestDrawnFaultsRoundTrip) `).FindAllString(out, -1)
	require.Len(t, passed, 2, "%s", out)
	require.Contains(t, out, "--- PASS: TestDrawnFaultsRoundTrip/flip-bit ")

	out, err = o.test("./internal/kinds")
	require.Error(t, err, "the vocabulary of package chaos does not miss the new kind")
	require.Contains(t, out, "-rewrite")
}

// An invariant is a file of its own and one line in the list. Then the tests
// demand a story for its clause.
func TestNewInvariant(t *testing.T) {
	const last = "\tnewMarks,\n"
	o := newOverlay(t, "**A new invariant.**", "properties/outputs_named.go")
	o.edit("properties/config.go", last, "\tnewOutputsNamed,\n"+last)

	out, err := o.test("-run=^(TestEveryClauseFires|TestLifeWithoutTrouble)$", "./properties")
	require.Error(t, err, "nothing demands a story for a new clause")
	require.Contains(t, out, "no story breaks outputs-named: batch without an output")
	require.NotContains(t, out, "FAIL: TestLifeWithoutTrouble", "a life without trouble is objected to:\n%s", out)
}

// overlay is the module with some files replaced or added, for the go command.
type overlay struct {
	t        *testing.T
	dir      string
	replaced map[string]string // by the absolute name in the module
}

// newOverlay puts the Go example of a recipe, which begins with the words
// title, into a file of the module.
func newOverlay(t *testing.T, title, file string) *overlay {
	if testing.Short() {
		t.Skip("compiles packages once more; make full runs it")
	}
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	require.NoError(t, err)
	_, recipe, found := strings.Cut(string(text), title)
	require.True(t, found, "no recipe %s", title)
	example := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(recipe)
	require.NotNil(t, example, "the recipe has no example")
	o := &overlay{t: t, dir: t.TempDir(), replaced: map[string]string{}}
	o.write(file, example[1])
	return o
}

// edit replaces the only place of a file that reads old.
func (o *overlay) edit(file, old, now string) {
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(o.t, err)
	require.Equal(o.t, 1, strings.Count(string(text), old), "%s: %q", file, old)
	o.write(file, strings.Replace(string(text), old, now, 1))
}

func (o *overlay) write(file, content string) {
	name, err := filepath.Abs(filepath.Join(root, file))
	require.NoError(o.t, err)
	o.replaced[name] = filepath.Join(o.dir, filepath.Base(file))
	require.NoError(o.t, os.WriteFile(o.replaced[name], []byte(content), 0o600))
}

// test runs `go test` in the overlaid module.
func (o *overlay) test(args ...string) (string, error) {
	text, err := json.Marshal(map[string]any{"Replace": o.replaced})
	require.NoError(o.t, err)
	file := filepath.Join(o.dir, "overlay.json")
	require.NoError(o.t, os.WriteFile(file, text, 0o600))
	cmd := exec.Command("go", append([]string{"test", "-vet=off", "-overlay=" + file}, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}
