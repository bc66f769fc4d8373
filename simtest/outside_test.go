package simtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outside makes a module of somebody else's in a temporary folder: what lies in
// testdata/outside, with this checkout as the module that it requires. All that it
// needs is downloaded before: of modules that other platforms need, their go.mod, which
// nothing else on this one may have asked for.
func outside(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lease")
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/outside")))
	checkout, err := filepath.Abs("..")
	require.NoError(t, err)
	graph := exec.Command("go", "mod", "graph")
	graph.Dir = checkout
	text, err := graph.CombinedOutput()
	require.NoError(t, err, "%s", text)
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	require.NoError(t, err)
	module := "module example.org/lease\n\ngo 1.26\n\nrequire github.com/gauntlet-dst/gauntlet v0.0.0\n\nreplace github.com/gauntlet-dst/gauntlet => " + checkout + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
	return dir
}

// atFullSize leaves a test that builds several programs out of short runs.
func atFullSize(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs: not under -short")
	}
}

// shell runs a command line in a folder, as it would be typed, and returns what
// it printed and its exit code.
func shell(t *testing.T, dir, line string, environment ...string) (string, int) {
	t.Helper()
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "SIM_SEED=", "SIM_SEEDS=")
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

var (
	failLine   = regexp.MustCompile(`(?m)^\s*FAIL holder-raises, system: .*$`)
	replayLine = regexp.MustCompile(`(?m)^\s*replay: (.*)$`)
	keepLine   = regexp.MustCompile(`(?m)^\s*keep:\s+(.*)$`)
	keptLine   = regexp.MustCompile(`(?m)^sim: kept (\S+)$`)
)

func only(t *testing.T, pattern *regexp.Regexp, text string) string {
	t.Helper()
	found := pattern.FindAllStringSubmatch(text, -1)
	require.Len(t, found, 1, "%s in:\n%s", pattern, text)
	return found[0][len(found[0])-1]
}

// TestOutside: three lines of simtest give a system of somebody else's its first
// failing seed, its reduced plan and its replay, and ten lines the command.
func TestOutside(t *testing.T) {
	atFullSize(t)
	dir := outside(t)

	swept, code := shell(t, dir, "go test ./leasesim -seeds=500 -stop=holder-raises")
	require.Equal(t, 1, code, swept)
	failure := strings.TrimSpace(only(t, failLine, swept))
	replay, keep := only(t, replayLine, swept), only(t, keepLine, swept)
	require.Regexp(t, `^go test ./leasesim -seed=0x[0-9a-f]{16}$`, replay)

	again, code := shell(t, dir, replay)
	require.Equal(t, 1, code, again)
	require.Equal(t, failure, strings.TrimSpace(only(t, failLine, again)), "the replay fails otherwise")

	kept, code := shell(t, dir, keep)
	require.Equal(t, 1, code, kept)
	file := only(t, keptLine, kept)
	text, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\nfault "), 1, "the plan is not reduced:\n%s", text)
	require.Contains(t, string(text), "\nexpect holder-raises not the holder\n")

	replayed, code := shell(t, dir, "go test ./leasesim -case="+file)
	require.Equal(t, 1, code, replayed)
	require.Equal(t, failure, strings.TrimSpace(only(t, failLine, replayed)), "the kept plan fails otherwise")

	built, code := shell(t, dir, "go build -o lease ./cmd/lease")
	require.Zero(t, code, built)
	sweep, code := shell(t, dir, "./lease sweep --no-every-fault --seeds 500 --out failures")
	require.Equal(t, 1, code, sweep)
	require.Contains(t, sweep, "sim: total seeds=500 raised=")
	require.Contains(t, sweep, failure)
	plans, err := fs.Glob(os.DirFS(dir), "failures/holder-raises-*.plan")
	require.NoError(t, err)
	require.Len(t, plans, 1, "one kind of failure, one plan")
	replayed, code = shell(t, dir, "./lease replay "+plans[0])
	require.Equal(t, 1, code, replayed)
	require.Contains(t, replayed, failure)

	// With the bug mended nothing fails, and the kept plan, which sets what it
	// was kept for, still does.
	mend(t, filepath.Join(dir, "leasesim", "sim.go"))
	held, code := shell(t, dir, "rm seeds/*.plan && go test ./leasesim -seeds=500")
	require.Zero(t, code, held)
	require.Contains(t, held, " violations=0 ")
	played, code := shell(t, dir, "go test ./leasesim -run '^TestScenario$' -v")
	require.Zero(t, code, played)
	require.Regexp(t, `injected 1 pause at raise/kv\.prewrite +[12]\d\d times in`, played)
}

