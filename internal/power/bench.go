package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// The baselines that are built otherwise than by package subject.
const (
	synctest = "B2"    // the second executor: goroutines in a bubble
	tier0    = "tier0" // placements of one fault, systematically
	swarm    = "swarm" // how this project searched before it had arms
)

// baselines are the cells that are neither an arm nor the portfolio.
var baselines = []string{tier0, "B0", "B1", synctest, "B3", "B3-production", swarm}

// measure measures what is not known yet: bug by bug, and of one bug a cell after
// another, since the machine drifts. The correct core must pass the universes by
// which a bug is found.
func (p *program) measure(chosen []mutants.Mutant) error {
	dir, err := os.MkdirTemp("", "power")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clean := filepath.Join(dir, "clean")
	if out, err := exec.Command("go", "build", "-ldflags=-w", "-o", clean, subject).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	cells, err := p.columns(clean)
	if err != nil {
		return err
	}
	for _, m := range chosen {
		left := slices.DeleteFunc(slices.Clone(cells), func(name string) bool {
			_, known := p.known[m.Name][name]
			return known
		})
		if len(left) == 0 {
			continue
		}
		if err := p.bug(m, left, clean); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

const subject = "./internal/power/subject"

// columns are the cells to measure: those asked for, or all.
func (p *program) columns(clean string) ([]string, error) {
	out, err := exec.Command(clean, "-arms").Output()
	if err != nil {
		return nil, err
	}
	all := append(append([]string{mutants.Portfolio}, strings.Fields(string(out))...), baselines...)
	if len(p.cells) == 0 {
		return all, nil
	}
	for _, name := range p.cells {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("-cells: no cell is called %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	return p.cells, nil
}

// bug measures the cells of one bug.
func (p *program) bug(m mutants.Mutant, cells []string, clean string) error {
	binary := ""
	for _, name := range cells {
		var c *mutants.Cell
		var err error
		switch name {
		case tier0:
			c, err = p.placed(m)
		case synctest:
			c, err = p.inBubbles(m)
		case swarm:
			c, err = p.inSwarm(m)
		default:
			if binary == "" {
				dir, err := os.MkdirTemp("", "power")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dir)
				if binary, err = m.Build(".", dir, subject); err != nil {
					return err
				}
			}
			if c, err = p.run1(binary, name, m.Oracle(), p.base, p.cap, p.kills); err == nil && c.Kills > 0 {
				err = p.requireClean(clean, name, c.First)
			}
		}
		if errors.Is(err, errFalseAlarm) && name != mutants.Portfolio { // the way to search is wrong about this oracle
			fmt.Fprintf(os.Stderr, "power: %s: %s: %v: the cell stays empty\n", m.Name, name, err)
			continue
		}
		if errors.Is(err, errNotThen) {
			fmt.Fprintf(os.Stderr, "power: %s: %s: %v\n", m.Name, name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.Mutant, c.Name = m.Name, name
		if err := p.keep(c); err != nil {
			return err
		}
	}
	return nil
}

// run1 runs one cell of a program.
func (p *program) run1(binary, cell, invariant, base string, cap float64, kills int) (*mutants.Cell, error) {
	cmd := exec.Command(binary, "-cell", cell, "-invariant", invariant, "-base", base,
		"-cpu", strconv.FormatFloat(cap, 'f', -1, 64), "-kills", strconv.Itoa(kills))
	cmd.Env = append(os.Environ(), "GOGC=400", "GOMAXPROCS=1")
	return counted(cmd)
}

var errFalseAlarm = errors.New("the correct core fails, too")

// requireClean requires that the correct core passes the universe of a seed.
func (p *program) requireClean(clean, cell string, seed uint64) error {
	cmd := exec.Command(clean, "-cell", cell, "-base", strconv.FormatUint(seed, 10), "-count", "1")
	c, err := counted(cmd)
	if err == nil && len(c.By) > 0 {
		err = fmt.Errorf("%w, in universe 0x%x: %v", errFalseAlarm, seed, c.By)
	}
	return err
}

// counted runs a program that prints a cell.
func counted(cmd *exec.Cmd) (*mutants.Cell, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	c := &mutants.Cell{}
	return c, json.Unmarshal(out, c)
}

// read reads what is known already; nothing if there is no such file.
func read(file string) (map[string]map[string]mutants.Cell, error) {
	known, err := mutants.ReadCells(file)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]map[string]mutants.Cell{}, nil
	}
	return known, err
}

// keep prints a cell, and adds it to the file.
func (p *program) keep(c *mutants.Cell) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if p.known[c.Mutant] == nil {
		p.known[c.Mutant] = map[string]mutants.Cell{}
	}
	p.known[c.Mutant][c.Name] = *c
	return mutants.Append(p.results, c)
}
