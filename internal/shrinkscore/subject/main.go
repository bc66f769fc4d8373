// Command subject is built with a bug planted. It finds the first universe that
// fails by an invariant, shrinks the failure, and prints what that came to.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// Found is what is printed, as JSON; the seed is 0 if no universe fails.
type Found struct {
	Seed             uint64
	Found            mutants.Size
	Minimal, Default bool
	Runs             int
	Events           uint64
	CPU              float64
	Shape            string
	Plan, Text       string
	Notes            []string
}

func main() {
	invariant := flag.String("invariant", "", "which invariant must find the bug")
	seeds := flag.Int("seeds", 4000, "how many universes, from 1 on")
	flag.Parse()
	found, err := find(*invariant, *seeds)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

func find(invariant string, seeds int) (*Found, error) {
	target := suite.Target()
	r, err := mutants.First(target, invariant, seeds)
	if errors.Is(err, mutants.ErrHeld) {
		return &Found{}, nil
	}
	if err != nil {
		return nil, err
	}
	before := harness.CPUSeconds()
	s, err := shrink.Failure(target, r, harness.Reduction)
	if err != nil {
		return nil, err
	}
	return &Found{
		Seed: r.Seed, Found: mutants.Size{Orderings: len(s.Plan.Orders), Faults: len(s.Plan.Faults), Processes: s.Processes},
		Minimal: s.Minimal, Default: s.ByDefault(), Runs: s.Runs, Events: s.Events, CPU: harness.CPUSeconds() - before,
		Shape: s.Result.Violation.Shape, Plan: s.Plan.String(), Text: s.Result.Violation.Error(), Notes: s.Notes,
	}, nil
}
