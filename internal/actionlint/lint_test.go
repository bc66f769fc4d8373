package actionlint

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// lint returns what actionlint finds wrong with a workflow, one line each.
func lint(t *testing.T, file string) []string {
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found, err := linter.Lint(filepath.Base(file), text, nil)
	require.NoError(t, err)
	var lines []string
	for _, e := range found {
		lines = append(lines, e.Error())
	}
	return lines
}

// TestWorkflows: nothing is wrong with any workflow.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { require.Empty(t, lint(t, file)) })
	}
}

// TestLintBites: each mistake of a bad workflow is found on the line that is
// marked with it.
func TestLintBites(t *testing.T) {
	const file = "testdata/bad.yml"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found := strings.Join(lint(t, file), "\n")
	marked := 0
	for i, line := range strings.Split(string(text), "\n") {
		_, want, ok := strings.Cut(line, "# wrong: ")
		if !ok {
			continue
		}
		marked++
		require.Regexp(t, regexp.MustCompile(`(?m)^bad\.yml:`+strconv.Itoa(i+1)+`:\d+: .*`+regexp.QuoteMeta(want)), found)
	}
	require.GreaterOrEqual(t, marked, 5)
}

// TestWhatCIRuns: the pull request's jobs are short, every one of the checks is
// among them, none may fail unseen or is tried again, and scripts that they call
// exist.
func TestWhatCIRuns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "ci.yml"))
	require.NoError(t, err)
	ci := string(text)
	jobs := strings.Count(ci, "runs-on:")
	require.Equal(t, jobs, len(regexp.MustCompile(`(?m)^    timeout-minutes: ([1-9]|10)$`).FindAllString(ci, -1)), "each job takes at most ten minutes")
	for _, check := range []string{
		"make test", "make full", "make builds", "make lint", "-race", "TestHashTellsUniversesApart", "./internal/mutants", "TestSeeds",
		"-rapid.checks=1000", "SEED=\"$GITHUB_SHA\" SEEDS=", ".ci/sweep", "TestScenario", "./chaos/cmd/manifests", "upload-artifact",
	} {
		require.Contains(t, ci, check)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, check := range []string{"\n\tgo vet ./...\n", "./internal/house", "cd internal/deadcode && go test"} {
		require.Contains(t, string(makefile), check, "what make runs lacks a check")
	}
	require.NotRegexp(t, `(?i)continue-on-error|retry|nick-fields|\|\| true`, ci)
	for _, script := range regexp.MustCompile(`\.ci/\w+`).FindAllString(ci, -1) {
		require.FileExists(t, filepath.Join(root, script))
	}
}
