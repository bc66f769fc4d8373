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

const root = "../.."

func TestMutants(t *testing.T) {
	mutants := all(t, func(m Mutant) bool { return m.Rule != "" })
	rows, g := hazards(t), newGate(t)
	there := len(mutants)
	mutants = g.chosen(mutants, rows)

	var planted, killed atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, m := range mutants {
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				planted.Add(1)
				kill(t, g, m, rows)
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
	fmt.Printf("mutants: %d of %d killed, each by the invariant or test that its patch names; %d by a known plan\n", killed.Load(), planted.Load(), g.planned)
	if len(mutants) < there {
		fmt.Printf("mutants: %d of %d planted: all that scripts find, and one of %d of the others\n", len(mutants), there, *shareFlag)
	}
	fmt.Printf("mutants: universes from %s on; %d searches began anew from %s on; that both miss any bug by chance has a probability of %.1e, %d unmeasured ones aside\n", g.base, g.again, anotherBase, g.falseAlarms, g.unmeasured)
	require.LessOrEqual(t, g.falseAlarms, mostFalseAlarms)
}

// TestEngineMutants plants bugs into the in-memory TiKV: its engine, and its client
// (client-*). Snapshot isolation must find each in the sweep, and the engine's own
// model those that no transaction of the sweep gets to.
func TestEngineMutants(t *testing.T) {
	g := newGate(t)
	mutants := g.chosen(all(t, func(m Mutant) bool { return m.Rule == "" }), nil)
	var planted, killed, swept, clients atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, m := range mutants {
			require.Contains(t, []string{"snapshot-isolation", ""}, m.Invariant, m.Name)
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				planted.Add(1)
				kill(t, g, m, nil)
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
	if int(planted.Load()) == len(mutants) && *shareFlag == 1 {
		require.GreaterOrEqual(t, swept.Load(), int64(12), "too few are found in the sweep")
		require.GreaterOrEqual(t, clients.Load(), int64(6), "too few of them are the client's")
	}
	fmt.Printf("mutants: engine: %d of %d killed, %d of them in the sweep, of which the client's: %d\n",
		killed.Load(), planted.Load(), swept.Load(), clients.Load())
}

// all are the bugs that are meant.
func all(t *testing.T, meant func(Mutant) bool) []Mutant {
	list, err := All(filepath.Join(root, "testdata", "mutants"))
	require.NoError(t, err)
	return slices.DeleteFunc(list, func(m Mutant) bool { return !meant(m) })
}

// kill plants one bug; the invariant or the script that its patch names must find
// it.
func kill(t *testing.T, g *gate, m Mutant, rows []*hazard) {
	binary := filepath.Join(t.TempDir(), "mutant.test")
	var flags []string
	if m.Script != "" && m.Package == "./sim" {
		flags = unoptimised
	}
	build(t, binary, m.Package, plant(t, m), flags...)
	tell(rows, m.Name, binary)
	if m.Script == "" {
		g.kill(t, m, binary)
		return
	}
	out, err := test(binary, m.Package, m.Script, checks[m.Package]...)
	require.Error(t, err, "%s is missed by %s", m.What, m.Script)
	require.Contains(t, out, "--- FAIL: "+m.Script)
	fmt.Printf("mutants: %-38s %-4s killed by %s\n", m.Name, m.Rule, m.Script)
}

// checks makes the tests of a package that draw at random draw enough.
var checks = map[string][]string{"./fakes/tikv": {"-rapid.checks=2000", "-rapid.nofailfile"}}

// toothless are the invariants that need no mutant, and why.
var toothless = map[string]string{
	"marks":            "it never objects",
	"every-batch-ends": "the simulator itself complains first, of no progress after healing",
}

// requireAllBitten: there are enough bugs, every invariant kills one, and every rule
// is broken in two ways.
func requireAllBitten(t *testing.T, mutants []Mutant) {
	bites, rules, single := map[string]bool{}, map[string]int{}, 0
	for _, m := range mutants {
		bites[m.Invariant] = true
		if len(m.Of) == 0 {
			single++
			rules[m.Rule]++
		}
	}
	require.GreaterOrEqual(t, single, 150, "too few bugs")
	require.GreaterOrEqual(t, len(mutants)-single, 4, "too few pairs")
	for _, name := range properties.Names() {
		require.True(t, bites[name] || toothless[name] != "", "%s kills no mutant", name)
	}
	for n := 1; n <= 20; n++ {
		require.GreaterOrEqual(t, rules[fmt.Sprintf("R%d", n)], 2, "R%d is not broken in two ways", n)
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

// unoptimised leaves the simulator and its scripts as they are written: a script runs for
// less time than optimising all of them takes, a third of a build.
var unoptimised = []string{"-gcflags=github.com/gauntlet-dst/gauntlet/sim=-N -l"}

func build(t *testing.T, binary, pkg string, overlay []byte, flags ...string) {
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-w", "-o", binary}, flags...) // a third of the time of a build
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

func test(binary, pkg, name string, flags ...string) (string, error) {
	cmd := exec.Command(binary, append([]string{"-test.timeout", "0", "-test.run", "^" + name + "$"}, flags...)...)
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
