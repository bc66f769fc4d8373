package mutants

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties"
)

// seeds is how many universes a mutant may take to be found. The correct core
// passes the same ones.
const seeds = "2000"

const root = "../.."

func TestMutants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "*.patch"))
	require.NoError(t, err)
	mutants := make([]Mutant, len(files))
	for i, file := range files {
		mutants[i] = read(t, file)
	}
	requireAllBitten(t, mutants)
	rows := hazards(t)

	clean := filepath.Join(t.TempDir(), "clean.test")
	build(t, clean, "./sim", nil)
	out, err := run(clean, "none")
	require.NoError(t, err, "the correct core fails:\n%s", out)

	var planted, killed atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, m := range mutants {
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				planted.Add(1)
				kill(t, m, rows)
				killed.Add(1)
			})
		}
	})
	told := 0
	for _, h := range rows {
		if h.told.Load() {
			told++
		} else if int(planted.Load()) == len(mutants) {
			t.Errorf("%s: no script fails with %s planted", h.what, strings.Join(h.mutants, " or "))
		}
	}
	fmt.Printf("mutants: %d of %d hazards told by a script\n", told, len(rows))
	fmt.Printf("mutants: %d of %d killed, each by the invariant or test that its patch names\n", killed.Load(), planted.Load())
}

// TestEngineMutants plants bugs into the in-memory TiKV: its engine, and its client
// (client-*). Snapshot isolation must find each in the sweep, and the engine's own
// model those that no transaction of the sweep gets to.
func TestEngineMutants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "engine", "*.patch"))
	require.NoError(t, err)
	var planted, killed, swept, clients atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, file := range files {
			m := read(t, file)
			require.Contains(t, []string{"snapshot-isolation", ""}, m.Invariant, file)
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				planted.Add(1)
				kill(t, m, nil)
				killed.Add(1)
				if m.Invariant != "" {
					swept.Add(1)
				}
				if m.Invariant != "" && strings.HasPrefix(m.Name, "client-") {
					clients.Add(1)
				}
			})
		}
	})
	if int(planted.Load()) == len(files) {
		require.GreaterOrEqual(t, swept.Load(), int64(12), "too few are found in the sweep")
		require.GreaterOrEqual(t, clients.Load(), int64(6), "too few of them are the client's")
	}
	fmt.Printf("mutants: engine: %d of %d killed, %d of them in the sweep, of which the client's: %d\n",
		killed.Load(), planted.Load(), swept.Load(), clients.Load())
}

// kill plants one bug; the invariant that its patch names must find it.
func kill(t *testing.T, m Mutant, rows []*hazard) {
	binary := filepath.Join(t.TempDir(), "mutant.test")
	build(t, binary, m.Package, plant(t, m))
	tell(rows, m.Name, binary)
	if m.Script != "" {
		out, err := test(binary, m.Package, m.Script, checks[m.Package]...)
		require.Error(t, err, "%s is missed by %s", m.What, m.Script)
		require.Contains(t, out, "--- FAIL: "+m.Script)
		fmt.Printf("mutants: %-34s %-4s killed by %s\n", m.Name, m.Rule, m.Script)
		return
	}
	out, err := run(binary, m.Invariant)
	require.Error(t, err, "%s survived %s universes", m.What, seeds)
	fmt.Printf("mutants: %-34s %-4s killed by %-28s within %s universes\n", m.Name, m.Rule, m.Invariant, universes(out))
	require.Contains(t, out, "FAIL "+m.Invariant, "it was not %s that found it", m.Invariant)
}

// checks makes the tests of a package that draw at random draw enough.
var checks = map[string][]string{"./fakes/tikv": {"-rapid.checks=2000", "-rapid.nofailfile"}}

// toothless are the invariants that need no mutant, and why.
var toothless = map[string]string{
	"marks":            "it never objects",
	"every-batch-ends": "the simulator itself complains first, of no progress after healing",
}

// requireAllBitten: every invariant kills a mutant, and every rule stands against
// one.
func requireAllBitten(t *testing.T, mutants []Mutant) {
	bites, rules := map[string]bool{}, map[string]bool{}
	for _, m := range mutants {
		bites[m.Invariant], rules[m.Rule] = true, true
	}
	for _, name := range properties.Names() {
		require.True(t, bites[name] || toothless[name] != "", "%s kills no mutant", name)
	}
	for n := 1; n <= 20; n++ {
		require.True(t, rules[fmt.Sprintf("R%d", n)], "no mutant breaks R%d", n)
	}
}

// hazard is a row of docs/HAZARDS.md.
type hazard struct {
	what             string
	scripts, mutants []string
	told             atomic.Bool // a script failed with one of them
}

// hazards reads the page, which names only scripts and mutants that exist.
func hazards(t *testing.T) []*hazard {
	page, err := os.ReadFile(filepath.Join(root, "docs", "HAZARDS.md"))
	require.NoError(t, err)
	scripts, err := os.ReadFile(filepath.Join(root, "sim", "hazards_test.go"))
	require.NoError(t, err)
	var rows []*hazard
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || strings.Contains(cells[1], "---") || strings.Contains(cells[1], "hazard") {
			continue
		}
		h := &hazard{what: strings.TrimSpace(cells[1])}
		for _, name := range quoted.FindAllStringSubmatch(cells[2], -1) {
			require.Contains(t, string(scripts), "\nfunc "+name[1]+"(")
			h.scripts = append(h.scripts, name[1])
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[3], -1) {
			require.FileExists(t, filepath.Join(root, "testdata", "mutants", name[1]+".patch"))
			h.mutants = append(h.mutants, name[1])
		}
		rows = append(rows, h)
	}
	require.Greater(t, len(rows), 40)
	return rows
}

// tell runs the scripts of the hazards that a mutant stands for.
func tell(rows []*hazard, name, binary string) {
	for _, h := range rows {
		if !slices.Contains(h.mutants, name) || h.told.Load() {
			continue
		}
		out, err := test(binary, "./sim", strings.Join(h.scripts, "$|^"))
		h.told.Store(h.told.Load() || err != nil && strings.Contains(out, "--- FAIL: "))
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// read takes a mutant's description from the lines before its diff.
func read(t *testing.T, file string) Mutant {
	m, err := Read(file)
	require.NoError(t, err)
	return m
}

// plant applies the patch to copies and returns the overlay that puts them in
// the place of the originals.
func plant(t *testing.T, m Mutant) []byte {
	overlay, err := m.Plant(root, t.TempDir())
	require.NoError(t, err)
	return overlay
}

func build(t *testing.T, binary, pkg string, overlay []byte) {
	args := []string{"test", "-c", "-o", binary}
	if overlay != nil {
		file := filepath.Join(t.TempDir(), "overlay.json")
		require.NoError(t, os.WriteFile(file, overlay, 0o644))
		args = append(args, "-overlay", file)
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "it does not build, which is no kill:\n%s", out)
}

func run(binary, invariant string) (string, error) {
	return test(binary, "./sim", "TestSim", "-seed", "1", "-seeds", seeds, "-stop", invariant, "-unreduced")
}

func test(binary, pkg, name string, flags ...string) (string, error) {
	cmd := exec.Command(binary, append([]string{"-test.run", "^" + name + "$"}, flags...)...)
	cmd.Dir = filepath.Join(root, pkg)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var total = regexp.MustCompile(`sim: total seeds=(\d+)`)

func universes(out string) string {
	if match := total.FindStringSubmatch(out); match != nil {
		return match[1]
	}
	return "1" // a sweep that ends at once has no totals
}
