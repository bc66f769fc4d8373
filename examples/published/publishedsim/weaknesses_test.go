package publishedsim

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var rewrite = flag.Bool("rewrite", false, "measure every weakness, and write README.md and the reduced plans anew")

// measured is how many universes the rates are of.
const measured = 1000

// rate is the interval that holds with 95 % confidence how many of 1,000
// universes break (E. B. Wilson, 1927).
func rate(hits int) (low, high float64) {
	const z = 1.96
	share := float64(hits) / measured
	middle := share + z*z/(2*measured)
	spread := z * math.Sqrt(share*(1-share)/measured+z*z/(4*measured*measured))
	scale := 1 + z*z/measured
	return 1000 * (middle - spread) / scale, 1000 * (middle + spread) / scale
}

// budget is in how many universes a weakness is found but for one time in e^7,
// even at the low end of its rate.
func budget(w weakness) int {
	low, _ := rate(w.hits)
	return int(7 * 1000 / low)
}

// base is the first universe: of -seed, or 1.
func base(t *testing.T) uint64 {
	text := flag.Lookup("seed").Value.String()
	if text == "" {
		return 1
	}
	seed, err := harness.Seed(text)
	require.NoError(t, err)
	return seed
}

// find demands that the invariant is broken in one of so many universes.
func find(t *testing.T, suite harness.Suite, invariant string, count int) {
	t.Helper()
	q := harness.Request{Base: base(t), Count: count, Stop: invariant, Patience: harness.Patience}
	out, err := suite.Sweep(suite.Target, q, func(*sim.Result) {})
	require.NoError(t, err)
	require.True(t, out.Stopped, "%d universes from 0x%x on, and %s was never broken: %s", count, q.Base, invariant, out.Violations())
}

// TestWeaknesses: each weakness is found, by the invariant that it breaks.
func TestWeaknesses(t *testing.T) {
	for _, w := range weaknesses() {
		t.Run(w.name, func(t *testing.T) {
			find(t, Suite(w.name), w.breaks, budget(w))
		})
	}
}

// TestEveryInvariant: each invariant is what some weakness breaks.
func TestEveryInvariant(t *testing.T) {
	broken := map[string]bool{}
	for _, w := range weaknesses() {
		broken[w.breaks] = true
	}
	names := map[string]bool{"progress-after-healing": true} // the simulator's own
	for _, inv := range invariants(&system{}) {
		names[inv.Name()] = true
	}
	require.Equal(t, names, broken)
}

// TestTwoAtOnce: a weakness does not hide another one whose race can still
// happen. (Where a merge is never taken over, for one, no second merger comes.)
func TestTwoAtOnce(t *testing.T) {
	for _, pair := range [][2]string{
		{"snapshot-claim", "complete-unfenced"}, {"blind-status", "beat-by-name"}, {"stage-by-worker", "resume-from-zero"},
		{"put-then-read-back", "stage-by-worker"}, {"flip-unfenced", "clean-up-prefix"},
	} {
		for _, name := range pair {
			t.Run(pair[0]+"+"+pair[1]+"/"+name, func(t *testing.T) {
				w := named(name)
				find(t, Suite(pair[0], pair[1]), w.breaks, 2*budget(w))
			})
		}
	}
}

