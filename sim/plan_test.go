package sim_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// TestBadPlans: whatever is wrong with a plan, one line says where, what, and
// what is allowed. The directive's name says what is changed in a good plan:
// "replace" takes a line of the old text and one of the new.
func TestBadPlans(t *testing.T) {
	target := suite.Target()
	good, err := sim.Draft(target, 1)
	require.NoError(t, err)
	cases := 0
	datadriven.RunTest(t, "testdata/bad_plans", func(t *testing.T, d *datadriven.TestData) string {
		cases++
		text := d.Input + "\n"
		switch d.Cmd {
		case "add":
			text = good.String() + text
		case "replace":
			old, changed, ok := strings.Cut(d.Input, "\n")
			require.True(t, ok)
			require.Contains(t, good.String(), "\n"+old)
			var lines []string
			for line := range strings.Lines(good.String()) {
				if strings.HasPrefix(line, old) {
					line = changed + "\n"
				}
				lines = append(lines, line)
			}
			text = strings.Join(lines, "")
		case "whole":
			text = strings.NewReplacer(`\x00`, "\x00", `\xff`, "\xff").Replace(text)
		default:
			d.Fatalf(t, "unknown directive %s", d.Cmd)
		}
		plan, err := plan.Parse("bad.plan", []byte(text))
		if err == nil {
			_, err = sim.Replay(target, plan)
		}
		require.Error(t, err, "this plan was taken")
		require.NotContains(t, err.Error(), "\n")
		return err.Error() + "\n"
	})
	require.GreaterOrEqual(t, cases, 20)
}

// TestGoodPlanRoundTrips: faults as they have been written since the first plans
// survive being parsed and printed, and can be replayed. (Package fault tests
// that those of every kind do.)
func TestGoodPlanRoundTrips(t *testing.T) {
	faults, err := os.ReadFile("testdata/every_fault")
	require.NoError(t, err)
	draft, err := sim.Draft(suite.Target(), 1)
	require.NoError(t, err)
	plan, err := plan.Parse("every_fault", append([]byte(draft.String()), faults...))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(plan.String(), string(faults)), "printed otherwise than written:\n%s", plan)
	r, err := sim.Replay(suite.Target(), plan)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
}

// TestDraftsAreAllowed: what seeds draw keeps to the ranges that plans are held
// to, so whatever a seed finds can be replayed.
func TestDraftsAreAllowed(t *testing.T) {
	target := suite.Target()
	count := uint64(5000)
	if testing.Short() {
		count = 200
	}
	for seed := range count {
		draft, err := sim.Draft(target, seed)
		require.NoError(t, err)
		plan, err := plan.Parse("draft", []byte(draft.String()))
		require.NoError(t, err)
		require.NoError(t, sim.Replayable(target, plan), "seed %#x", seed)
	}
}

// TestBadFlags: a bad flag or environment variable is one clear line, a
// non-zero exit, and no universe is run.
func TestBadFlags(t *testing.T) {
	binary, err := os.Executable()
	require.NoError(t, err)
	binaryPlan := filepath.Join(t.TempDir(), "binary.plan")
	require.NoError(t, os.WriteFile(binaryPlan, []byte{0x7f, 'E', 'L', 'F', 0, 1}, 0o600))
	for _, c := range []struct {
		args  []string
		env   string
		wants string
	}{
		{args: []string{"-seed=banana"}, wants: `seed "banana": want a decimal number`},
		{args: []string{"-seed=0x11112222333344445"}, wants: "up to 16 hex digits"},
		{args: []string{"-seed=-1"}, wants: `seed "-1"`},
		{args: []string{"-seeds=0"}, wants: "-seeds=0: want a whole number from 1"},
		{args: []string{"-seeds=many"}, wants: "-seeds=many: want"},
		{env: "SIM_SEED=x", wants: `seed "x"`},
		{env: "SIM_SEEDS=1.5", wants: "-seeds=1.5"},
		{args: []string{"-case=nowhere.plan"}, wants: "nowhere.plan: no such plan"},
		{args: []string{"-case=" + binaryPlan}, wants: binaryPlan + ":1: not text"},
		{args: []string{"-chaos=nowhere.yaml"}, wants: "-chaos=nowhere.yaml: cannot be read"},
		{args: []string{"-chaos=testdata/chaos/unknown_key.yaml"}, wants: `unknown_key.yaml:3: unknown key "fail_befor", allowed: fail_before,`},
		{args: []string{"-chaos=testdata/chaos/rate.yaml"}, wants: "rate.yaml:3: rate 1.5 is out of range, allowed: above 0 to 1"},
		{args: []string{"-chaos=testdata/chaos/unknown_operation.yaml"}, wants: `unknown_operation.yaml:3: unknown operation "kv.comit", allowed: submit,`},
		{args: []string{"-case=testdata/newer.plan"}, wants: `testdata/newer.plan:1: plan version "2"; this program reads version 1 only`},
	} {
		cmd := exec.Command(binary, append([]string{"-test.run", "^TestSim$"}, c.args...)...)
		cmd.Env = append(os.Environ(), c.env)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "%v %s", c.args, c.env)
		require.Contains(t, string(out), c.wants)
		require.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
		require.NotContains(t, string(out), "goroutine")
	}
}

// TestSeedForms: decimal, hex and a commit's forty digits name the same seed.
func TestSeedForms(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "42": 42, "0x2a": 42, "0X2A": 42, "18446744073709551615": 1<<64 - 1,
		"00000000000000ff000000000000000000000000": 0xff,
		"ABCDEF0123456789abcdef0123456789abcdef01": 0xabcdef0123456789,
	} {
		got, err := plan.ParseSeed(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "x", "0x", "1e3", "-1", "18446744073709551616", "abcdef0123456789abcdef0123456789abcdef0", " 1"} {
		_, err := plan.ParseSeed(text)
		require.Error(t, err, text)
	}
}
