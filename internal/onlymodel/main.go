// Command onlymodel measures what the executable model of package properties/model finds
// by itself: bugs of testdata/mutants are planted, and universes run with the model as the
// only invariant, which then speaks at once.
//
//	go run ./internal/onlymodel -count 25
//
// The bugs are drawn by a hash of their names.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "onlymodel:", err)
		os.Exit(1)
	}
}

func run() error {
	one := flag.Bool("one", false, "measure this program itself")
	seeds := flag.Int("seeds", 1000, "how many universes, from 1 on")
	count := flag.Int("count", 25, "how many bugs")
	flag.Parse()
	if *one {
		return measure(*seeds)
	}
	return all(*seeds, *count)
}

// found is the first universe in which the model objects, 0 for none.
type found struct {
	Seed  uint64
	Shape string
}

func measure(seeds int) error {
	f := found{}
	target := suite.Refinement()
	for seed := uint64(1); seed <= uint64(seeds) && f.Seed == 0; seed++ {
		r, err := sim.Run(target, seed)
		if err != nil {
			return err
		}
		if r.Violation != nil && r.Violation.Invariant == "refines-model" {
			f = found{seed, r.Violation.Shape}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

func all(seeds, count int) error {
	files, err := filepath.Glob(filepath.Join("testdata", "mutants", "*.patch"))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b string) int {
		if keyed.HashText(a) < keyed.HashText(b) {
			return -1
		}
		return +1
	})
	fmt.Printf("| planted bug | named by its patch | the model alone, in the universe | says |\n|---|---|---|---|\n")
	tried, hit := 0, 0
	for _, file := range files {
		m, err := mutants.Read(file)
		if err != nil {
			return err
		}
		if m.Invariant == "" || tried == count {
			continue
		}
		f, err := try(m, seeds)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		tried++
		where, says := "-", ""
		if f.Seed > 0 {
			hit++
			where, says = fmt.Sprint(f.Seed), f.Shape
		}
		fmt.Printf("| `%s` | `%s` | %s | %s |\n", m.Name, m.Invariant, where, says)
	}
	fmt.Printf("\nThe model alone finds %d of %d within %d universes.\n", hit, tried, seeds)
	return nil
}

// try builds this program with the bug planted, and lets it measure itself.
func try(m mutants.Mutant, seeds int) (f found, err error) {
	err = m.Measure("./internal/onlymodel", &f, "-one", "-seeds", fmt.Sprint(seeds))
	return f, err
}
