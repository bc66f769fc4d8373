// Command subject is built with a bug planted. It runs the universes of one cell,
// an arm or a baseline, for as long as it is given, counts those that fail by an
// invariant, and prints what that came to, as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

// request is what a cell is asked for.
type request struct {
	cell, invariant string
	base            string
	count, kills    int
	cpu             float64
	wall            time.Duration
}

func run() error {
	var q request
	list := flag.Bool("arms", false, "print the arms that a plan may name")
	flag.StringVar(&q.cell, "cell", mutants.Portfolio, "which cell")
	flag.StringVar(&q.invariant, "invariant", mutants.Any, "which invariant must object")
	flag.StringVar(&q.base, "base", "1", "the first seed, or a commit")
	flag.IntVar(&q.count, "count", 1_000_000, "how many universes, at most")
	flag.IntVar(&q.kills, "kills", 20, "after how many that fail as asked to end")
	flag.Float64Var(&q.cpu, "cpu", 10, "after how many CPU-seconds to end")
	flag.DurationVar(&q.wall, "wall", 2*time.Minute, "after how long to end, in real time")
	flag.Parse()
	if *list {
		fmt.Println(strings.Join(arms(), "\n"))
		return nil
	}
	one, err := cell(q.cell)
	if err != nil {
		return err
	}
	if q.cell == Real { // it has an oracle of its own
		q.invariant = mutants.Any
	}
	r, err := q.measure(one)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// The cells that are no arm.
const (
	Narrow = "B3" // plain narrow simulation
	// Unvaried is Narrow with the configuration of production.
	Unvaried = "B3-production"
	Machine  = "B0" // rapid's state machine, without the scheduler
	Real     = "B1" // goroutines and random sleeps, on the machine's clock
)

// arms are those that there are, but for the one that draws nothing.
func arms() []string {
	return slices.DeleteFunc(sim.Arms(), func(name string) bool { return name == sim.DefaultArm })
}

// cell returns what runs one universe of a cell.
func cell(name string) (func(seed uint64) (*sim.Result, error), error) {
	switch name {
	case mutants.Portfolio:
		return simulate(suite.Target()), nil
	case Narrow:
		return simulate(narrow()), nil
	case Unvaried:
		return simulate(unvaried()), nil
	case Machine:
		return machine, nil
	case Real:
		return onGoroutines, nil
	}
	if slices.Contains(arms(), name) {
		target := suite.Target()
		target.Arm = name
		return simulate(target), nil
	}
	return nil, fmt.Errorf("no cell is called %q", name)
}

func simulate(target sim.Target) func(seed uint64) (*sim.Result, error) {
	return func(seed uint64) (r *sim.Result, err error) {
		stuck := sweep.Watch(target, seed, time.Minute, func(watched sim.Target) { r, err = sim.Run(watched, seed) })
		if stuck != nil {
			return nil, stuck
		}
		return r, err
	}
}

// measure runs universes until one of the request's limits is met.
func (q *request) measure(one func(seed uint64) (*sim.Result, error)) (*mutants.Cell, error) {
	base, err := harness.Seed(q.base)
	if err != nil {
		return nil, err
	}
	r := &mutants.Cell{Name: q.cell, By: map[string]int{}}
	before, began := harness.CPUSeconds(), time.Now()
	for r.Universes < q.count && r.Kills < q.kills && r.CPU < q.cpu && time.Since(began) < q.wall {
		seed := base + uint64(r.Universes)
		result, err := one(seed)
		if err != nil {
			return nil, err
		}
		r.Universes++
		r.CPU = harness.CPUSeconds() - before
		if result.Violation == nil {
			continue
		}
		r.By[result.Violation.Invariant]++
		if q.invariant != mutants.Any && result.Violation.Invariant != q.invariant {
			continue
		}
		if r.Kills++; r.Kills == 1 {
			r.First = seed
		}
	}
	return r, nil
}
