package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
)

var printedHash = regexp.MustCompile(`\bhash=([0-9a-f]{16})\b`)

// Afresh replays a report's reduced plan in a process of its own, which shares no
// memory with the one that reduced it, and notes in the report that it came to the
// same run. command is a program and its arguments, which runs the plan of the
// file that is its last argument and prints the run's line; a program that prints
// none proves nothing, and nothing is noted. The error is a *sim.Nondeterminism if
// the run was another. Plans that were not reduced are left alone.
func Afresh(report *explain.Report, command ...string) error {
	if report.Reduced.Runs == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "gauntlet")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "shrunk.plan")
	if err := os.WriteFile(file, []byte(report.Reduced.Plan.String()), 0o600); err != nil {
		return err
	}
	command[len(command)-1] += file
	out, _ := exec.Command(command[0], command[1:]...).CombinedOutput() // it fails: the plan does
	found := printedHash.FindSubmatch(out)
	if found == nil {
		return nil
	}
	hash, err := strconv.ParseUint(string(found[1]), 16, 64)
	if err != nil {
		return fmt.Errorf("a fresh process prints hash=%s: %w", found[1], err)
	}
	if want := report.Reduced.Result.Hash; hash != want {
		return &sim.Nondeterminism{Seed: report.Seed, First: want, Second: hash}
	}
	report.Reduced.Afresh = true
	return nil
}
