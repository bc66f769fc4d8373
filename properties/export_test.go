package properties

import "github.com/gauntlet-dst/gauntlet/sim"

// Clause is a declared clause, as tests see it.
type Clause struct{ Invariant, Rule, Shape string }

// Clauses returns the clauses that an invariant declares.
func Clauses(inv sim.Invariant) []Clause {
	var all []Clause
	for _, c := range inv.(interface{ sentence() *sentence }).sentence().clauses {
		all = append(all, Clause{c.of.name, c.rule, c.shape})
	}
	return all
}
