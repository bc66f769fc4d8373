package reports

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

const root = "../.."

var (
	rewrite = flag.Bool("rewrite", false, "write the files under testdata anew")
	nth     = flag.Int("every", 0, "explain every so many-th planted bug that the sweep finds, for the times: 1 for all")
	sweep   = flag.Int("sweep", 10_000, "of how many universes, from 1 on, that sweep is")
)

// kept are the planted bugs whose reports are kept, those that a quick run looks at
// first; with the form of a standstill, if there are several.
var kept = []struct{ name, form string }{
	{name: "merge-flip-unfenced"}, {name: "submit-not-active"},
	{name: "checkpoint-goes-back"}, {name: "complete-without-fence"}, {name: "dead-unit-forgotten"}, {name: "fake-lets-the-second-write-win"},
	{name: "flip-over-cancel"}, {name: "generation-not-raised"}, {name: "heartbeat-outlives-the-work"}, {name: "scanner-lead-never-stale"},
	{name: "merges-make-way", form: "lasso"}, {name: "a-merge-hides-the-rest", form: "starvation"},
	{name: "pause-of-nanoseconds", form: "timer storm"}, {name: "merges-wait-for-each-other", form: "deadlock"},
}

// quick is how many of them a short run looks at.
const quick = 2

// The bounds of what is printed.
const (
	reportLines      = 30
	explanationLines = 60
)

// TestReports compares what is printed for each of the kept bugs.
func TestReports(t *testing.T) {
	cases := kept
	if testing.Short() {
		cases = kept[:quick]
	}
	ran, forms := 0, map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := explain(t, filepath.Join(root, "testdata", "mutants", c.name+".patch"), c.form)
			require.NoError(t, err)
			require.Less(t, strings.Count(found.Report, "\n"), reportLines)
			require.Less(t, strings.Count(found.Explanation, "\n"), explanationLines)
			hold(t, filepath.Join("testdata", c.name, "report.txt"), found.Report)
			hold(t, filepath.Join("testdata", c.name, "explanation.txt"), found.Explanation)
			ran++
			if form := standstill.FindStringSubmatch(found.Report); form != nil {
				forms[form[1]] = true
			}
		})
	}
	if ran == len(kept) {
		require.GreaterOrEqual(t, ran, 10)
		require.GreaterOrEqual(t, len(forms), 5, "too few forms of systems that stand still: %v", forms)
	}
}

// standstill finds the form of a standstill in a report.
var standstill = regexp.MustCompile(`^FAIL progress-after-healing[^:]*: ([a-z ]+):`)

// TestTimes says what an explanation takes, over all planted bugs that a sweep
// finds. All take an hour of processor time, so it is asked for.
func TestTimes(t *testing.T) {
	if *nth < 1 {
		t.Skip("-every asks for it")
	}
	var files []string
	for _, pattern := range []string{"*.patch", filepath.Join("engine", "*.patch")} {
		more, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", pattern))
		require.NoError(t, err)
		files = append(files, more...)
	}
	var times []float64
	for i, file := range files {
		if i%*nth != 0 {
			continue
		}
		found, err := explain(t, file, "")
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if err != nil {
			fmt.Printf("explain: %-36s not in the sweep: %v\n", name, err)
			continue
		}
		fmt.Printf("explain: %-36s cpu_s=%.1f reduction_cpu_s=%.1f runs=%d\n", name, found.CPU, found.Reduction, found.Runs)
		times = append(times, found.CPU)
	}
	require.NotEmpty(t, times)
	slices.Sort(times)
	fmt.Printf("explain: bugs=%d median_cpu_s=%.1f worst_cpu_s=%.1f\n", len(times), times[len(times)/2], times[len(times)-1])
}

// found is what the subject prints.
type found struct {
	Report, Explanation string
	CPU, Reduction      float64
	Runs                int
}

// explain builds the subject with a bug planted, and runs it until it stands still in
// that form, if one is named.
func explain(t *testing.T, patch, form string) (*found, error) {
	m, err := mutants.Read(patch)
	require.NoError(t, err)
	if m.Invariant == "" {
		return nil, fmt.Errorf("%s finds it", m.Script)
	}
	binary, err := m.Build(root, t.TempDir(), "./internal/reports/subject")
	require.NoError(t, err)
	run := exec.Command(binary, "-invariant", m.Invariant, "-form", form, "-seeds", strconv.Itoa(*sweep))
	run.Dir = root
	out, err := run.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		return nil, fmt.Errorf("%s", strings.TrimSpace(string(failed.Stderr)))
	}
	require.NoError(t, err)
	var f found
	require.NoError(t, json.Unmarshal(out, &f))
	return &f, nil
}

var builtFrom = regexp.MustCompile(`commit \S+, go\S+;`)

// hold compares a text with a file's, or writes it there.
func hold(t *testing.T, file, text string) {
	t.Helper()
	text = builtFrom.ReplaceAllString(text, "commit COMMIT, goVERSION;") + "\n"
	require.False(t, strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), unicode.IsControl), "a page for people:\n%q", text)
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "read it, and go test ./internal/reports -run '^TestReports$' -rewrite")
}
