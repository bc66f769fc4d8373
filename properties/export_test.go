package properties

import "github.com/gauntlet-dst/gauntlet/sim"

// Clauses returns the rules of the clauses that an invariant declares, by shape.
func Clauses(inv sim.Invariant) map[string]string {
	all := map[string]string{}
	for _, c := range inv.(interface{ sentence() *sentence }).sentence().clauses {
		if _, twice := all[c.shape]; twice {
			panic("declared twice: " + c.shape)
		}
		all[c.shape] = c.rule
	}
	return all
}
