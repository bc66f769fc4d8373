package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// placed lets package everyfault place single faults with a bug planted, until the
// bug's oracle objects. A cell of it counts placements, of which the last one may
// be a kill: tier 0 draws nothing, so nothing is repeated.
func (p *program) placed(m mutants.Mutant) (*mutants.Cell, error) {
	var r struct {
		Invariant string
		Singles   int
		CPU       float64
	}
	if err := m.Measure("./internal/everyfault", &r, "-one", m.Oracle(), "-singles", strconv.Itoa(p.placements)); err != nil {
		return nil, err
	}
	c := &mutants.Cell{Universes: max(r.Singles, 1), CPU: r.CPU, By: map[string]int{}}
	if r.Invariant != "" {
		c.Kills, c.By[r.Invariant] = 1, 1
	}
	return c, nil
}

var (
	bubbles   = regexp.MustCompile(`(?m)^executor: universes=(\d+) .*cpu_s=([0-9.]+)`)
	violation = regexp.MustCompile(`(?m)^\s*\S+:\d+: seed (\d+): ([a-z-]+):`)
)

// inBubbles runs universes in the second executor: core and the real client of TiKV
// on goroutines, in a bubble of testing/synctest.
func (p *program) inBubbles(m mutants.Mutant) (*mutants.Cell, error) {
	dir, err := os.MkdirTemp("", "power")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copies := filepath.Join(dir, "copies")
	if err := os.Mkdir(copies, 0o755); err != nil {
		return nil, err
	}
	overlay, err := m.Plant(".", copies)
	if err != nil {
		return nil, err
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "executor.test")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return nil, err
	}
	const pkg = "./conformance/executor"
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", list, "-o", binary, pkg).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	base, err := harness.Seed(p.base)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "-test.run", "^TestSweep$", "-test.timeout", "1h", "-universes", "1000000", "-seed", strconv.FormatUint(base, 10), "-cpu", fmt.Sprint(p.cap))
	cmd.Dir = pkg
	out, _ := cmd.CombinedOutput() // it fails if there was a violation
	counts := bubbles.FindSubmatch(out)
	if counts == nil {
		return nil, fmt.Errorf("the second executor printed no counts:\n%s", out)
	}
	c := &mutants.Cell{By: map[string]int{}}
	c.Universes, _ = strconv.Atoi(string(counts[1]))
	c.CPU, _ = strconv.ParseFloat(string(counts[2]), 64)
	for _, v := range violation.FindAllSubmatch(out, -1) {
		c.By[string(v[2])]++
		if m.Oracle() != mutants.Any && string(v[2]) != m.Oracle() {
			continue
		}
		if c.Kills++; c.Kills == 1 {
			c.First, _ = strconv.ParseUint(string(v[1]), 10, 64)
		}
	}
	return c, nil
}
