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
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

const root = "../.."

var (
	rewrite = flag.Bool("rewrite", false, "write the files under testdata anew")
	nth     = flag.Int("every", 0, "explain every so many-th planted bug that the sweep finds, for the times: 1 for all")
)

// kept are the planted bugs whose reports are kept, those that a quick run looks at
// first.
var kept = []string{
	"merge-flip-unfenced", "submit-not-active",
	"checkpoint-goes-back", "complete-without-fence", "dead-unit-forgotten", "fake-lets-the-second-write-win",
	"flip-over-cancel", "generation-not-raised", "heartbeat-outlives-the-work", "scanner-lead-never-stale",
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
	names := kept
	if testing.Short() {
		names = kept[:quick]
	}
	ran, standstills := 0, 0
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			found, err := explain(t, filepath.Join(root, "testdata", "mutants", name+".patch"))
			require.NoError(t, err)
			require.Less(t, strings.Count(found.Report, "\n"), reportLines)
			require.Less(t, strings.Count(found.Explanation, "\n"), explanationLines)
			hold(t, filepath.Join("testdata", name, "report.txt"), found.Report)
			hold(t, filepath.Join("testdata", name, "explanation.txt"), found.Explanation)
			ran++
			if strings.HasPrefix(found.Report, "FAIL progress-after-healing") {
				standstills++
			}
		})
	}
	if ran == len(kept) {
		require.GreaterOrEqual(t, ran, 10)
		require.GreaterOrEqual(t, standstills, 3, "too few are about a system that stands still")
	}
}

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
		found, err := explain(t, file)
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

// explain builds the subject with a bug planted, and runs it.
func explain(t *testing.T, patch string) (*found, error) {
	m, err := mutants.Read(patch)
	require.NoError(t, err)
	if m.Invariant == "" {
		return nil, fmt.Errorf("%s finds it", m.Script)
	}
	binary, err := m.Build(root, t.TempDir(), "./internal/reports/subject")
	require.NoError(t, err)
	run := exec.Command(binary, "-invariant", m.Invariant)
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
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "read it, and go test ./internal/reports -run '^TestReports$' -rewrite")
}
