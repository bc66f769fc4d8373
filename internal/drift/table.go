package main

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// share is how many of how many failed the same way.
type share struct{ kept, of int }

func (s *share) add(kept bool) {
	s.of++
	if kept {
		s.kept++
	}
}

func (s share) percent() float64 { return 100 * float64(s.kept) / float64(max(s.of, 1)) }

func (s share) String() string { return fmt.Sprintf("%d of %d (%.0f %%)", s.kept, s.of, s.percent()) }

// row is what became of failures under one edit: of plans as they stand, of plans
// with what a search nearby finds, and of plain seeds.
type row struct{ stand, plans, seeds share }

// table is what became of all of them.
type table struct {
	edits   []mutants.Mutant
	mutants int    // that were found
	command string // by which it was measured
	rows    []row
	row
	unpatched int
	lost      []string
	unfound   []string // mutants that no universe shows, of those that were run
}

func (t *table) add(edit int, stands, plan, seed bool) {
	for _, r := range []*row{&t.rows[edit], &t.row} {
		r.stand.add(stands)
		r.plans.add(plan)
		r.seeds.add(seed)
	}
}

func (t *table) String() string {
	var b strings.Builder
	for _, l := range t.lost {
		fmt.Fprintf(&b, "drift: lost: %s\n", l)
	}
	for i, edit := range t.edits {
		fmt.Fprintf(&b, "drift: %-28s plans %-18s as they stand %-18s seeds %s\n", edit.Name, t.rows[i].plans, t.rows[i].stand, t.rows[i].seeds)
	}
	if len(t.unfound) > 0 {
		fmt.Fprintf(&b, "drift: not measured, since none of %d universes fails: %s\n", seeds, strings.Join(t.unfound, " "))
	}
	fmt.Fprintf(&b, "drift: %d mutants, %d edits: plans %s, as they stand %s, plain seeds %s; %d pairs of patches touch the same lines\n", t.mutants, len(t.edits), t.plans, t.stand, t.seeds, t.unpatched)
	return b.String()
}

// markdown is the page's text.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# How long kept failures last

A seed means the same run only at the same commit. A reduced plan names its faults
and orderings by their meaning, so it is to outlive changes of the code. Of %d planted
bugs the first universe that shows each was reduced; then harmless edits were made
to core, and the plan and the plain seed were run again. Kept means: they fail by
the same invariant, with the same shape.

A plan is replayed as everybody replays it ([PLAN.md](PLAN.md)). **As it stands** counts
plans that fail by their own run, their calls moved to where these are now if they must.
**With the search** counts those, too, that hold as they stand, and whose failure the
replay finds nearby: it says so, and what it changed. A seed is run as it is.

`+"`%s`"+` wrote this page; `+"`-mutants`"+` and `+"`-under`"+` choose a part.
That the edits are harmless is checked every night, by 20,000 universes of correct core
under each: `+"`go run ./internal/drift -check 20000`"+`.

| edit of core | plans as they stand | plans with the search | plain seeds |
|---|---:|---:|---:|
`, t.mutants, t.command)
	for i, edit := range t.edits {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", edit.What, t.rows[i].stand, t.rows[i].plans, t.rows[i].seeds)
	}
	fmt.Fprintf(&b, "| **all** | **%s** | **%s** | **%s** |\n\n%d pairs of an edit and a bug touch the same lines of core, and cannot be tried.\n", t.stand, t.plans, t.seeds, t.unpatched)
	if len(t.unfound) > 0 {
		fmt.Fprintf(&b, "\nNot measured, since none of %d universes fails: %s.\n", seeds, strings.Join(t.unfound, ", "))
	}
	if len(t.lost) > 0 {
		b.WriteString("\nNot kept:\n\n")
		for _, l := range t.lost {
			fmt.Fprintf(&b, "* %s\n", strings.ReplaceAll(l, "\n", " "))
		}
	}
	return b.String()
}
