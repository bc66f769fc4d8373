package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// weights say how likely a universe is one of each arm's.
type weights map[string]float64

// shares are the weights with which seeds draw their arms. The draw is apart from all
// others, so a portfolio can be computed from arms that were measured one by one.
func shares() weights {
	w := weights{}
	for _, arm := range sim.Arms() {
		if share := sim.ArmShare(arm); share > 0 {
			w[arm] = float64(share) / 1000
		}
	}
	return w
}

// without takes an arm away, and leaves the proportions of the others.
func (w weights) without(arm string) weights {
	rest := weights{}
	for name, share := range w {
		if name != arm {
			rest[name] = share / (1 - w[arm])
		}
	}
	return rest
}

// moreOf gives an arm so much of what the others have.
func (w weights) moreOf(arm string, share float64) weights {
	more := weights{arm: share}
	for name, old := range w {
		more[name] += old * (1 - share)
	}
	return more
}

// mix is how often universes of a portfolio of these weights find a bug, and what one
// takes: of its arms, each by its weight.
func (w weights) mix(arms map[string]guess) (all guess) {
	for _, name := range sim.Arms() { // in one order: sums of floats depend on it
		all.p += w[name] * arms[name].p
		all.perUniverse += w[name] * arms[name].perUniverse
	}
	return all
}

// guess is what a universe may find and take, as far as that was measured.
type guess struct{ p, perUniverse float64 }

// counted are the shares of universes that found a bug, as they were counted.
func (m *measurements) counted(bug string) map[string]guess {
	arms := map[string]guess{}
	for _, name := range sim.Arms() {
		c := m.known[bug][name]
		p, _, _ := c.P()
		arms[name] = guess{p, c.PerUniverse()}
	}
	return arms
}

// How many times the universes are drawn again, for an interval, and where that begins:
// the page is the same whenever it is written.
const (
	redraws     = 1000
	redrawsFrom = 1
)

// estimated are shares for means of logarithms: half a kill more than was counted, so
// that none is 0. An arm that did not find a bug costs no more than its time says.
func (m *measurements) estimated(bugs []mutants.Mutant, kills func(c mutants.Cell) int) (all []map[string]guess) {
	for _, bug := range bugs {
		arms := map[string]guess{}
		for _, name := range sim.Arms() {
			if c, ok := m.known[bug.Name][name]; ok {
				arms[name] = guess{halfMore(kills(c), c.Universes), c.PerUniverse()}
			}
		}
		all = append(all, arms)
	}
	return all
}

func halfMore(kills, universes int) float64 { return (float64(kills) + 0.5) / (float64(universes) + 1) }

// estimates are of what was counted, and of what might have been counted, had other
// universes been drawn (the parametric bootstrap).
type estimates struct {
	counted []map[string]guess
	redrawn [redraws][]map[string]guess
}

func (m *measurements) estimate(bugs []mutants.Mutant) *estimates {
	draw := rand.New(rand.NewPCG(redrawsFrom, 0))
	e := &estimates{counted: m.estimated(bugs, func(c mutants.Cell) int { return c.Kills })}
	for i := range e.redrawn {
		e.redrawn[i] = m.estimated(bugs, func(c mutants.Cell) int {
			return binomial(draw, c.Universes, halfMore(c.Kills, c.Universes))
		})
	}
	return e
}

// binomial draws how many of n universes find what one finds with probability p: it goes
// from kill to kill.
func binomial(draw *rand.Rand, n int, p float64) (kills int) {
	for at := 0.0; ; at++ {
		at += math.Floor(math.Log(1-draw.Float64()) / math.Log1p(-p))
		if at >= float64(n) {
			return kills
		}
		kills++
	}
}

// armed are the bugs that were measured with each of these arms.
func (m *measurements) armed(arms []string) []mutants.Mutant {
	return slices.DeleteFunc(slices.Clone(m.all), func(bug mutants.Mutant) bool {
		return slices.ContainsFunc(arms, func(arm string) bool { return m.known[bug.Name][arm].PerUniverse() == 0 })
	})
}

// interval is a figure, and between what 90 % of the redrawn ones are.
type interval struct{ low, mid, high float64 }

func (i interval) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", i.mid, i.low, i.high) }

// against is what a kill costs by some weights over what it costs by others: the ratio
// of the geometric means over all bugs.
func (e *estimates) against(these, others weights) interval {
	ratio := func(bugs []map[string]guess) float64 {
		sum := 0.0
		for _, arms := range bugs {
			here, there := these.mix(arms), others.mix(arms)
			sum += math.Log(here.perUniverse/here.p) - math.Log(there.perUniverse/there.p)
		}
		return math.Exp(sum / float64(len(bugs)))
	}
	var ratios [redraws]float64
	for i, bugs := range e.redrawn {
		ratios[i] = ratio(bugs)
	}
	slices.Sort(ratios[:])
	return interval{ratios[redraws/20], ratio(e.counted), ratios[redraws-1-redraws/20]}
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
	return b.String() + "\n"
}

const armsHead = `### Arms

Each arm alone, over the %d bugs that were measured with every arm, beside the portfolio as it follows from them: a universe of the
portfolio is one of an arm's with the arm's share, whatever else is drawn. Ratios are of what a kill costs, geometric means over all of
these bugs, half a kill added to each count; with 90 %% intervals, of universes drawn again with these shares. Computed, the portfolio
finds %s.

| arm | share | found | by no other arm | cheapest for | alone, of the portfolio's | the portfolio without it, of the whole one's | bugs lost | with %.0f %% more of it |
|---|---|---|---|---|---|---|---|---|
`

// lost is how many bugs a portfolio finds and another one doesn't.
func (m *measurements) lost(bugs []mutants.Mutant, by, not weights) (n int) {
	for _, bug := range bugs {
		if arms := m.counted(bug.Name); by.mix(arms).p > 0 && not.mix(arms).p == 0 {
			n++
		}
	}
	return n
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
