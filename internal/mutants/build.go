package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Build builds a program of the module at root, with the bug planted, in dir, an
// empty folder.
func (m Mutant) Build(root, dir, program string) (binary string, err error) {
	copies := filepath.Join(dir, "copies")
	if err := os.Mkdir(copies, 0o755); err != nil {
		return "", err
	}
	overlay, err := m.Plant(root, copies)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-overlay", list, "-ldflags=-w", "-o", binary, program)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not build: %w\n%s", m.Name, err, out)
	}
	return binary, nil
}

// Measure builds a program of the module in the working directory, with the bug
// planted, runs it, and decodes the JSON that it prints.
func (m Mutant) Measure(program string, result any, args ...string) error {
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := m.Build(".", dir, program)
	if err != nil {
		return err
	}
	run := exec.Command(binary, args...)
	run.Env = append(os.Environ(), "GOGC=400")
	run.Stderr = os.Stderr
	out, err := run.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return json.Unmarshal(out, result)
}

// ErrHeld is that no universe fails.
var ErrHeld = errors.New("no universe fails")

// First runs universes from 1 on and returns the first that fails by an invariant.
func First(target sim.Target, invariant string, seeds int) (*sim.Result, error) {
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		r, err := sim.Run(target, seed)
		if err != nil {
			return nil, err
		}
		if r.Violation != nil && r.Violation.Invariant == invariant {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w by %s", ErrHeld, invariant)
}
