package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// tiny is a system of one worker, which raises a number to a target. The kinds
// of it each come to another exit code.
type tiny struct {
	kind   string
	target int
}

// What a careless system keeps outside its universe: a count of its commits, and
// of its runs.
var leak, runs atomic.Int64

func suiteOf(kind string) harness.Suite {
	target := sim.Target{
		Assemble:   func() sim.Assembly { return &tiny{kind: kind} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{&byOne{}} },
		Calm:       true,
	}
	if kind == "endless" {
		target.Vary = func(c *sim.Config, _ sim.Assembly) { c.ChaosFor = 100 * time.Hour }
	}
	return harness.Suite{
		Target:    target,
		Scenarios: []chaos.Scenario{{Name: "calm", Title: "Nothing happens."}, {Name: "unseen", Title: "What it is about never happens.", Observe: []string{"merge_takeover"}}},
		Stage:     func(chaos.Scenario, func(string)) sim.Target { return target },
	}
}

func (s *tiny) Name() string { return "tiny" }

func (s *tiny) Settings() []plan.Setting {
	return []plan.Setting{{Name: "tiny.target", Int: &s.target, Min: 1, Max: 1_000_000}}
}

func (s *tiny) Draw(d keyed.Draw) {
	s.target = int(d.Between("target", 2, 4))
	if s.kind == "endless" {
		s.target = 12_000 // more than the chaos phase has events for
	}
}

func (s *tiny) New() (sim.System, error) {
	if s.kind == "fades" && runs.Add(1) > 2 { // the second run is the sweep's check
		s.kind = "good"
	}
	return s, nil
}

func (s *tiny) Prepare(*sim.Stores)            {}
func (s *tiny) StoreOptions() objstore.Options { return objstore.Options{} }
func (s *tiny) Region(string) int              { return 0 }
func (s *tiny) Classify(key string) string     { return key }
func (s *tiny) Bounds() sim.Bounds             { return sim.Bounds{} }
func (s *tiny) Done(w *sim.World) bool         { return number(w) >= s.target }
func (s *tiny) Quiet(*sim.World) bool          { return true }

func (s *tiny) Describe(w *sim.World, sum *sim.Summary) {
	sum.Outcome, sum.Outcomes = "raised", []sim.Count{{Name: "raised", N: number(w)}}
}

func number(w *sim.World) int {
	row, _ := w.Get("n")
	text, _, _ := strings.Cut(string(row), " ")
	n, _ := strconv.Atoi(text)
	return n
}

func (s *tiny) Programs() []sim.Program {
	return []sim.Program{{Name: "w0", Main: s.work, Restart: time.Second}}
}

// work raises the number until it has reached the target. The hasty one believes
// that a commit was applied whose outcome is unknown.
func (s *tiny) work(ctx context.Context, e *env.Env) error {
	unknown := 0
	for {
		txn, err := e.KV.Begin(ctx)
		if err != nil {
			return err
		}
		row, err := txn.Get(ctx, "n")
		if err != nil && !errors.Is(err, env.ErrNotFound) {
			return err
		}
		text, _, _ := strings.Cut(string(row), " ")
		n, _ := strconv.Atoi(text)
		if n >= s.target {
			return nil
		}
		text = strconv.Itoa(n + 1 + unknown)
		switch s.kind {
		case "skips", "fades":
			text = strconv.Itoa(n + 2)
		case "leaks":
			text += " " + strconv.FormatInt(leak.Add(1), 10)
		case "blocks":
			<-ctx.Done()
		}
		txn.Put("n", []byte(text))
		if err := txn.Commit(ctx); err != nil {
			if s.kind != "hasty" {
				return err
			}
			unknown = 1
		}
	}
}

// byOne: the number rises by one.
type byOne struct{ last int }

func (i *byOne) Name() string { return "by-one" }

func (i *byOne) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind != sim.EffectCommit {
		return nil
	}
	n, last := number(w), i.last
	i.last = n
	if n == last+1 {
		return nil
	}
	return &sim.Violation{Shape: "skipped", Text: fmt.Sprintf("%d came after %d", n, last), Second: e.Ref("it was written")}
}

