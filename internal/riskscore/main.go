// Command riskscore holds what a sweep says of the universes to come against what
// they come to: bugs of testdata/mutants are planted, many universes run, and each
// time one fails the estimators begin anew. It writes the table of docs/RISK.md.
//
//	go run ./internal/riskscore -only NAME,NAME -page docs/RISK.md
//
// With -races it counts instead what races of leases find that are predicted from
// universes that held, and writes the table of docs/LEASE-RACES.md.
//
// What is known is kept in the file of -results, a line each; a run that finds it
// goes on from there.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/risk"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Result is what the universes of one mutant came to.
type Result struct {
	Mutant    string
	Universes int
	// Campaigns are searches up to their first failure, one after the other.
	Campaigns []Campaign
	// Drawn is how many universes failed, Tried and Failed how many schedules were
	// tried of those that held: with -races.
	Drawn, Tried, Failed int
	CPU                  float64 // seconds
}

// Campaign is a search that ended with its first failure: how many universes had
// held by then, and what was said then of the next one.
type Campaign struct {
	Clean                    int
	State, StateMost         float64
	Shape, ShapeMost, Failed float64
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "riskscore:", err)
		os.Exit(1)
	}
}

type program struct {
	one, races          bool
	base                uint64
	universes, failures int
	results, page, only string
}

func run() error {
	var p program
	flag.BoolVar(&p.one, "one", false, "measure this program itself")
	flag.BoolVar(&p.races, "races", false, "count what predicted races of leases find")
	flag.Uint64Var(&p.base, "seed", 1, "the first universe")
	flag.IntVar(&p.universes, "universes", 4000, "how many universes of each mutant at most")
	flag.IntVar(&p.failures, "failures", 20, "end a mutant after so many failures")
	flag.StringVar(&p.results, "results", "", "the file that results are added to")
	flag.StringVar(&p.page, "page", "", "the page whose table is written anew")
	flag.StringVar(&p.only, "only", "", "measure these mutants only: names, with commas between")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("%q: want flags only; names have commas between, and no spaces", flag.Arg(0))
	case p.universes < 1 || p.failures < 1:
		return fmt.Errorf("-universes=%d -failures=%d: want 1 or more", p.universes, p.failures)
	case p.one && p.races:
		return p.predict()
	case p.one:
		return p.measure()
	}
	return p.all()
}

// measure runs universes of the conversion that this program was built with.
func (p *program) measure() error {
	target := suite.Conversion().Target
	r := Result{}
	var states, shapes risk.Species
	before := harness.CPUSeconds()
	_, err := sweep.Run(target, sweep.Options{Base: p.base, Count: p.universes, Patience: harness.Patience}, func(u *sim.Result) bool {
		r.Universes++
		if u.Violation == nil {
			states.Add(u.States)
			shapes.Add(u.Shapes)
			return true
		}
		n := states.Universes()
		r.Campaigns = append(r.Campaigns, Campaign{n, states.Next(), states.AtMost(), shapes.Next(), shapes.AtMost(), risk.Bound(0, n)})
		states, shapes = risk.Species{}, risk.Species{}
		return len(r.Campaigns) < p.failures
	})
	if err != nil {
		return err
	}
	r.CPU = harness.CPUSeconds() - before
	return json.NewEncoder(os.Stdout).Encode(r)
}

// chosen are the mutants of -only: none without it.
func (p *program) chosen() ([]mutants.Mutant, error) {
	if p.only == "" {
		return nil, nil
	}
	all, err := mutants.InCore("testdata/mutants")
	if err != nil {
		return nil, err
	}
	return mutants.Chosen(all, "-only", p.only)
}

// all measures the mutants that have no result yet, and writes the page.
func (p *program) all() error {
	known, err := p.known()
	if err != nil {
		return err
	}
	chosen, err := p.chosen()
	if err != nil {
		return err
	}
	for _, m := range chosen {
		if slices.ContainsFunc(known, func(r Result) bool { return r.Mutant == m.Name }) {
			continue
		}
		r, err := p.try(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		known = append(known, *r)
		if err := p.keep(r); err != nil {
			return err
		}
	}
	if p.page == "" {
		return nil
	}
	return p.write(known)
}

// known reads the file of results.
func (p *program) known() (known []Result, err error) {
	text, err := os.ReadFile(p.results)
	if err != nil {
		return nil, nil // nothing is known yet
	}
	for line := range strings.Lines(string(text)) {
		var r Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", p.results, strings.TrimSpace(line), err)
		}
		known = append(known, r)
	}
	return known, nil
}

// keep adds a result to the file.
func (p *program) keep(r *Result) error {
	fmt.Printf("%s: %d of %d universes failed, %d of %d predicted schedules, %.0f CPU-s\n", r.Mutant, len(r.Campaigns)+r.Drawn, r.Universes, r.Failed, r.Tried, r.CPU)
	return mutants.Append(p.results, r)
}

// try builds this program with the bug planted, and lets it measure itself.
func (p *program) try(m mutants.Mutant) (*Result, error) {
	r := Result{}
	err := m.Measure("./internal/riskscore", &r, "-one", fmt.Sprintf("-races=%t", p.races), fmt.Sprintf("-seed=%d", p.base), fmt.Sprintf("-universes=%d", p.universes), fmt.Sprintf("-failures=%d", p.failures))
	r.Mutant = m.Name
	return &r, err
}
