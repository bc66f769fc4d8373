package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// armed are the bugs that were measured with each of these arms.
func (m *measurements) armed(arms []string) []mutants.Mutant {
	return slices.DeleteFunc(slices.Clone(m.all), func(bug mutants.Mutant) bool {
		return slices.ContainsFunc(arms, func(arm string) bool { return m.known[bug.Name][arm].PerUniverse() == 0 })
	})
}

// extraShare is how much of the universes an arm gets to see whether more of it pays.
const extraShare = 0.1

// ablation is a row for each arm: what it finds alone, and the portfolio without it and
// with more of it, computed.
func (m *measurements) ablation() string {
	var arms []string
	for _, arm := range sim.Arms() {
		if slices.Contains(m.cells, arm) {
			arms = append(arms, arm)
		}
	}
	all := shares()
	for arm := range all {
		if !slices.Contains(arms, arm) {
			return "" // the portfolio cannot be computed
		}
	}
	bugs := m.armed(arms)
	if len(bugs) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, armsHead, len(bugs), m.check(bugs, all), 100*extraShare)
	e := m.estimate(bugs)
	for _, arm := range arms {
		found, only, cheapest := m.merits(bugs, arms, arm)
		without, lost := "", ""
		if all[arm] > 0 {
			without, lost = e.against(all.without(arm), all).String(), fmt.Sprint(m.lost(bugs, all, all.without(arm)))
		}
		fmt.Fprintf(&b, "| %s | %.0f %% | %d | %d | %d | %v | %s | %s | %v |\n", arm, 100*all[arm], found, only, cheapest,
			e.against(weights{arm: 1}, all), without, lost, e.against(all.moreOf(arm, extraShare), all))
	}
	return b.String() + "\n" + m.groups(bugs, e) + m.differences(bugs, arms)
}

const armsHead = `### Arms

Each arm alone, over the %d bugs that were measured with every arm, beside the portfolio as it follows from them: a universe of the
portfolio is one of an arm's with the arm's share, whatever else is drawn. Ratios are of what a kill costs, geometric means over all of
these bugs, half a kill added to each count; with 90 %% intervals, of universes drawn again with these shares. Computed, the portfolio
finds %s.

| arm | share | found | by no other arm | cheapest for | alone, of the portfolio's | the portfolio without it, of the whole one's | bugs lost | with %.0f %% more of it |
|---|---|---|---|---|---|---|---|---|
`

// differences is a row for each bug that some arms find more often than others, by more
// than chance.
func (m *measurements) differences(bugs []mutants.Mutant, arms []string) string {
	var rows strings.Builder
	n, bound := 0, chiSquare995(float64(len(arms)-1))
	for _, bug := range bugs {
		if m.gTest(bug.Name, arms) <= bound {
			continue
		}
		n++
		rows.WriteString("| `" + bug.Name + "` |")
		for _, arm := range arms {
			c := m.known[bug.Name][arm]
			fmt.Fprintf(&rows, " %d of %d |", c.Kills, c.Universes)
		}
		rows.WriteString("\n")
	}
	return fmt.Sprintf("Bugs that some arms find more often than others, so much that chance does that to 1 bug in 200 (G-test): %d. Kills of universes:\n\n| bug | %s |\n|---|%s\n",
		n, strings.Join(arms, " | "), strings.Repeat("---|", len(arms))) + rows.String() + "\n"
}

// gTest is how unlikely it is that all arms find a bug as often as each other: the
// statistic of the G-test, with a degree of freedom less than there are arms.
func (m *measurements) gTest(bug string, arms []string) (g float64) {
	kills, universes := 0.0, 0.0
	for _, arm := range arms {
		c := m.known[bug][arm]
		kills, universes = kills+float64(c.Kills), universes+float64(c.Universes)
	}
	p := kills / universes
	add := func(observed, expected float64) {
		if observed > 0 {
			g += 2 * observed * math.Log(observed/expected)
		}
	}
	for _, arm := range arms {
		c := m.known[bug][arm]
		add(float64(c.Kills), p*float64(c.Universes))
		add(float64(c.Universes-c.Kills), (1-p)*float64(c.Universes))
	}
	return g
}

