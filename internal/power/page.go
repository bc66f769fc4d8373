package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// The page and its pictures. What is generated stands between two lines.
const (
	pageFile   = "docs/POWER.md"
	killsFile  = "docs/power-kills.svg"
	matrixFile = "docs/power-oracles.svg"

	begins = "<!-- measured -->\n"
	ends   = "<!-- end of measured -->\n"
)

// measurements are all bugs and what is known of them.
type measurements struct {
	all   []mutants.Mutant
	known map[string]map[string]mutants.Cell
	cells []string // that were measured with any bug, in order
}

func newMeasurements(all []mutants.Mutant, known map[string]map[string]mutants.Cell) *measurements {
	m := &measurements{all: all, known: known}
	seen := map[string]bool{}
	for _, cells := range known {
		for name := range cells {
			seen[name] = true
		}
	}
	for name := range seen {
		m.cells = append(m.cells, name)
	}
	rank := func(name string) int {
		if name == mutants.Portfolio {
			return 0
		}
		return 1 + max(slices.Index(baselines, name)+1, 0)
	}
	slices.SortFunc(m.cells, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return m
}

// write puts everything into the page and its pictures.
func (m *measurements) write() error {
	text, err := os.ReadFile(pageFile)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(text, []byte(begins))
	_, after, closed := bytes.Cut(rest, []byte(ends))
	if !found || !closed {
		return errors.New(pageFile + " has no place for what was measured")
	}
	generated := m.summary() + m.perBug() + m.budgets()
	page := string(before) + begins + generated + ends + string(after)
	return errors.Join(
		os.WriteFile(pageFile, []byte(page), 0o644),
		os.WriteFile(killsFile, m.kills(), 0o644),
		os.WriteFile(matrixFile, m.matrix(), 0o644),
	)
}

// cost is the CPU time that a kill takes in a cell: of a universe, over the share of
// universes that kill. Where none did, the share is taken for the upper end of its
// interval, and the cost is a lower bound: censored.
func cost(c mutants.Cell) (seconds float64, censored bool) {
	if c.Name == tier0 { // not drawn: what it took is what it takes
		return c.CPU, c.Kills == 0
	}
	p, _, high := c.P()
	if c.Kills == 0 {
		p = high
	}
	return c.PerUniverse() / p, c.Kills == 0
}

// costText is a cost for a table, "" if nobody has taken the time.
func costText(c mutants.Cell) string {
	if c.PerUniverse() == 0 {
		return ""
	}
	seconds, censored := cost(c)
	return fmt.Sprintf("%s%.2f", least(censored), seconds)
}

// common are the bugs that were measured in every cell: only these are compared.
func (m *measurements) common() []mutants.Mutant {
	return slices.DeleteFunc(slices.Clone(m.all), func(bug mutants.Mutant) bool {
		return slices.ContainsFunc(m.cells, func(cell string) bool {
			_, ok := m.known[bug.Name][cell]
			return !ok
		})
	})
}

func (m *measurements) summary() string {
	common := m.common()
	var b strings.Builder
	fmt.Fprintf(&b, "### Cells\n\n%d bugs were measured in every cell.\n\n", len(common))
	b.WriteString("| cell | universes | CPU-s | bugs found | geometric mean of CPU-s a kill | of the portfolio's | worst CPU-s a kill | K(10 s) | K(100 s) |\n|---|---|---|---|---|---|---|---|---|\n")
	portfolio, _ := m.mean(common, mutants.Portfolio)
	complete := !slices.ContainsFunc(common, func(bug mutants.Mutant) bool { return m.known[bug.Name][mutants.Portfolio].Kills == 0 })
	for _, cell := range m.cells {
		mean, worst := m.mean(common, cell)
		universes, found, cpu := 0, 0, 0.0
		for _, bug := range common {
			c := m.known[bug.Name][cell]
			universes, cpu = universes+c.Universes, cpu+c.CPU
			if c.Kills > 0 {
				found++
			}
		}
		ratio := "-" // of two bounds says nothing
		if found == len(common) && complete {
			ratio = fmt.Sprintf("%.2f", mean/portfolio)
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %d | %s%.2f | %s | %.1f | %.1f | %.1f |\n", cell, universes, cpu, found,
			least(found < len(common)), mean, ratio, worst, m.expected(common, cell, 10), m.expected(common, cell, 100))
	}
	return b.String() + "\n"
}

// least marks a lower bound.
func least(bound bool) string {
	if bound {
		return "≥ "
	}
	return ""
}

// mean is the geometric mean of what kills cost, and the highest of them.
func (m *measurements) mean(bugs []mutants.Mutant, cell string) (mean, worst float64) {
	sum := 0.0
	for _, bug := range bugs {
		seconds, _ := cost(m.known[bug.Name][cell])
		sum += math.Log(max(seconds, 1e-3))
		worst = max(worst, seconds)
	}
	return math.Exp(sum / float64(max(len(bugs), 1))), worst
}

// expected is K(t): how many bugs t CPU-seconds each are expected to kill.
func (m *measurements) expected(bugs []mutants.Mutant, cell string, t float64) (k float64) {
	for _, bug := range bugs {
		c := m.known[bug.Name][cell]
		if c.Kills == 0 {
			continue
		}
		if cell == tier0 {
			if c.CPU <= t {
				k++
			}
			continue
		}
		p, _, _ := c.P()
		k += 1 - math.Pow(1-p, t/max(c.PerUniverse(), 1e-6))
	}
	return k
}

// perBug is a row for each bug that was measured in every cell.
func (m *measurements) perBug() string {
	var b strings.Builder
	b.WriteString("### CPU-seconds a kill\n\n| bug |")
	for _, cell := range m.cells {
		b.WriteString(" " + cell + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m.cells)) + "\n")
	for _, bug := range m.common() {
		b.WriteString("| `" + bug.Name + "` |")
		for _, cell := range m.cells {
			b.WriteString(" " + costText(m.known[bug.Name][cell]) + " |")
		}
		b.WriteString("\n")
	}
	return b.String() + "\n"
}

// budgets is a row for each bug that universes find: what the gate goes by.
func (m *measurements) budgets() string {
	var b strings.Builder
	needles, measured, alarms := 0, 0, 0.0
	var rows strings.Builder
	for _, bug := range m.all {
		c, ok := m.known[bug.Name][mutants.Portfolio]
		if !ok {
			continue
		}
		p, low, high := c.P()
		gate, finder := fmt.Sprint(c.Budget()), bug.Invariant
		switch {
		case bug.Script != "":
			gate, finder = "its script", "`"+bug.Script+"`"
		case !c.Known():
			gate = "not known yet"
		case c.Needle():
			gate = "its plan"
			needles++
		default:
			alarms += c.Miss() * c.Miss()
		}
		measured++
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %d | %d/%d/%d | %d | %d | %.5f | %.5f to %.5f | %s | %s |\n", bug.Name, bug.Rule, finder,
			bug.Size.Depth(), bug.Size.Orderings, bug.Size.Faults, bug.Size.Processes, c.Universes, c.Kills, p, low, high, costText(c), gate)
	}
	fmt.Fprintf(&b, "### Every bug, in the portfolio\n\n%d of %d bugs are measured; %d of them are needles. That both ranges of seeds of the gate miss any of the others has a probability of %.1e.\n\n", measured, len(m.all), needles, alarms)
	b.WriteString("| bug | rule | found by | depth | orderings/faults/processes | universes | kills | p | 95 % | CPU-s a kill | the gate's universes |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	return b.String() + rows.String() + "\n"
}
