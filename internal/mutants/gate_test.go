package mutants

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

var (
	baseFlag        = flag.String("base", "", "where the universes begin that look for bugs: a seed, or a commit's 40 hex digits; this commit's if nothing is said")
	recordFlag      = flag.String("record", "", "add what the searches came to to this file, from the package's folder on: ../../"+CellsFile)
	shareFlag       = flag.Int("share", 1, "plant one of so many of the bugs that universes find, always the same, and all that scripts find")
	equivalentsFlag = flag.Int("equivalents", 300, "how many universes each equivalent must pass")
)

// anotherBase is where a second search begins if the first finds nothing: what
// was measured may have moved a little, and no range of seeds has to be a lucky one.
const anotherBase = "1"

// unmeasuredBudget is in how many universes a bug is looked for of which nobody has
// measured how often they find it.
const unmeasuredBudget = 20_000

// mostFalseAlarms is how likely a run of the gate may fail by chance alone.
const mostFalseAlarms = 1e-3

// gate looks for bugs, in so many universes as was measured that they need.
type gate struct {
	base  string // where the universes begin
	cells map[string]map[string]Cell
	clean string // the binary of the correct core's tests

	mu          sync.Mutex
	falseAlarms float64 // the sum over all bugs, of both ranges
	unmeasured  int     // bugs of which nobody knows how often they are found
	again       int     // bugs that only the second range of seeds has shown
	planned     int     // bugs that a known plan shows
}

// newGate is ready to look for bugs. The correct core has passed as many universes
// as the equivalents are run in.
func newGate(t *testing.T) *gate {
	g := &gate{base: *baseFlag, clean: filepath.Join(t.TempDir(), "clean.test")}
	if g.base == "" {
		commit, err := exec.Command("git", "rev-parse", "HEAD").Output()
		require.NoError(t, err, "no commit: say where the universes begin, -base=SEED")
		g.base = strings.TrimSpace(string(commit))
	}
	_, err := harness.Seed(g.base)
	require.NoError(t, err)
	g.cells, err = ReadCells(filepath.Join(root, CellsFile))
	require.NoError(t, err)
	build(t, g.clean, "./sim", nil)
	out, err := search(g.clean, g.base, *equivalentsFlag, "none")
	require.NoError(t, err, "the correct core fails:\n%s", out)
	return g
}

// chosen are the bugs that -share leaves: all that scripts find, and a share of the
// others: always the same.
func (g *gate) chosen(mutants []Mutant, rows []*hazard) []Mutant {
	return slices.DeleteFunc(mutants, func(m Mutant) bool {
		told := slices.ContainsFunc(rows, func(h *hazard) bool { return slices.Contains(h.mutants, m.Name) })
		return m.Script == "" && !told && keyed.HashText(m.Name)%uint64(*shareFlag) != 0
	})
}

// kill requires that universes find a bug by its oracle: those from the gate's base
// on, or else from another. One that they find too seldom is shown by a plan.
func (g *gate) kill(t *testing.T, m Mutant, binary string) {
	budget := unmeasuredBudget
	cell := g.cells[m.Name][Portfolio]
	if cell.Known() {
		if cell.Needle() {
			g.killByPlan(t, m, binary)
			return
		}
		budget = cell.Budget()
		g.add(func() { g.falseAlarms += cell.Miss() * cell.Miss() })
	} else {
		g.add(func() { g.unmeasured++ })
	}
	for _, base := range []string{g.base, anotherBase} {
		out, err := search(binary, base, budget, m.Invariant)
		if err == nil {
			g.add(func() { g.again++ })
			continue
		}
		require.Contains(t, out, "FAIL "+m.Invariant, "it was not %s that found it", m.Invariant)
		require.NotRegexp(t, `FAIL \S+( \(R\d+\))?, (oracle|harness): `, out, "the bug is none of those")
		seed, n := g.requireClean(t, base, out)
		g.record(t, Cell{Mutant: m.Name, Name: Portfolio, Universes: n, Kills: 1, First: seed, By: map[string]int{m.Invariant: 1}})
		fmt.Printf("mutants: %-38s %-4s killed by %-28s within %5s universes of %5d from %.16s on\n", m.Name, m.Rule, m.Invariant, universes(out), budget, base)
		return
	}
	t.Fatalf("%s survived %d universes from %s on and as many from %s on; measured were %d in %d", m.What, budget, g.base, anotherBase, cell.Kills, cell.Universes)
}

