package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

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
