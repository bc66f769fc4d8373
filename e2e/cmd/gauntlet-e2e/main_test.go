package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/log"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/gauntlet-dst/gauntlet/e2e/runner"
)

// TestAnotherSystem runs a system that is written in another language. The form of
// it that claims a publication by putting its name and reading it back publishes
// twice, which is found; the form that claims it in a transaction passes.
func TestAnotherSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for a minute")
	}
	if out, err := exec.Command("node", "--version").Output(); err != nil || string(out) < "v18" {
		t.Skipf("needs node, version 18 or newer: %v", err)
	}
	log.SetLevel(zapcore.FatalLevel)
	bin, err := runner.Build("../../..", t.TempDir(), false)
	require.NoError(t, err)
	m, err := runner.ReadMap("../../testdata/another/state.yaml")
	require.NoError(t, err)
	script, err := filepath.Abs("../../testdata/another/worker.mjs")
	require.NoError(t, err)
	f := &flags{}
	play := func(form string, seed uint64, names ...string) (out string, held bool) {
		f.seed, f.logs = seed, t.TempDir()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		scenarios, err := named(names)
		require.NoError(t, err)
		results, err := f.all(ctx, &runner.Foreign{Command: "node " + script + " " + form, Map: m}, bin, scenarios)
		require.NoError(t, err)
		var table bytes.Buffer
		held = runner.Print(&table, results)
		return table.String(), held
	}
	found := false
	for seed := uint64(1); seed <= 4 && !found; seed++ {
		out, held := play("put-then-read-back", seed, "merge-race")
		found = !held
		if found {
			require.Regexp(t, `WRONG: (2|3|4) transactions say that it is published|WRONG: object out/manifest.g1, which was published, was written [234] times`, out)
		}
	}
	require.True(t, found, "the broken form passed every time")
	out, held := play("transaction", 1, "merge-race", "partition-tikv")
	require.True(t, held, "%s", out)
}

// TestBadInput: one line that says what and where.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "state.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	for text, want := range map[string]string{
		"":                                  "state.yaml: status: needs row and done",
		"status: {row: a, done: [b], x: 1}": "x",
		"status: {row: a, done: [b]}":       "state.yaml: published: needs object or row, and not both",
		"status: {row: a, done: [b]}\npublished: {object: o}\nunits: {prefix: u}": `units.prefix: "u", allowed: a prefix that ends in '/'`,
		"status: {row: a, done: [b]}\npublished: {object: o, strip: '('}":         "missing closing )",
	} {
		_, err := runner.ReadMap(file(text))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
	for args, want := range map[string]string{
		"nope":                      `no scenario "nope", allowed: worker-crash`,
		"--worker-cmd=x":            "--worker-cmd and --state go together",
		"--root=/ worker-crash":     "/ lies in no clone of the project",
		"--worker-cmd=x --state=no": "open no: no such file",
	} {
		cmd := command()
		cmd.SetArgs(strings.Fields(args))
		require.ErrorContains(t, cmd.Execute(), want)
	}
}

// TestQuick runs this project's own system through the scenarios of --quick.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for two minutes")
	}
	log.SetLevel(zapcore.FatalLevel)
	scenarios, err := named(quickly)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	f := &flags{root: "../../..", seed: 1, quick: true}
	require.NoError(t, f.ours(ctx, scenarios, 0))
}