// killByPlan requires that a bug which universes find too seldom to wait for fails
// by the plan that once was found, and that the correct core passes it.
func (g *gate) killByPlan(t *testing.T, m Mutant, binary string) {
	file, err := filepath.Abs(filepath.Join(root, "testdata", "mutants", "plans", m.Name+".plan"))
	require.NoError(t, err)
	require.FileExists(t, file, "universes find %s too seldom to wait for: it needs a plan, or a script (test: NAME)", m.Name)
	out, err := test(binary, "./sim", "TestSeeds", "-case", file)
	require.Error(t, err, "%s passes its plan", m.What)
	require.Contains(t, out, "FAIL "+m.Invariant)
	out, err = test(g.clean, "./sim", "TestSeeds", "-case", file)
	require.NoError(t, err, "the correct core fails by the plan of %s, too:\n%s", m.Name, out)
	g.add(func() { g.planned++ })
	fmt.Printf("mutants: %-38s %-4s killed by %-28s by its plan\n", m.Name, m.Rule, m.Invariant)
}

// requireClean requires that the correct core passes the universe in which a sweep
// from base on ended, and returns its seed and how many there were.
func (g *gate) requireClean(t *testing.T, base, out string) (seed uint64, n int) {
	first, err := harness.Seed(base)
	require.NoError(t, err)
	n, err = strconv.Atoi(universes(out))
	require.NoError(t, err)
	seed = first + uint64(n) - 1
	text, err := search(g.clean, strconv.FormatUint(seed, 10), 1, "none")
	require.NoError(t, err, "the correct core fails in the same universe:\n%s", text)
	return seed, n
}

// record adds what a search came to to the file of measurements, if it is asked
// for: each search measures, too, up to its first kill. It runs universes ahead, so
// its processor time would tell nothing.
func (g *gate) record(t *testing.T, c Cell) {
	g.mu.Lock()
	defer g.mu.Unlock()
	require.NoError(t, Append(*recordFlag, c))
}

func (g *gate) add(count func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count()
}

// search runs universes from base on, up to the first that fails by an invariant.
func search(binary, base string, n int, invariant string) (string, error) {
	return test(binary, "./sim", "TestSim", "-seed", base, "-seeds", strconv.Itoa(n), "-stop", invariant, "-unreduced")
}

// TestEquivalents: what breaks nothing is called broken by nobody.
func TestEquivalents(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", equivalentFolder, "*.patch"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 12)
	g := newGate(t)
	var alive sync.Map
	t.Run("planted", func(t *testing.T) {
		for _, file := range files {
			m := read(t, file)
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				binary := filepath.Join(t.TempDir(), "equivalent.test")
				build(t, binary, "./sim", plant(t, m))
				out, err := search(binary, g.base, *equivalentsFlag, Any)
				require.NoError(t, err, "a false alarm: %s; yet %s\n%s", m.What, m.Why, out)
				require.Contains(t, out, "sim: total seeds="+strconv.Itoa(*equivalentsFlag))
				alive.Store(m.Name, true)
			})
		}
	})
	n := 0
	alive.Range(func(any, any) bool { n++; return true })
	fmt.Printf("mutants: %d of %d equivalents alive after %d universes each from %s on\n", n, len(files), *equivalentsFlag, g.base)
}