// chiSquare995 is what 995 of 1,000 draws of a chi-squared distribution stay below
// (Wilson and Hilferty, 1931).
func chiSquare995(freedom float64) float64 {
	const z = 2.5758
	f := 2 / (9 * freedom)
	return freedom * math.Pow(1-f+z*math.Sqrt(f), 3)
}

// lost is how many bugs a portfolio finds and another one doesn't.
func (m *measurements) lost(bugs []mutants.Mutant, by, not weights) (n int) {
	for _, bug := range bugs {
		if arms := m.counted(bug.Name); by.mix(arms).p > 0 && not.mix(arms).p == 0 {
			n++
		}
	}
	return n
}

// alternatives are other portfolios, to see what groups of arms are worth: timely arms
// let nothing time out without a fault, and some oracles judge only these.
func alternatives() []alternative {
	all := shares()
	some := func(arms ...string) weights {
		w, sum := weights{}, 0.0
		for _, arm := range arms {
			sum += all[arm]
		}
		for _, arm := range arms {
			w[arm] = all[arm] / sum
		}
		return w
	}
	return []alternative{
		{"narrow and quantised alone, the timely arms", some("narrow", "quantised")},
		{"the others alone", some("mixture", "surw", "ta-pct", "elastic")},
		{"narrow, quantised and elastic", some("narrow", "quantised", "elastic")},
		{"the shares until a38e432", weights{"narrow": 0.25, "quantised": 0.15, "mixture": 0.05, "surw": 0.01, "ta-pct": 0.02, "pos": 0.08, "elastic": 0.44}},
	}
}

type alternative struct {
	what string
	weights
}

// groups is a row for each alternative.
func (m *measurements) groups(bugs []mutants.Mutant, e *estimates) string {
	var b strings.Builder
	b.WriteString("Other portfolios, of the same arms in the same proportions if nothing else is said:\n\n| portfolio | a kill costs, of the portfolio's | bugs lost |\n|---|---|---|\n")
	for _, a := range alternatives() {
		fmt.Fprintf(&b, "| %s | %v | %d |\n", a.what, e.against(a.weights, shares()), m.lost(bugs, shares(), a.weights))
	}
	return b.String() + "\n"
}

// merits are how many bugs an arm finds, how many of them no other arm, and for how
// many it is the cheapest.
func (m *measurements) merits(bugs []mutants.Mutant, arms []string, arm string) (found, only, cheapest int) {
	for _, bug := range bugs {
		here := m.known[bug.Name][arm]
		if here.Kills == 0 {
			continue
		}
		found++
		own, _ := cost(here)
		alone, first := true, true
		for _, other := range arms {
			if there := m.known[bug.Name][other]; other != arm && there.Kills > 0 {
				seconds, _ := cost(there)
				alone, first = false, first && own < seconds
			}
		}
		if alone {
			only++
		}
		if first {
			cheapest++
		}
	}
	return found, only, cheapest
}

// check holds the computed portfolio against the measured one.
func (m *measurements) check(bugs []mutants.Mutant, all weights) string {
	found, n, computed, measured := 0, 0, 0.0, 0.0
	for _, bug := range bugs {
		here := all.mix(m.counted(bug.Name))
		if here.p == 0 {
			continue
		}
		found++
		if cell := m.known[bug.Name][mutants.Portfolio]; cell.Kills > 0 && cell.PerUniverse() > 0 {
			seconds, _ := cost(cell)
			n, computed, measured = n+1, computed+math.Log(here.perUniverse/here.p), measured+math.Log(seconds)
		}
	}
	n = max(n, 1)
	return fmt.Sprintf("%d of them; over the %d that were found when it was measured itself, too, a kill costs %.2f CPU-seconds\ncomputed and %.2f measured",
		found, n, math.Exp(computed/float64(n)), math.Exp(measured/float64(n)))
}
