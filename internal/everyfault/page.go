package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// The table stands between these lines of the page.
const (
	tableBegins = "<!-- table -->\n"
	tableEnds   = "<!-- end of table -->\n"
)

// write puts the table of the mutants' results into the page.
func (p *program) write(planted []mutants.Mutant, known map[string]Result) error {
	text, err := os.ReadFile(p.page)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(text, []byte(tableBegins))
	_, after, ends := bytes.Cut(rest, []byte(tableEnds))
	if !begins || !ends {
		return errors.New(p.page + " has no place for the table")
	}
	var results []Result
	for _, m := range planted {
		if r, ok := known[m.Name]; ok {
			results = append(results, r)
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("nothing is known of any bug: %s stays as it is", p.page)
	}
	page := string(before) + tableBegins + p.table(results) + tableEnds + string(after)
	return os.WriteFile(p.page, []byte(page), 0o644)
}

// table lists the mutants, found ones with the fault that sufficed.
func (p *program) table(results []Result) string {
	var b strings.Builder
	found, few := 0, 0
	cpu := 0.0
	for _, r := range results {
		cpu += r.CPU
		if r.Invariant != "" {
			found++
			if r.Singles <= soonTried {
				few++
			}
		}
	}
	fmt.Fprintf(&b, "%d of %d mutants are found, %d of them within %d placements; all took %.0f CPU-seconds, builds not counted.\n\n", found, len(results), few, soonTried, cpu)
	b.WriteString("| mutant | found by | placements | CPU-s | faults | the last of them |\n|---|---|---|---|---|---|\n")
	for _, r := range results {
		if r.Invariant == "" {
			fmt.Fprintf(&b, "| %s | - | %d | %.1f | | |\n", r.Mutant, r.Singles+r.Pairs, r.CPU)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %.1f | %d | %s |\n", r.Mutant, r.Invariant, r.Singles+r.Pairs, r.CPU, r.Faults, r.Place)
	}
	return b.String()
}

// soonTried is how many placements count as few: a few CPU-seconds.
const soonTried = 1000
