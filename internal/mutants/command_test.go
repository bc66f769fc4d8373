package mutants

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted is the bug whose failure the commands are tried on.
const planted = "merge-flip-unfenced"

var (
	replayLine = regexp.MustCompile(`(?m)^\s*replay: (.*)$`)
	keepLine   = regexp.MustCompile(`(?m)^\s*keep:\s+(.*)$`)
	keptLine   = regexp.MustCompile(`(?m)^sim: kept (\S+)$`)
)

// TestPrintedCommands: what a failure prints can be pasted. The replay command
// reproduces the report byte for byte; the keep command writes a plan that
// reproduces the failure, and never writes over one.
func TestPrintedCommands(t *testing.T) {
	m := read(t, filepath.Join(root, "testdata", "mutants", planted+".patch"))
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(overlay, plant(t, m), 0o600))
	paste := func(command string) string {
		cmd := exec.Command("bash", "-c", command)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "%s passes:\n%s", command, out)
		return string(out)
	}

	first := report(t, paste("go test ./sim -run '^TestSim$' -seed=1 -seeds=2000 -stop="+m.Invariant))
	require.Contains(t, first, "FAIL "+m.Invariant)
	require.LessOrEqual(t, strings.Count(first, "\n"), 30)
	require.Contains(t, first, "the same in a fresh process")
	holdExample(t, first)
	command := replayLine.FindStringSubmatch(first)[1]
	require.Equal(t, first, report(t, paste(command)), "the replay command prints another report")

	kept := keptLine.FindStringSubmatch(paste(keepLine.FindStringSubmatch(first)[1]))
	require.NotNil(t, kept, "the keep command kept nothing")
	file := filepath.Join(root, kept[1])
	t.Cleanup(func() { require.NoError(t, os.Remove(file)) })
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	replayed := paste("go test ./sim -run '^TestSeeds$' -case=" + kept[1])
	require.Contains(t, replayed, "FAIL "+m.Invariant)
	require.Contains(t, paste(keepLine.FindStringSubmatch(first)[1]), "never overwritten")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
}

var (
	rewrite = flag.Bool("rewrite", false, "write the example in docs/REPORT.md anew")

	example   = regexp.MustCompile("(?s)```\n(FAIL .*?)\n```")
	builtFrom = regexp.MustCompile(`commit \S+, go\S+;`)
)

// holdExample compares the report with the one that docs/REPORT.md explains, or
// puts it there.
func holdExample(t *testing.T, report string) {
	lines := strings.Split(builtFrom.ReplaceAllString(report, "commit COMMIT, goVERSION;"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "        ") // as package testing prints them
	}
	now := strings.Join(lines, "\n")
	page := filepath.Join(root, "docs", "REPORT.md")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	shown := example.FindSubmatch(text)
	require.NotNil(t, shown, "docs/REPORT.md has no example")
	if *rewrite {
		require.NoError(t, os.WriteFile(page, bytes.Replace(text, shown[1], []byte(now), 1), 0o644))
		return
	}
	require.Equal(t, now, string(shown[1]), "docs/REPORT.md explains another report: read this one, and go test ./internal/mutants -run '^TestPrintedCommands$' -rewrite")
}

// report cuts the first report out of a test's output.
func report(t *testing.T, out string) string {
	_, rest, ok := strings.Cut(out, "FAIL ")
	for ok && strings.HasPrefix(strings.TrimSpace(rest), "github.com") {
		_, rest, ok = strings.Cut(rest, "FAIL ")
	}
	require.True(t, ok, "no report in:\n%s", out)
	text, _, ok := strings.Cut("FAIL "+rest, "more:")
	require.True(t, ok, "the report doesn't end with the command that says more:\n%s", out)
	line, _, _ := strings.Cut(rest[strings.Index(rest, "more:"):], "\n")
	return text + line
}