// mend lets every universe of the lease system draw the fence.
func mend(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	mended := bytes.Replace(text, []byte("\ts.Lease = 5 * time.Second\n"), []byte("\ts.Lease = 5 * time.Second\n\ts.Fenced = true\n"), 1)
	require.NotEqual(t, text, mended)
	require.NoError(t, os.WriteFile(file, mended, 0o644))
}

// TestConsole: what flags ask for is printed once, however `go test` is called
// and wherever its output goes.
func TestConsole(t *testing.T) {
	atFullSize(t)
	dir := outside(t)
	mend(t, filepath.Join(dir, "leasesim", "sim.go"))
	const seed42 = "sim: seed=0x000000000000002a "
	for _, c := range []struct{ name, line string }{
		{"package, into a pipe", "go test ./leasesim -seed=42"},
		{"package, with a pipe of the shell's", "go test ./leasesim -seed=42 | cat"},
		{"package, verbose", "go test ./leasesim -seed=42 -v"},
		{"package, JSON", "go test ./leasesim -seed=42 -json"},
		{"package, into a file", "go test ./leasesim -seed=42 >out.txt 2>&1; cat out.txt"},
		{"package, behind what a file holds", "echo first >out.txt; go test ./leasesim -seed=42 >>out.txt 2>&1; grep -c first out.txt; cat out.txt"},
		{"folder", "cd leasesim && go test -seed=42"},
		{"explicit test", "go test ./leasesim -run '^TestSim$' -seed=42"},
		{"binary", "go test -c -o sim.test ./leasesim && cd leasesim && ../sim.test -seed=42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := shell(t, dir, c.line)
			require.Zero(t, code, out)
			require.Equal(t, 1, strings.Count(out, seed42), out)
			require.Equal(t, 1, strings.Count(out, "sim: what happened"), out)
			require.Equal(t, 1, strings.Count(out, "sim: 1 invariants held: holder-raises"), out)
			require.Equal(t, strings.Contains(c.line, "echo first"), strings.HasPrefix(out, "1\nfirst\n"), out)
		})
	}
	t.Run("a sweep's total", func(t *testing.T) {
		out, code := shell(t, dir, "go test ./leasesim -seed=7 -seeds=30")
		require.Zero(t, code, out)
		require.Equal(t, 1, strings.Count(out, "sim: total seeds=30 "), out)
		require.NotContains(t, out, "sim: seed=")
	})
	t.Run("no flags, no noise", func(t *testing.T) {
		out, code := shell(t, dir, "go test ./leasesim")
		require.Zero(t, code, out)
		require.NotContains(t, out, "sim:")
	})
}

// TestFlagsWithoutTheirTest: flags that choose a test which is not there do not
// pass in silence.
func TestFlagsWithoutTheirTest(t *testing.T) {
	atFullSize(t)
	dir := outside(t)
	file := filepath.Join(dir, "leasesim", "sim_test.go")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte("TestSim("), []byte("TestMine("), 1), 0o644))
	out, code := shell(t, dir, "go test ./leasesim -seed=42")
	require.NotZero(t, code)
	require.Contains(t, out, "sim: the flags choose TestSim, which this package does not have")
}

// TestMisuse: a system that blocks for real is named, with its task and where it
// is; nothing hangs.
func TestMisuse(t *testing.T) {
	atFullSize(t)
	dir := outside(t)
	out, code := shell(t, dir, "go test -c -o misuse.test ./misuse")
	require.Zero(t, code, out)
	for _, kind := range []string{"channel", "goroutine", "done", "spin"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			out, code := shell(t, dir, "./misuse.test -seed=3 -patience=2s", "MISUSE="+kind)
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "stuck: seed 0x0000000000000003: w0/careless has let nothing happen for 2s of real time")
			require.Contains(t, out, fmt.Sprintf("example.org/lease/misuse.%s(", kind))
			require.NotContains(t, out, "sim.(*process)", "only the task's own functions")
		})
	}
}

var codeBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestGuide: the code that the guide shows is the outside module's, which the
// other tests run.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/YOUR-SYSTEM.md")
	require.NoError(t, err)
	var all strings.Builder
	for _, pattern := range []string{"*.go", "leasesim/*.go", "cmd/lease/*.go"} {
		files, err := fs.Glob(os.DirFS("testdata/outside"), pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join("testdata/outside", file))
			require.NoError(t, err)
			all.Write(text)
		}
	}
	blocks := codeBlock.FindAllStringSubmatch(string(guide), -1)
	require.Greater(t, len(blocks), 5)
	for _, block := range blocks {
		require.Contains(t, all.String(), block[1])
	}
}
