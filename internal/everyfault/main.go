// Command everyfault measures what placing single faults finds: each bug of
// testdata/mutants is planted, and the schedules that every-fault uses are run
// without any random search. It writes the table of docs/EVERY-FAULT.md.
//
//	go run ./internal/everyfault -page docs/EVERY-FAULT.md
//
// That takes an hour of processor time. What is known is kept in the file of
// -results, a line each; a run that finds it goes on from there.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// Result is what the placements on one mutant came to.
type Result struct {
	Mutant string
	// Invariant is the one that objected, "" for none.
	Invariant string
	// Tried is how many placements ran until then, of one fault and of two.
	Singles, Pairs int
	// Faults is how many the failing run has, and Place is the last of them.
	Faults int
	Place  string
	CPU    float64 // seconds
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "everyfault:", err)
		os.Exit(1)
	}
}

func run() error {
	var p program
	flag.StringVar(&p.one, "one", "", "measure this program itself, and stop at this invariant (any: at the first)")
	flag.IntVar(&p.singles, "singles", 6000, "how many placements of one fault")
	flag.IntVar(&p.pairs, "pairs", 0, "how many of two")
	flag.StringVar(&p.results, "results", "", "the file that results are added to")
	flag.StringVar(&p.page, "page", "", "the page whose table is written anew")
	flag.StringVar(&p.only, "only", "", "measure these mutants only: names, with commas between")
	flag.IntVar(&p.count, "count", 1000, "measure at most so many mutants that have no result yet")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("%q: want flags only; names have commas between, and no spaces", flag.Arg(0))
	}
	if p.one != "" {
		return p.measure()
	}
	return p.all()
}

type program struct {
	one                   string
	singles, pairs, count int
	results, page, only   string
}

// measure places faults in the conversion that this program was built with.
func (p *program) measure() error {
	s := suite.Conversion()
	q := harness.Placing{Request: harness.Request{Base: 1, Count: harness.Schedules, Stop: p.one, Patience: harness.Patience}, Singles: p.singles, Pairs: p.pairs}
	out, err := s.EveryFault(q)
	if err != nil {
		return err
	}
	r := Result{Singles: out.Singles.Tried, Pairs: out.Pairs.Tried, CPU: out.CPU}
	for _, f := range out.Failures {
		if out.Stopped && q.Stops(f.Invariant) {
			r.found(f.First)
			break
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (r *Result) found(failing *sim.Result) {
	r.Invariant, r.Faults = failing.Violation.Invariant, len(failing.Plan.Faults)
	if r.Faults > 0 {
		r.Place = fmt.Sprintf("0x%x %s", failing.Seed, failing.Plan.Faults[r.Faults-1])
	}
}

// all measures the mutants that have no result yet, and writes the page.
func (p *program) all() error {
	known, err := p.known()
	if err != nil {
		return err
	}
	core, err := mutants.InCore("testdata/mutants")
	if err != nil {
		return err
	}
	chosen, err := mutants.Chosen(core, "-only", p.only)
	if err != nil {
		return err
	}
	for _, m := range chosen {
		if _, done := known[m.Name]; done || p.count == 0 {
			continue
		}
		p.count--
		r, err := p.try(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		known[m.Name] = *r
		if err := p.keep(r); err != nil {
			return err
		}
	}
	if p.page == "" {
		return nil
	}
	return p.write(core, known)
}

// known reads the file of results.
func (p *program) known() (map[string]Result, error) {
	known := map[string]Result{}
	text, err := os.ReadFile(p.results)
	if err != nil {
		return known, nil // nothing is known yet
	}
	for line := range strings.Lines(string(text)) {
		var r Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", p.results, strings.TrimSpace(line), err)
		}
		known[r.Mutant] = r
	}
	return known, nil
}

// keep prints a result, and adds it to the file.
func (p *program) keep(r *Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return mutants.Append(p.results, r)
}

// try builds this program with the bug planted, and lets it measure itself. A
// mutant that a script must find counts as found by whatever invariant objects.
func (p *program) try(m mutants.Mutant) (*Result, error) {
	r := Result{}
	err := m.Measure("./internal/everyfault", &r, "-one", m.Oracle(), "-singles", fmt.Sprint(p.singles), "-pairs", fmt.Sprint(p.pairs))
	r.Mutant = m.Name
	return &r, err
}
