package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// The cell swarm is of commit swarmCommit, with that commit's core, oracles and patch
// of the bug. It needs the history.
const (
	swarmCommit = "011c3414c4faa47899d74a3662bd9b14125c4cea"
	hunt        = "./internal/mutants/hunt" // of that commit
	huntSeeds   = 100                       // of one run of it, which ends with its first kill
)

// inSwarm runs universes of the former sweep, a range of seeds after another, until
// there are as many kills as asked for, or the time is over. Errors: errNotThen if
// the bug had no patch then.
func (p *program) inSwarm(m mutants.Mutant) (*mutants.Cell, error) {
	dir, err := os.MkdirTemp("", "swarm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, invariant, err := swarmBinary(m, dir)
	if err != nil {
		return nil, err
	}
	base, err := harness.Seed(p.base)
	if err != nil {
		return nil, err
	}
	c := &mutants.Cell{By: map[string]int{}}
	for c.CPU < p.cap && c.Kills < p.kills {
		var r struct {
			Seeds int `json:"seeds"`
			Found map[string]struct{ Seed uint64 }
		}
		run := exec.Command(binary, "-stop", invariant, "-seed", strconv.FormatUint(base+uint64(c.Universes), 10), "-seeds", strconv.Itoa(huntSeeds))
		run.Env, run.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
		out, err := run.Output()
		if err == nil {
			err = json.Unmarshal(out, &r)
		}
		if err != nil {
			return nil, err
		}
		c.Universes += r.Seeds
		c.CPU += (run.ProcessState.UserTime() + run.ProcessState.SystemTime()).Seconds()
		if first, found := r.Found[invariant]; found {
			c.By[invariant]++
			if c.Kills++; c.Kills == 1 {
				c.First = first.Seed
			}
		}
	}
	return c, nil
}

var invariantLine = regexp.MustCompile(`(?m)^invariant: (\S+)$`)

var errNotThen = errors.New("the bug had no patch, or another kind of oracle, at " + swarmCommit)

// swarmBinary builds the former hunt with the bug planted, and tells which invariant
// had to find it.
func swarmBinary(m mutants.Mutant, dir string) (binary, invariant string, err error) {
	tree := filepath.Join(dir, "tree")
	if out, err := exec.Command("git", "worktree", "add", "--detach", tree, swarmCommit).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w\n%s", err, out)
	}
	defer exec.Command("git", "worktree", "remove", "--force", tree).Run()
	patch := filepath.Join(tree, "testdata", "mutants", m.Name+".patch")
	text, err := os.ReadFile(patch)
	if err != nil {
		return "", "", errNotThen
	}
	named := invariantLine.FindSubmatch(text)
	if named == nil {
		return "", "", errNotThen
	}
	binary = filepath.Join(dir, "hunt")
	for _, args := range [][]string{{"git", "apply", patch}, {"go", "build", "-ldflags=-w", "-o", binary, hunt}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = tree
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return binary, string(named[1]), nil
}