// call runs the command and returns what it printed, and its exit code.
func call(kind string, args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	code = Run(suiteOf(kind), "tiny", args, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// TestExitCodes: each way to end has a code of its own, and bad input is one
// line.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.plan")
	require.NoError(t, os.WriteFile(bad, []byte("gauntlet-plan 1\nseed 1\nsystem other\n"), 0o600))
	draft, err := sim.Draft(suiteOf("good").Target, 1)
	require.NoError(t, err)
	whole := filepath.Join(dir, "whole.plan")
	require.NoError(t, os.WriteFile(whole, []byte(draft.String()), 0o600))
	t.Setenv("JOB_COMPLETION_INDEX", "7")
	for _, c := range []struct {
		kind, line string
		code       int
		says       string // in the one line of an error, or in the output
	}{
		{"good", "run --seed 7", 0, "sim: 1 invariants held: by-one"},
		{"good", "sweep --seeds 20", 0, "sim: total seeds=20 raised="},
		{"good", "sweep --seeds 20", 0, "the next universe fails with probability <= 0.14 at 95 %"},
		{"good", "sweep --seeds 20", 0, "sim: every-fault: 5 of "},
		{"good", "every-fault --schedules 2 --limit 40 --pairs", 0, " placements of one fault on 2 schedules: 0 violations; 40 of "},
		{"good", "every-fault --schedules 1", 0, "sim: every-fault: all "},
		{"good", "every-fault --place", 2, "flag needs an argument"},
		{"good", "every-fault --seed 7 --place 'melt'", 2, "a fault reads"},
		{"good", "every-fault --schedules 0", 2, "--schedules=0: want a whole number from 1"},
		{"good", "every-fault --stop by-two", 2, "--stop=by-two: want the name of an invariant (by-one, no-panic, harness-commit-order, progress-after-healing), any or none"},
		{"good", "sweep --seeds 20 --stop by-two", 2, "--stop=by-two: want the name of an invariant (by-one, "},
		{"good", "sweep --seeds 20 --stop none", 0, "sim: total seeds=20 raised="},
		{"skips", "sweep --seeds 20 --no-every-fault --stop any", 1, "sim: total seeds=1 raised="},
		{"good", "every-fault --limit -1", 2, "--limit=-1: want 0 (all) or more"},
		{"good", "every-fault --out command.go/kept", 2, "--out=command.go/kept: command.go is no folder"},
		{"good", "sweep --seeds 20 --out command.go", 2, "--out=command.go: command.go is no folder"},
		{"skips", "every-fault --schedules 3", 1, "; 3 schedules fail without any fault"},
		{"blocks", "every-fault --patience 300ms", 5, "stuck: seed 0x0000000000000001: w0/main"},
		{"good", "scenarios calm", 0, "scenario calm: seeds=200 "},
		{"good", "scenarios --list", 0, "unseen                 What it is about never happens."},
		{"good", "faults", 0, "lose-reply"},
		{"good", "replay " + whole, 0, "sim: 1 invariants held: by-one"},
		{"skips", "replay " + whole, 1, "FAIL by-one"},
		{"skips", "run", 1, "FAIL by-one, system: 2 came after 0"},
		{"skips", "sweep --seeds 20 --no-every-fault", 1, "sim: 20 universes failed like this: 0x0000000000000001 "},
		{"skips", "sweep --seeds 20", 1, "sim: 20 universes failed as above, by by-one (skipped): 0x0000000000000001 "},
		{"skips", "scenarios calm", 1, "FAIL by-one"},
		{"skips", "explain", 0, "FAIL by-one, system: "},
		{"skips", "explain 0x1", 0, "point of no return"},
		{"skips", "explain " + whole, 0, "FAIL by-one, system: "},
		{"skips", "shrink", 0, "\nexpect by-one skipped\n"},
		{"skips", "keep --out " + dir, 0, "sim: kept " + filepath.Join(dir, "by-one-0000000000000001.plan")},
		{"skips", "keep --out " + dir, 2, "a kept plan is never overwritten"},
		{"skips", "explain --html " + dir + "/run.html --jsonl " + dir + "/run.jsonl --chrome " + dir + "/run.json", 0, "sim: wrote " + dir + "/run.json\n"},
		{"skips", "explain --html " + dir + "/run.html", 0, "sim: wrote " + dir + "/run.html"},
		{"good", "run --jsonl " + dir + "/held.jsonl", 0, "sim: wrote " + dir + "/held.jsonl"},
		{"skips", "sweep --seeds 20 --html " + dir + "/sweep.html", 1, "sim: wrote " + dir + "/sweep.html"},
		{"skips", "explain --html " + whole, 2, "--html=" + whole + ": this file is there already, and is none that --html has written"},
		{"skips", "explain --html " + dir + "/run.jsonl", 2, "it is left as it is"},
		{"skips", "sweep --html " + dir + "/run.html", 2, "it is left as it is"},
		{"skips", "explain --html " + dir, 2, "--html=" + dir + ": cannot be read: is a directory"},
		{"skips", "explain --html nowhere/run.html", 2, "there is no folder nowhere"},
		{"skips", "explain --html " + dir + "/x --jsonl " + dir + "/x", 2, "want another file for each format"},
		{"good", "", 0, "Available Commands:"},
		{"good", "rum", 2, `unknown command "rum" for "tiny"`},
		{"good", "run --sed 1", 2, "unknown flag: --sed"},
		{"good", "run --seed banana", 2, `seed "banana": want a decimal number`},
		{"good", "run --patience -1s", 2, "--patience=-1s: want 0s"},
		{"good", "run --chaos nowhere.yaml", 2, "nowhere.yaml: cannot be read"},
		{"good", "sweep --seeds 0", 2, "--seeds=0: want a whole number from 1"},
		{"good", "sweep --shard 3/2", 2, "--shard=3/2: want i/n with i from 1 to n"},
		{"good", "sweep --shard 1/2 --shards 2", 2, "want either --shard or --shards"},
		{"good", "sweep --shards 4", 2, "JOB_COMPLETION_INDEX=7: with --shards=4 want a whole number from 0 to 3"},
		{"good", "sweep --seeds 2 --shard 1/3", 2, "3 shards of 2 universes"},
		{"good", "replay", 2, "requires at least 1 arg(s)"},
		{"good", "replay nowhere.plan", 2, "nowhere.plan: no such plan"},
		{"good", "replay " + bad, 2, bad + `:3: system "other"; want "tiny"`},
		{"good", "explain", 2, "nothing failed: sim: seed=0x0000000000000001"},
		{"good", "shrink x.plan --seed 1", 2, "want either a plan's file or a seed"},
		{"good", "explain nowhere.plan", 2, "nowhere.plan: no such plan"},
		{"good", "scenarios nope", 2, `no scenario "nope"; known: calm, unseen`},
		{"good", "scenarios unseen", 3, "MISSING: unseen: never seen that"},
		{"endless", "run", 3, "outcome=raised"},
		{"fades", "run", 4, "not deterministic: seed 0x0000000000000001 gave hash "},
		{"leaks", "run", 4, "not deterministic: seed 0x0000000000000001 gave hash "},
		{"leaks", "sweep --seeds 20", 4, "not deterministic"},
		{"leaks", "replay " + whole, 4, "not deterministic"},
		{"blocks", "run --patience 300ms", 5, "stuck: seed 0x0000000000000001: w0/main"},
		{"blocks", "sweep --patience 300ms", 5, "stuck: seed 0x0000000000000001: w0/main"},
	} {
		t.Run(c.kind+" "+strings.ReplaceAll(c.line, dir, "DIR"), func(t *testing.T) {
			out, errs, code := call(c.kind, strings.Fields(c.line)...)
			require.Equal(t, c.code, code, "%s%s", out, errs)
			require.Contains(t, out+errs, c.says)
			if code == exitUsage {
				require.Equal(t, 1, strings.Count(out+errs, "\n"), "%s%s", out, errs)
			}
		})
	}
}

// A placement of a process that there is not is named as it was typed: it is no line of
// a file.
func TestPlaceNowhere(t *testing.T) {
	const fault = "refuse at w9/main - kv.get row #1"
	_, errs, code := call("good", "every-fault", "--place", fault)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "tiny: "+fault+`: no process "w9"; this plan's are `)
}

