package deadcode

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// reached names what deadcode cannot see being reached, and who reaches it.
var reached = map[string]string{
	"backend/tikv/store.go: unreachable func: Open":          "cmd/worker, a module of its own",
	"backend/tikv/store.go: unreachable func: openPD":        "cmd/worker, a module of its own",
	"chaos/wrap_off.go: unreachable func: Wrap":              "a production daemon; internal/builds compiles one",
	"fakes/objcontract/ledger.go: unreachable func: Compare": "backend/s3, a module of its own",
}

// elsewhere is what only another project's tests call: those of the real TiKV
// client, which conformance/clientgo compiles.
const elsewhere = "conformance/clientgo/standin/"

// tool compiles one of the tools that go.mod names.
func tool(t *testing.T, path string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(path))
	if out, err := exec.Command("go", "build", "-o", binary, path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// run runs a tool over a module and returns its lines. An error that comes
// without lines is the tool's own.
func run(t *testing.T, dir, binary string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); err != nil && (!ok || len(out) == 0) {
		t.Fatalf("%s: %v\n%s", filepath.Base(binary), err, exit.Stderr)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// withoutPlace removes line and column: "core/a.go:48:6: text" is "core/a.go: text".
func withoutPlace(line string) string {
	file, rest, _ := strings.Cut(line, ":")
	_, rest, _ = strings.Cut(rest, ":")
	_, text, _ := strings.Cut(rest, ":")
	return file + ":" + text
}

// TestNothingIsDead: every function is reached from a command or a test, in the
// one build or the other; and what was excepted is still there.
func TestNothingIsDead(t *testing.T) {
	binary := tool(t, "golang.org/x/tools/cmd/deadcode")
	seen := map[string]bool{}
	for _, tags := range []string{"", "chaos_testing"} {
		for _, line := range run(t, root, binary, "-test", "-tags="+tags, "./...") {
			name := withoutPlace(line)
			seen[name] = true
			if reached[name] == "" && !strings.HasPrefix(name, elsewhere) {
				t.Errorf("%s (tags %q)", line, tags)
			}
		}
	}
	for name := range reached {
		if !seen[name] {
			t.Errorf("excepted and not there: %s", name)
		}
	}
}

// TestStaticcheck: staticcheck finds nothing, in either build.
func TestStaticcheck(t *testing.T) {
	binary := tool(t, "honnef.co/go/tools/cmd/staticcheck")
	lines := run(t, root, binary, "./...")
	for _, line := range append(lines, run(t, root, binary, "-tags=chaos_testing", "./chaos/...")...) {
		t.Error(line)
	}
}

// TestToolsBite: both tools find what is wrong with a module that has it.
func TestToolsBite(t *testing.T) {
	dir, err := filepath.Abs("testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	dead := run(t, dir, tool(t, "golang.org/x/tools/cmd/deadcode"), "./...")
	if !slices.Equal(dead, []string{"main.go:12:6: unreachable func: Forgotten"}) {
		t.Errorf("deadcode: %q", dead)
	}
	wrong := run(t, dir, tool(t, "honnef.co/go/tools/cmd/staticcheck"), "./...")
	if len(wrong) != 1 || !strings.Contains(wrong[0], "(SA4000)") {
		t.Errorf("staticcheck: %q", wrong)
	}
}