// TestDescriptions: no bug is without its rule, its size, and what finds it.
func TestDescriptions(t *testing.T) {
	for name, text := range map[string]string{
		"no oracle":      "rule: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\n",
		"two oracles":    "invariant: fencing\ntest: TestX\nrule: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\n",
		"no rule":        "invariant: fencing\nwhat: x\nsize: orderings=0 faults=0 processes=1\n",
		"no size":        "invariant: fencing\nrule: R1\nwhat: x\n",
		"a script's":     "test: TestX\nrule: R1\nwhat: x\n",
		"no processes":   "invariant: fencing\nrule: R1\nwhat: x\nsize: orderings=0 faults=1 processes=0\n",
		"half a size":    "invariant: fencing\nrule: R1\nwhat: x\nsize: orderings=0\n",
		"no description": "invariant: fencing\nrule: R1\nsize: orderings=0 faults=0 processes=1\n",
		"a misspelling":  "invariant: fencing\nrules: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\n",
		"no shape":       "invariant: fencing\nrule: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\nwhy: y\nsize of it\n",
		"no shape's why": "invariant: fencing\nrule: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\nsize of a: b: orderings=0 faults=1 processes=1\n",
		"half a pair":    "of: a, b\ninvariant: fencing\nrule: R1\nwhat: x\nsize: orderings=0 faults=0 processes=1\n",
	} {
		file := filepath.Join(t.TempDir(), "x.patch")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := Read(file)
		require.ErrorContains(t, err, "x.patch: ", name)
	}
	reasonless := filepath.Join(t.TempDir(), equivalentFolder, "x.patch")
	require.NoError(t, os.Mkdir(filepath.Dir(reasonless), 0o755))
	require.NoError(t, os.WriteFile(reasonless, []byte("what: x\n"), 0o600))
	_, err := Read(reasonless)
	require.ErrorContains(t, err, "why no run may fail")
}

// TestSizes: a bug takes more by a failure of a shape of which its patch says so.
func TestSizes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.patch")
	require.NoError(t, os.WriteFile(file, []byte("invariant: fencing\nrule: R1\nwhat: x\nwhy: y\nsize: orderings=0 faults=0 processes=1\nsize of a: b: orderings=0 faults=1 processes=2\n"), 0o600))
	m, err := Read(file)
	require.NoError(t, err)
	require.Equal(t, Size{Faults: 1, Processes: 2}, m.SizeOf("a: b"))
	require.Equal(t, Size{Processes: 1}, m.SizeOf("a"))
}

// TestBugs: there are enough of them, and each says what it must.
func TestBugs(t *testing.T) {
	requireAllBitten(t, all(t, func(m Mutant) bool { return m.Rule != "" }))
	known, err := ReadCells(filepath.Join(root, CellsFile))
	require.NoError(t, err)
	for name := range known {
		require.NotEmpty(t, all(t, func(m Mutant) bool { return m.Name == name }), "%s is measured, and is not there", name)
	}
}

// TestBudgets: the gate looks as long as what was measured makes necessary.
func TestBudgets(t *testing.T) {
	often := Cell{Universes: 100, Kills: 50}
	require.False(t, often.Needle())
	require.Equal(t, leastBudget, often.Budget())
	seldom := Cell{Universes: 10_000, Kills: 20}
	require.False(t, seldom.Needle())
	require.InDelta(t, 10_666, seldom.Budget(), 5) // ln 1e-6 over ln(1 - 0.00129...)
	require.LessOrEqual(t, seldom.Miss(), falseAlarm)
	once := Cell{Universes: 4000, Kills: 1} // the interval is wide: the budget is, too
	require.False(t, once.Needle())
	require.Equal(t, mostBudget, once.Budget())
	require.Less(t, once.Miss(), 0.02)
	for _, never := range []Cell{{Universes: 100_000}, {Universes: 50_000, Kills: 2}} {
		require.True(t, never.Needle(), "%+v", never)
	}
	for _, unknown := range []Cell{{}, {Universes: 5000}} {
		require.False(t, unknown.Known(), "%+v", unknown)
	}
}

// TestCellsAddUp: lines about one bug are of other universes each.
func TestCellsAddUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cells")
	require.NoError(t, os.WriteFile(file, []byte(`{"Mutant":"a","Name":"portfolio","Universes":10,"Kills":1,"First":7,"By":{"x":1}}
{"Mutant":"a","Name":"portfolio","Universes":20,"Kills":2,"First":9,"CPU":2,"By":{"x":1,"y":1}}
`), 0o600))
	known, err := ReadCells(file)
	require.NoError(t, err)
	require.Equal(t, Cell{Mutant: "a", Name: "portfolio", Universes: 30, Kills: 3, First: 7, CPU: 2, By: map[string]int{"x": 2, "y": 1}, timed: 20}, known["a"]["portfolio"])
	require.NoError(t, os.WriteFile(file, []byte(`{"Mutant":"a","Name":"portfolio","Universes":1,"Kills":2}`), 0o600))
	_, err = ReadCells(file)
	require.ErrorContains(t, err, "cells:1: ")
}