// TestShards: the parts of a sweep are all of it, each universe once.
func TestShards(t *testing.T) {
	whole, _, code := call("good", "sweep", "--seeds", "50", "--seed", "100", "--json")
	require.Zero(t, code)
	seeds, events := 0, 0.0
	for i := range 3 {
		t.Setenv("JOB_COMPLETION_INDEX", strconv.Itoa(i))
		indexed, _, code := call("good", "sweep", "--seeds", "50", "--seed", "100", "--shards", "3", "--json")
		require.Zero(t, code)
		named, _, code := call("good", "sweep", "--seeds", "50", "--seed", "100", "--shard", fmt.Sprintf("%d/3", i+1), "--json")
		require.Zero(t, code)
		part := lastObject(t, named)
		require.Equal(t, lastObject(t, indexed)["events"], part["events"])
		require.Equal(t, fmt.Sprintf("%d/3", i+1), part["shard"])
		seeds += int(part["seeds"].(float64))
		events += part["events"].(float64)
	}
	require.Equal(t, 50, seeds)
	require.Equal(t, lastObject(t, whole)["events"], events)
}

func objects(t *testing.T, out string) (all []map[string]any) {
	for line := range strings.Lines(out) {
		var o map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		all = append(all, o)
	}
	require.NotEmpty(t, all)
	return all
}