// TestMeasured: README.md tells of the weaknesses that there are. Its figures are
// those of the commit that it names.
func TestMeasured(t *testing.T) {
	const readme = "../README.md"
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	begin, end := []byte("<!-- measured -->\n"), []byte("<!-- end -->\n")
	before, rest, ok := bytes.Cut(text, begin)
	require.True(t, ok)
	table, after, ok := bytes.Cut(rest, end)
	require.True(t, ok)
	if *rewrite {
		table = []byte(measure(t))
		require.NoError(t, os.WriteFile(readme, bytes.Join([][]byte{before, begin, table, end, after}, nil), 0o644))
		return
	}
	frontPage, err := os.ReadFile(filepath.Join(harness.Root(), "README.md"))
	require.NoError(t, err)
	for _, w := range weaknesses() {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[%s\]\(weaknesses/%s\.plan\) \| %s \| `+"`%s`"+` \| %d \(.*\) \| \d+ \| (\d+) \|`, w.name, w.name, w.says, w.breaks, w.hits)).FindSubmatch(table)
		require.NotNil(t, row, "%s: no such row, with that many of 1,000 universes", w.name)
		require.True(t, regexp.MustCompile(fmt.Sprintf(`(?m)^\| %s \| .* \| %s ms \|`, w.says, row[1])).Match(frontPage),
			"the module's README.md has no row \"| %s | ... | %s ms | ... |\"", w.says, row[1])
	}
}

// TestPlacements: the repaired system holds wherever one fault is placed in four
// schedules, by a sample; both pages say how many such places there are.
func TestPlacements(t *testing.T) {
	q := harness.Placing{Request: harness.Request{Base: 1, Count: 4, Patience: harness.Patience}, Singles: 500}
	suite := Suite()
	out, err := suite.EveryFault(q)
	require.NoError(t, err)
	require.Empty(t, out.Failures)
	said := strconv.Itoa(out.Singles.Of)
	said = said[:len(said)-3] + "," + said[len(said)-3:]
	for _, page := range []string{"README.md", "examples/published/README.md"} {
		text, err := os.ReadFile(filepath.Join(harness.Root(), page))
		require.NoError(t, err)
		require.True(t, strings.Contains(string(text), "at all "+said+" placements of one fault on four schedules"), "%s does not say %s", page, said)
	}
}

// TestRepaired: what breaks a weakness, fault by fault, does nothing to the
// repaired system.
func TestRepaired(t *testing.T) {
	still := 0
	for _, w := range weaknesses() {
		p, err := harness.Plan(planOf(w))
		require.NoError(t, err)
		require.Equal(t, w.breaks, p.Expect)
		weak, err := sim.Replay(Suite().Target, p)
		require.NoError(t, err)
		if weak.Violation != nil && weak.Violation.Invariant == w.breaks {
			still++
		}
		i := slices.Index(p.Settings, plan.Field{Name: "weak." + w.name, Value: "true"})
		require.GreaterOrEqual(t, i, 0, "%s is not about its weakness", planOf(w))
		p.Settings[i].Value = "false"
		repaired, err := sim.Replay(Suite().Target, p)
		require.NoError(t, err)
		require.Nil(t, repaired.Violation, w.name)
	}
	t.Logf("published: %d of %d kept plans break what they broke when they were kept", still, len(weaknesses()))
	require.Positive(t, still)
}

func planOf(w weakness) string {
	return filepath.Join(harness.Root(), "examples/published/weaknesses", w.name+".plan")
}

// needs names what a reduced plan deviates in from a run without any trouble.
func needs(p *plan.Plan) string {
	var all []string
	for _, f := range p.Faults {
		all = append(all, f.Kind.Info().Name)
	}
	if n := len(p.Orders); n > 0 {
		all = append(all, fmt.Sprintf("%d of order", n))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// search runs one universe after the other up to the first that breaks the
// invariant, and returns what that took in CPU-seconds.
func search(t *testing.T, target sim.Target, invariant string) (*sim.Result, float64) {
	before := harness.CPUSeconds()
	for seed := uint64(1); seed <= 10*measured; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if r.Violation != nil && r.Violation.Invariant == invariant {
			return r, harness.CPUSeconds() - before
		}
	}
	require.Fail(t, "never broken", invariant)
	return nil, 0
}

// measure returns the table and the reports.
func measure(t *testing.T) string {
	var table, reports strings.Builder
	at := ""
	table.WriteString("| weakness | what the design says | what breaks | of 1,000 universes | first seed | CPU-ms | needs |\n|---|---|---|---|---|---|---|\n")
	for _, w := range weaknesses() {
		suite := Suite(w.name)
		first, cpu := search(t, suite.Target, w.breaks)
		report, err := suite.Explain(suite.Target, first, harness.Reduction, harness.Patience, explain.Commands{Replay: "go run ./examples/published/cmd/published replay examples/published/weaknesses/" + w.name + ".plan"})
		require.NoError(t, err)
		if at == "" { // later, the plans that were written count as changes
			at = report.Commit
		}
		report.Commit = ""
		all, err := suite.Sweep(suite.Target, harness.Request{Base: 1, Count: measured, Patience: harness.Patience}, func(*sim.Result) {})
		require.NoError(t, err)
		n := 0
		for _, f := range all.Failures {
			if f.Invariant == w.breaks {
				n += f.Count
			}
		}
		low, high := rate(n)
		t.Logf("%-24s %s", w.name, all.Violations())
		fmt.Fprintf(&table, "| [%s](weaknesses/%s.plan) | %s | `%s` | %d (%.0f to %.0f) | %d | %.0f | %s |\n", w.name, w.name, w.says, w.breaks, n, low, high, first.Seed, 1000*cpu, needs(report.Reduced.Plan))
		fmt.Fprintf(&reports, "<details><summary>%s</summary>\n\n```\n%s\n```\n\n</details>\n", w.name, report.String())
		reduced := *report.Reduced.Plan
		reduced.Why = []string{report.Reduced.Result.Violation.Error()}
		require.NoError(t, os.WriteFile(planOf(w), []byte(reduced.String()), 0o644))
	}
	return fmt.Sprintf("\nMeasured at %s. %s\n\n%s\n%s", at, together(t), table.String(), reports.String())
}

// together says what all weaknesses at once come to.
func together(t *testing.T) string {
	var names []string
	for _, w := range weaknesses() {
		names = append(names, w.name)
	}
	suite := Suite(names...)
	broken := map[string]bool{}
	var universes [2]int
	for i, calm := range []bool{false, true} {
		suite.Target.Calm = calm
		out, err := suite.Sweep(suite.Target, harness.Request{Base: 1, Count: measured, Patience: harness.Patience}, func(*sim.Result) {})
		require.NoError(t, err)
		for _, f := range out.Failures {
			universes[i] += f.Count
			broken[f.Invariant] = true
		}
	}
	return fmt.Sprintf("With all of them on, as such designs are published, %d of %d universes break something, %d without any fault; %d of the %d invariants are broken, progress among them.",
		universes[0], measured, universes[1], len(broken), len(invariants(&system{}))+1)
}
