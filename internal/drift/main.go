// Command drift measures how long kept failures last: of each planted bug it takes
// the first universe that shows it, with its reduced plan, makes harmless edits
// to core (testdata/edits), and asks whether the plan and the plain seed still
// fail the same way.
//
//	go run ./internal/drift                  every mutant, each under three edits in turn
//	go run ./internal/drift -under 0         every mutant under every edit
//	go run ./internal/drift -mutants sample  those of testdata/mutants/sample
//	go run ./internal/drift -check 20000     only: each edit alone passes so many universes
//
// The same way means by the same invariant, with the same shape. Plans are counted
// as they stand, and with those whose failure the replay finds nearby; -least is about
// the second. A plan that the
// replay refuses, since one of its calls is no more, counts as lost. A pair of
// patches that touch the same lines cannot be measured, and is counted apart.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

func main() {
	var o options
	flag.StringVar(&o.mutants, "mutants", "", "only these, with commas between them; "+mutants.Sample+" stands for those that "+mutants.SampleFile+" lists; all if it is not given")
	flag.StringVar(&o.edits, "edits", "", "only these, with commas between them; all if it is not given")
	flag.IntVar(&o.under, "under", 3, "under how many of the edits, in turn, each mutant is tried; 0 for all")
	flag.IntVar(&o.check, "check", 0, "run each edit alone through so many universes, and measure nothing")
	flag.IntVar(&o.seed, "seed", 1, "the first universe")
	flag.IntVar(&o.least, "least", 0, "fail unless so many percent of the plans are kept")
	flag.StringVar(&o.page, "page", "", "write the table to this file, as Markdown")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "drift: %s\n", err)
		os.Exit(1)
	}
}

type options struct {
	mutants, edits, page      string
	under, check, seed, least int
}

func run(o options) error {
	edits, err := readEdits(o.edits)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "drift")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, seed: o.seed}
	if o.check > 0 {
		return b.checkAll(edits, o.check)
	}
	planted, err := mutants.InCore("testdata/mutants")
	if err != nil {
		return err
	}
	if planted, err = mutants.Chosen(planted, "-mutants", o.mutants); err != nil {
		return err
	}
	planted = slices.DeleteFunc(planted, func(m mutants.Mutant) bool { return m.Invariant == "" })
	t, err := b.measure(planted, edits, o.under)
	if err != nil {
		return err
	}
	t.command = "go run ./internal/drift " + strings.Join(os.Args[1:], " ")
	fmt.Print(t.String())
	if o.page != "" {
		if err := os.WriteFile(o.page, []byte(t.markdown()), 0o644); err != nil {
			return err
		}
	}
	if t.plans.of == 0 || t.plans.percent() < float64(o.least) {
		return fmt.Errorf("%s of the plans are kept; want at least %d %%", t.plans, o.least)
	}
	return nil
}

// readEdit reads a patch that changes nothing that matters.
func readEdit(file string) (mutants.Mutant, error) {
	patch, err := os.ReadFile(file)
	if err != nil {
		return mutants.Mutant{}, err
	}
	what, found := strings.CutPrefix(string(patch), "what: ")
	if !found {
		return mutants.Mutant{}, fmt.Errorf("%s:1: want \"what: \" and what the edit changes", file)
	}
	what, _, _ = strings.Cut(what, "\n")
	return mutants.Mutant{Name: strings.TrimSuffix(filepath.Base(file), ".patch"), Patch: patch, What: what}, nil
}

// readEdits reads the edits: all, or those named.
func readEdits(names string) ([]mutants.Mutant, error) {
	files, err := filepath.Glob("testdata/edits/*.patch")
	if err != nil {
		return nil, err
	}
	var all []mutants.Mutant
	for _, file := range files {
		edit, err := readEdit(file)
		if err != nil {
			return nil, err
		}
		all = append(all, edit)
	}
	if len(all) == 0 {
		return nil, errors.New("testdata/edits: no patches: run it from the module's root")
	}
	return mutants.Chosen(all, "-edits", names)
}

// checkAll runs each edit alone: what is harmless violates nothing.
func (b *bench) checkAll(edits []mutants.Mutant, universes int) error {
	var failed []error
	for _, edit := range edits {
		line, err := b.check(edit, universes)
		fmt.Printf("drift: %-28s %s\n", edit.Name, cmp.Or(line, "FAILED"))
		if err != nil {
			failed = append(failed, fmt.Errorf("%s is not harmless: %w", edit.Name, err))
		}
	}
	return errors.Join(failed...)
}

// measure tries every mutant under its edits.
func (b *bench) measure(planted, edits []mutants.Mutant, under int) (*table, error) {
	if under <= 0 || under > len(edits) {
		under = len(edits)
	}
	t := &table{edits: edits, rows: make([]row, len(edits))}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, m := range planted {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			err := b.mutant(m, t, &mu, func(yield func(int) bool) {
				for n := range under {
					if !yield((i*under + n) % len(edits)) {
						return
					}
				}
			})
			if err != nil {
				mu.Lock()
				failed = append(failed, fmt.Errorf("%s: %w", m.Name, err))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	slices.Sort(t.lost)
	slices.Sort(t.unfound)
	return t, errors.Join(failed...)
}
