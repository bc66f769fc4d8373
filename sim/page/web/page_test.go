package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/page"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

// requiredVariable makes it an error that node's packages are not installed.
const requiredVariable = "PAGE_BROWSER"

func installed(t *testing.T) {
	if _, err := os.Stat("node_modules"); errors.Is(err, fs.ErrNotExist) {
		require.Empty(t, os.Getenv(requiredVariable), "npm ci has not run")
		t.Skip("node's packages are not installed: `make page` does it")
	}
}

// TestBundle: what is checked in under ../assets is what build.mjs makes of src/
// and the lock file's packages.
func TestBundle(t *testing.T) {
	installed(t)
	made := t.TempDir()
	out, err := exec.Command("node", "build.mjs", made).CombinedOutput()
	require.NoError(t, err, "%s", out)
	files, err := os.ReadDir(made)
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		fresh, err := os.ReadFile(filepath.Join(made, file.Name()))
		require.NoError(t, err)
		kept, err := os.ReadFile(filepath.Join("../assets", file.Name()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(fresh, kept), "assets/%s is another than node build.mjs makes: run it", file.Name())
	}
}

// browsers are the names that Chromium has on different systems.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// TestBrowser clicks through pages in Chromium: test/*.test.mjs.
func TestBrowser(t *testing.T) {
	installed(t)
	browser := ""
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil && browser == "" {
			browser = path
		}
	}
	if browser == "" {
		require.Empty(t, os.Getenv(requiredVariable), "there is no Chromium: %s", strings.Join(browsers, ", "))
		t.Skip("there is no Chromium")
	}
	folder := t.TempDir()
	makePages(t, folder)
	tests, err := filepath.Glob("test/*.test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, tests)
	cmd := exec.Command("node", append([]string{"--test", "--test-reporter=tap"}, tests...)...)
	cmd.Env = append(os.Environ(), "PAGES="+folder, "CHROMIUM="+browser)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "# page:") || strings.HasPrefix(line, "page:") {
			fmt.Print(strings.TrimPrefix(line, "# "))
		}
	}
	require.NoError(t, err, "%s", out)
	passed := regexp.MustCompile(`(?m)^# pass (\d+)$`).FindStringSubmatch(string(out))
	require.NotNil(t, passed, "%s", out)
	n, err := strconv.Atoi(passed[1])
	require.NoError(t, err)
	require.Greater(t, n, 15, "too few tests ran")
	fmt.Printf("page: %d tests in %s\n", n, filepath.Base(browser))
}

// makePages writes the pages that the tests open, and what they must know of them.
func makePages(t *testing.T, folder string) {
	var out, errs bytes.Buffer
	suite := harness.Suite{Target: target(0, 0), Marks: []string{"never_reached"}}
	call := func(want int, line ...string) {
		require.Equal(t, want, command.Run(suite, "turns", line, &out, &errs), "%s%s", &out, &errs)
	}
	seed := failingSeed(t)
	call(0, "explain", "--seed", seed, "--html", filepath.Join(folder, "failing.html"))
	call(1, "sweep", "--seeds", "400", "--html", filepath.Join(folder, "sweep.html"))
	draft, err := sim.Draft(target(2, 3), 1)
	require.NoError(t, err)
	held, err := sim.ReplayRecorded(target(2, 3), draft)
	require.NoError(t, err)
	require.Nil(t, held.Violation)
	write(t, filepath.Join(folder, "held.html"), page.Timeline{Run: held, Report: "held"}.Write)
	big := running(t, large)
	write(t, filepath.Join(folder, "large.html"), page.Timeline{Run: big, Report: "large"}.Write)
	facts, err := json.Marshal(map[string]any{"evil": evil, "events": big.Events})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "facts.json"), facts, 0o644))
}

// failingSeed is the first universe in which one frozen worker is enough.
func failingSeed(t *testing.T) string {
	for seed := uint64(1); seed < 3000; seed++ {
		r, err := sim.Run(target(0, 0), seed)
		require.NoError(t, err)
		if r.Violation == nil || len(r.Fired) == 0 || r.Fired[0].Name() != "pause" {
			continue
		}
		return strconv.FormatUint(seed, 10)
	}
	t.Fatal("no universe failed")
	return ""
}

// size is how far workers count, and how many events that takes at least.
type size struct {
	goal   int
	events uint64
}

var small, large = size{45, 2_000}, size{1500, 50_000}

// running is a run of a size. Its messages tie with no other: the reader of Chrome
// traces tells arrows by the times at which they begin and end.
func running(t *testing.T, s size) *sim.Result {
	run := target(8, s.goal)
	run.Arm = "narrow"
	draft, err := sim.Draft(run, 1)
	require.NoError(t, err)
	r, err := sim.ReplayRecorded(run, draft)
	require.NoError(t, err)
	require.Greater(t, r.Events, s.events, r.Line())
	return r
}

// TestChrome gives Chrome traces to a reader that is not ours: test/chrome.mjs.
func TestChrome(t *testing.T) {
	installed(t)
	folder := t.TempDir()
	seed, err := strconv.ParseUint(failingSeed(t), 10, 64)
	require.NoError(t, err)
	failed, err := sim.Run(target(0, 0), seed)
	require.NoError(t, err)
	recorded, err := sim.ReplayRecorded(target(0, 0), failed.Plan)
	require.NoError(t, err)
	traces := []trace{
		writeTrace(t, folder, "failing.json", recorded),
		writeTrace(t, folder, "small.json", running(t, small)), writeTrace(t, folder, "large.json", running(t, large)),
	}
	facts, err := json.Marshal(traces)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "traces.json"), facts, 0o644))
	cmd := exec.Command("node", "test/chrome.mjs", folder)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, len(traces), strings.Count(string(out), "page: "), "%s", out)
	fmt.Print(string(out))
}

// trace is what a reader must find in a Chrome trace.
type trace struct {
	File     string `json:"file"`
	Events   uint64 `json:"events"`
	Slices   int    `json:"slices"`
	Requests int    `json:"requests"` // arrows from a call to its store
}

// writeTrace writes a run's trace, and counts in its history what must be there.
func writeTrace(t *testing.T, folder, name string, r *sim.Result) trace {
	write(t, filepath.Join(folder, name), func(w io.Writer) error { return timeline.Chrome(w, r) })
	wanted := trace{File: name, Events: r.Events, Slices: len(r.History.Work) + len(r.History.Holdings)}
	for i := range r.History.Requests {
		q := &r.History.Requests[i]
		if !q.Copy {
			wanted.Slices++
		}
		if q.Handled.Event == 0 || q.Fate == sim.Refused {
			continue
		}
		wanted.Slices++
		if !q.Copy && q.Sent.At != q.Handled.At { // the reader tells an arrow's ends by their times
			wanted.Requests++
		}
	}
	return wanted
}

func write(t *testing.T, name string, write func(io.Writer) error) {
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, write(file))
	require.NoError(t, file.Close())
}
