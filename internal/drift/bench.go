package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// seeds is how many universes may pass until a mutant is found.
const seeds = 4000

// bench builds the gauntlet command from patched copies of core, and runs it.
type bench struct {
	dir    string
	seed   int
	folder atomic.Int64
}

// fresh is a new, empty folder.
func (b *bench) fresh() (string, error) {
	dir := filepath.Join(b.dir, strconv.FormatInt(b.folder.Add(1), 10))
	return dir, os.MkdirAll(dir, 0o755)
}

// errUnpatched: two patches are about the same lines.
var errUnpatched = errors.New("the patches touch the same lines")

// errUnfound: no universe that was run shows the bug.
var errUnfound = errors.New("not found")

// build builds the command with patches applied one after the other.
func (b *bench) build(patches ...mutants.Mutant) (binary string, err error) {
	dir, err := b.fresh()
	if err != nil {
		return "", err
	}
	all := patches[0]
	all.Patch = nil
	for _, p := range patches {
		all.Patch = append(append(all.Patch, p.Patch...), '\n')
	}
	binary, err = all.Build(".", dir, "./cmd/gauntlet")
	if err != nil && len(patches) > 1 {
		return "", errUnpatched // or one uses a name that the other changed
	}
	return binary, err
}

// way is how a universe failed; "" for not at all.
type way struct{ Invariant, Shape string }

// found is a mutant's first failure.
type found struct {
	way  way
	seed string
	plan string // the reduced plan's file
}

// line is what a command prints of a universe, or of a kind of failure.
type line struct {
	Type, Invariant, Shape, Plan, Text string
	Seeds                              json.RawMessage // names of a failure's, a number of a sweep's
	Violation                          *way
}

// lines runs a command of the binary in a folder. An exit code of 1 says that
// something failed.
func lines(folder, binary string, args ...string) ([]line, error) {
	command := exec.Command(binary, append(args, "--json")...)
	command.Dir = folder
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	var all []line
	for text := range strings.Lines(string(out)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, fmt.Errorf("%s printed %q: %w", binary, text, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// find finds a mutant by its own invariant, and reduces the failure.
func (b *bench) find(binary string, m mutants.Mutant) (*found, error) {
	dir, err := b.fresh()
	if err != nil {
		return nil, err
	}
	printed, err := lines("", binary, "sweep", "--no-every-fault", "--seed", strconv.Itoa(b.seed), "--seeds", strconv.Itoa(seeds), "--stop", m.Invariant, "--out", dir)
	if err != nil {
		return nil, err
	}
	for _, l := range printed {
		if l.Type == "failure" && l.Invariant == m.Invariant && l.Plan != "" {
			var failed []string
			if err := json.Unmarshal(l.Seeds, &failed); err != nil || len(failed) == 0 {
				return nil, fmt.Errorf("a failure without seeds: %s", l.Seeds)
			}
			return &found{way: way{l.Invariant, l.Shape}, seed: failed[0], plan: l.Plan}, nil
		}
	}
	return nil, errUnfound
}

// rerun is what became of a universe that was run again.
type rerun struct {
	way
	nearby bool   // the plan holds as it stands: the failure was searched for
	lost   string // why the plan was refused
}

// again runs a universe again, in a folder, and reports how it failed.
func again(folder, binary string, args ...string) (r rerun, err error) {
	printed, err := lines(folder, binary, args...)
	for _, l := range printed {
		switch {
		case l.Type == "nearby":
			r.nearby = true
		case l.Type == "error":
			r.lost = l.Text
		case l.Type == "universe" && l.Violation != nil:
			r.way = *l.Violation
		}
	}
	return r, err
}

// mutant tries one mutant under edits.
func (b *bench) mutant(m mutants.Mutant, t *table, mu *sync.Mutex, edits iter.Seq[int]) error {
	binary, err := b.build(m)
	if err != nil {
		return err
	}
	f, err := b.find(binary, m)
	mu.Lock()
	switch {
	case err == nil:
		t.mutants++
	case errors.Is(err, errUnfound):
		t.unfound, err = append(t.unfound, m.Name), nil
	}
	mu.Unlock()
	if f == nil {
		return err
	}
	for i := range edits {
		edited, err := b.build(t.edits[i], m)
		if errors.Is(err, errUnpatched) {
			mu.Lock()
			t.unpatched++
			mu.Unlock()
			continue
		}
		if err != nil {
			return err
		}
		// From its folder, which is gone soon: what is said of the plan names the file alone.
		plan, err := again(filepath.Dir(f.plan), edited, "replay", filepath.Base(f.plan))
		if err != nil {
			return err
		}
		seed, err := again("", edited, "run", "--seed", f.seed)
		if err != nil {
			return err
		}
		mu.Lock()
		kept := plan.way == f.way
		t.add(i, kept && !plan.nearby, kept, seed.way == f.way)
		if !kept {
			t.lost = append(t.lost, fmt.Sprintf("%s under %s: %s", m.Name, t.edits[i].Name, plan.why()))
		}
		mu.Unlock()
		if err := os.RemoveAll(filepath.Dir(edited)); err != nil {
			return err
		}
	}
	return nil
}

// why says why a plan is not kept.
func (r *rerun) why() string {
	switch {
	case r.Invariant != "":
		return "fails by " + r.Invariant + " (" + r.Shape + ")"
	case r.lost != "":
		return r.lost
	}
	return "passes"
}

// check sweeps an edited core that has no bug, and returns what the sweep came to.
func (b *bench) check(edit mutants.Mutant, universes int) (string, error) {
	binary, err := b.build(edit)
	if err != nil {
		return "", err
	}
	out, err := exec.Command(binary, "sweep", "--no-every-fault", "--seed", strconv.Itoa(b.seed), "--seeds", strconv.Itoa(universes)).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return text[strings.LastIndex(text, "\n")+1:], nil
}
