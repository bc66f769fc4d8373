// Command power measures how fast bugs are found: each of testdata/mutants is
// planted, and universes of several cells are run in turn, an arm or a baseline
// each, for a few CPU-seconds. It writes docs/POWER.md.
//
//	go run ./internal/power                          every bug, every cell: hours
//	go run ./internal/power -mutants a,b -cap 10     two bugs, 10 CPU-seconds a cell
//	go run ./internal/power -mutants sample          those of testdata/mutants/sample
//	go run ./internal/power -cells portfolio         what the gate of `make mutants` takes
//	                                                 its budgets from
//	go run ./internal/power -page                    measures nothing, writes docs/POWER.md
//
// What is known is kept in the file of -results, a line for each bug and cell, and
// is not measured anew: a run that was ended goes on where it was.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// program is what the flags come to.
type program struct {
	cells      []string
	cap        float64 // CPU-seconds of a cell
	kills      int     // that end a cell
	placements int     // of tier 0
	base       string
	results    string
	known      map[string]map[string]mutants.Cell // by bug and cell
}

func main() {
	var p program
	only := flag.String("mutants", "", "measure these bugs only: names, with commas between; "+mutants.Sample+" stands for those that "+mutants.SampleFile+" lists")
	cells := flag.String("cells", "", "measure these cells only: names, with commas between")
	page := flag.Bool("page", false, "measure nothing, and write "+pageFile+" with what is known")
	flag.Float64Var(&p.cap, "cap", 10, "CPU-seconds for each bug and cell")
	flag.IntVar(&p.kills, "kills", 20, "after how many kills a cell ends before its time")
	flag.IntVar(&p.placements, "placements", 2000, "how many placements of one fault tier 0 has")
	flag.StringVar(&p.base, "base", "", "the first seed; the commit's hash if nothing is said")
	flag.StringVar(&p.results, "results", mutants.CellsFile, "the file that results are added to")
	flag.Parse()
	p.cells = slices.DeleteFunc(strings.Split(*cells, ","), func(s string) bool { return s == "" })
	err := p.check(flag.Args())
	if err == nil {
		err = p.run(*only, *page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
		os.Exit(1)
	}
}

// check refuses what would measure nothing: a line about no universe makes the file of
// results unreadable, for the gate, too.
func (p *program) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("%q: want flags only; names have commas between, and no spaces", args[0])
	case !(p.cap > 0):
		return fmt.Errorf("-cap=%v: want CPU-seconds, more than 0", p.cap)
	case p.kills < 1:
		return fmt.Errorf("-kills=%d: want 1 or more", p.kills)
	case p.placements < 1:
		return fmt.Errorf("-placements=%d: want 1 or more", p.placements)
	case p.base == "":
		return nil
	}
	if _, err := harness.Seed(p.base); err != nil {
		return fmt.Errorf("-base: %w", err)
	}
	return nil
}

func (p *program) run(only string, page bool) error {
	all, err := mutants.All("testdata/mutants")
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m mutants.Mutant) bool { return m.Rule == "" && m.Invariant == "" }) // no universe gets there
	chosen, err := mutants.Chosen(all, "-mutants", only)
	if err != nil {
		return err
	}
	if err := p.commit(); err != nil {
		return err
	}
	if p.known, err = read(p.results); err != nil {
		return err
	}
	if page {
		return newMeasurements(all, p.known).write()
	}
	if err := writable(p.results); err != nil {
		return err
	}
	return p.measure(chosen)
}

// writable tells before anything is measured that its results could not be kept.
func writable(file string) error {
	if file == "" { // they are printed only
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("-results: %w", err)
	}
	return f.Close()
}

// commit is where the seeds begin unless something else is said: no range of seeds
// is chosen by anybody.
func (p *program) commit() error {
	if p.base != "" {
		return nil
	}
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	p.base = strings.TrimSpace(string(out))
	return err
}
