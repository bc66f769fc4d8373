package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// The table stands between these lines of its page.
const (
	tableBegins = "<!-- table -->\n"
	tableEnds   = "<!-- end of table -->\n"
)

// write puts the table of the mutants' results into the page.
func (p *program) write(results []Result) error {
	text, err := os.ReadFile(p.page)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(text, []byte(tableBegins))
	_, after, ends := bytes.Cut(rest, []byte(tableEnds))
	if !begins || !ends {
		return errors.New(p.page + " has no place for the table")
	}
	if len(results) == 0 {
		return fmt.Errorf("nothing is known of any bug, and -only names none: %s stays as it is", p.page)
	}
	rows := table(results)
	if p.races {
		rows = races(results)
	}
	page := string(before) + tableBegins + rows + tableEnds + string(after)
	return os.WriteFile(p.page, []byte(page), 0o644)
}

// table shows of each mutant what its first campaign said when it ended, and how
// many campaigns said no less than what universes of it come to.
func table(results []Result) string {
	var b strings.Builder
	b.WriteString("| mutant | failed | p (95 %) | clean | new state: estimate, <= | new shape: estimate, <= | failure <= | bounds >= p |\n|---|---|---|---|---|---|---|---|\n")
	campaigns, states, shapes, failures, cpu := 0, 0, 0, 0, 0.0
	for _, r := range results {
		cpu += r.CPU
		n := len(r.Campaigns)
		if n == 0 {
			fmt.Fprintf(&b, "| %s | 0 of %d | | | | | | |\n", r.Mutant, r.Universes)
			continue
		}
		p := float64(n) / float64(r.Universes)
		held := [3]int{}
		for _, c := range r.Campaigns {
			for i, most := range []float64{c.StateMost, c.ShapeMost, c.Failed} {
				if most >= p {
					held[i]++
				}
			}
		}
		campaigns, states, shapes, failures = campaigns+n, states+held[0], shapes+held[1], failures+held[2]
		low, high := sweep.Wilson(n, r.Universes)
		c := r.Campaigns[0]
		fmt.Fprintf(&b, "| %s | %d of %d | %.2g (%.2g to %.2g) | %d | %.2g, %.2g | %.2g, %.2g | %.2g | %d, %d, %d of %d |\n",
			r.Mutant, n, r.Universes, p, low, high, c.Clean, c.State, c.StateMost, c.Shape, c.ShapeMost, c.Failed, held[0], held[1], held[2], n)
	}
	fmt.Fprintf(&b, "\nOf %d campaigns, the bound was p or more when the first failure came: new state %d, new shape %d, failure %d. It took %.0f CPU-seconds, builds not counted.\n",
		campaigns, states, shapes, failures, cpu)
	return b.String()
}
