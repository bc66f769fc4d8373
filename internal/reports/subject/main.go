// Command subject is built with a bug planted. It finds the first universe that
// fails by an invariant, and prints its report and its explanation.
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
	"github.com/gauntlet-dst/gauntlet/sim/explain"
)

// Found is what is printed, as JSON.
type Found struct {
	Seed                uint64
	Report, Explanation string
	// CPU is what the explanation took in seconds of processor time, the reduction
	// included, and Reduction that alone, with the report. Runs are the explanation's
	// universes.
	CPU, Reduction float64
	Runs           int
}

func main() {
	invariant := flag.String("invariant", "", "which invariant must find the bug")
	form := flag.String("form", "", "which form of a standstill it must be, any if none is named")
	seeds := flag.Int("seeds", 2000, "how many universes, from 1 on")
	flag.Parse()
	found, err := find(*invariant, *form, *seeds)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

func find(invariant, form string, seeds int) (*Found, error) {
	conversion := suite.Conversion()
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		r, err := sim.Run(conversion.Target, seed)
		if err != nil {
			return nil, err
		}
		v := r.Violation
		if v != nil && v.Invariant == invariant && (form == "" || v.Standstill != nil && string(v.Standstill.Kind) == form) {
			return explained(&conversion, r)
		}
	}
	return nil, fmt.Errorf("%w by %s", mutants.ErrHeld, strings.TrimSpace(invariant+" "+form))
}

// explained gives what `go test` and the command print.
func explained(conversion *harness.Suite, r *sim.Result) (*Found, error) {
	test := fmt.Sprintf("go test ./sim -seed=0x%016x", r.Seed)
	began := harness.CPUSeconds()
	report, err := conversion.Explain(conversion.Target, r, harness.Reduction, 0, explain.Commands{
		Replay: test, Keep: test + " -keep", Explain: conversion.Command + fmt.Sprintf(" explain --seed 0x%016x", r.Seed),
	})
	if err != nil {
		return nil, err
	}
	reduced := harness.CPUSeconds()
	x, err := conversion.Explanation(conversion.Target, r, harness.Reduction, 0, explain.Commands{Replay: fmt.Sprintf("gauntlet run --seed 0x%016x", r.Seed)})
	if err != nil {
		return nil, err
	}
	return &Found{
		Seed: r.Seed, Report: report.String(), Explanation: x.String(),
		CPU: harness.CPUSeconds() - reduced, Reduction: reduced - began, Runs: x.Runs,
	}, nil
}