func lastObject(t *testing.T, out string) map[string]any {
	all := objects(t, out)
	return all[len(all)-1]
}

// TestJSON: with --json every line is an object with the keys that the package's
// documentation lists.
func TestJSON(t *testing.T) {
	keys := map[string][]string{
		"universe":    {"seed", "arm", "fields", "events", "virtual_s", "faults", "outcome", "inconclusive", "hash", "violation"},
		"story":       {"seed", "lines"},
		"failure":     {"invariant", "shape", "count", "seeds", "plan", "report"},
		"placements":  {"schedules", "failing", "singles", "pairs", "events", "fired", "cpu_s", "sentence"},
		"total":       {"seeds", "outcomes", "violations", "inconclusive", "events", "virtual_s", "cpu_s", "states", "shapes", "hashes", "fired", "marks", "shard", "residual"},
		"plan":        {"file", "seed", "text"},
		"kept":        {"file", "seed"},
		"report":      {"seed", "text"},
		"explanation": {"seed", "blame", "columns", "rows", "edge", "neighbours", "futures", "runs", "text"},
		"fault":       {"name", "about", "effect"},
		"error":       {"code", "text"},
	}
	source, err := os.ReadFile("command.go")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, c := range []struct{ kind, line string }{
		{"good", "run"}, {"good", "faults"}, {"good", "run --seed x"}, {"good", "scenarios"}, {"good", "scenarios --list"},
		{"skips", "run"}, {"skips", "sweep --seeds 5"}, {"skips", "shrink"}, {"skips", "explain"}, {"skips", "keep --out " + t.TempDir()},
	} {
		out, _, _ := call(c.kind, append(strings.Fields(c.line), "--json")...)
		for _, o := range objects(t, out) {
			kind := o["type"].(string)
			seen[kind] = true
			for _, key := range keys[kind] {
				require.Contains(t, o, key, "%s: %v", c.line, o)
				require.Regexp(t, `//\t`+kind+`  .*\b`+key+`\b`, string(source), "the documentation does not list it")
			}
			if kind != "scenario" {
				require.Len(t, o, len(keys[kind])+1, "%s: %v", c.line, o)
			}
		}
	}
	require.Len(t, seen, len(keys)+1, "%v", seen)
}

// TestPlacedFailure: a failure that a placement has found is run again by the line
// that its report prints, and from the plan that is kept of it.
func TestPlacedFailure(t *testing.T) {
	dir := t.TempDir()
	out, _, code := call("hasty", "every-fault", "--schedules", "2", "--out", dir)
	require.Equal(t, exitViolated, code, out)
	require.Contains(t, out, "FAIL by-one")
	require.NotContains(t, out, "without any fault")
	line := regexp.MustCompile(`replay: tiny every-fault --seed (\S+) --place '([^'\n]*)'\n`).FindStringSubmatch(out)
	require.NotNil(t, line, "no line to run it again:\n%s", out)
	again, _, code := call("hasty", "every-fault", "--seed", line[1], "--place", line[2])
	require.Equal(t, exitViolated, code, again)
	require.Contains(t, again, line[0])
	plans, err := filepath.Glob(filepath.Join(dir, "by-one-*.plan"))
	require.NoError(t, err)
	require.NotEmpty(t, plans)
	kept, _, code := call("hasty", "replay", plans[0])
	require.Equal(t, exitViolated, code, kept)
	held, _, code := call("good", "every-fault", "--seed", line[1], "--place", line[2])
	require.Zero(t, code, held)
}

// TestExpectations: what the suite expects is judged, and refuted by 1.
func TestExpectations(t *testing.T) {
	suite := suiteOf("good")
	suite.Expect = []sweep.Expectation{{Outcome: "never heard of", AtLeast: 0.5}}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitViolated, Run(suite, "tiny", []string{"sweep", "--seeds", "100"}, &stdout, &stderr), stderr.String())
	require.Contains(t, stdout.String(), "sim: never heard of: 0 of ")
}
