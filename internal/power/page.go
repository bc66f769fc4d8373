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
	generated := m.summary() + m.ablation() + m.perBug() + m.budgets()
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

// shared are the bugs that were measured in a cell and in the portfolio, and in the
// portfolio and another cell: a cell is compared over these.
func (m *measurements) shared(cell string) []mutants.Mutant {
	return slices.DeleteFunc(slices.Clone(m.all), func(bug mutants.Mutant) bool {
		_, ok := m.known[bug.Name][cell]
		_, too := m.known[bug.Name][mutants.Portfolio]
		return !ok || !too || len(m.known[bug.Name]) < 2
	})
}

// comparison is what a cell and the portfolio make of the same bugs.
type comparison struct {
	bugs                 []mutants.Mutant // measured in both
	found, alone, missed int              // by the cell; by it and not by the portfolio; by the portfolio and not by it
	universes            int
	cpu, mean, worst     float64
	portfolio, ratio     float64 // means over the bugs that the portfolio found, and theirs
	ratioIsBound         bool
}

func (m *measurements) compare(cell string) *comparison {
	c := &comparison{bugs: m.shared(cell)}
	var sure []mutants.Mutant // found by the portfolio: a mean of bounds divides nothing
	for _, bug := range c.bugs {
		here, there := m.known[bug.Name][cell], m.known[bug.Name][mutants.Portfolio]
		c.universes, c.cpu = c.universes+here.Universes, c.cpu+here.CPU
		if here.Kills > 0 {
			c.found++
		}
		switch {
		case there.Kills > 0:
			sure = append(sure, bug)
			if here.Kills == 0 {
				c.missed++
			}
		case here.Kills > 0:
			c.alone++
		}
	}
	c.mean, c.worst = m.mean(c.bugs, cell)
	c.portfolio, _ = m.mean(sure, mutants.Portfolio)
	mean, _ := m.mean(sure, cell)
	c.ratio, c.ratioIsBound = mean/c.portfolio, c.missed > 0
	return c
}

func (m *measurements) summary() string {
	var b strings.Builder
	b.WriteString("### Cells\n\nEach cell beside the portfolio, over the bugs that were measured in both. The ratio is of the geometric means over those that the\nportfolio found; ≥ if the cell missed some of them.\n\n")
	b.WriteString("| cell | bugs | found | not by the portfolio | by the portfolio only | universes | CPU-s | CPU-s a kill, geometric mean | worst | of the portfolio's | K(1 s) | K(10 s) | K(100 s) |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, cell := range m.cells {
		c := m.compare(cell)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %.0f | %s%.2f | %.1f | %s%.2f | %.1f | %.1f | %.1f |\n", cell, len(c.bugs), c.found, c.alone, c.missed,
			c.universes, c.cpu, least(c.found < len(c.bugs)), c.mean, c.worst, least(c.ratioIsBound), c.ratio,
			m.expected(c.bugs, cell, 1), m.expected(c.bugs, cell, 10), m.expected(c.bugs, cell, 100))
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

// perBug is a row for each bug that was measured in the portfolio and in another cell.
func (m *measurements) perBug() string {
	var b strings.Builder
	b.WriteString("### CPU-seconds a kill\n\n| bug |")
	for _, cell := range m.cells {
		b.WriteString(" " + cell + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m.cells)) + "\n")
	for _, bug := range m.shared(mutants.Portfolio) {
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
	needles, measured, scripts, alarms := 0, 0, 0, 0.0
	var rows strings.Builder
	for _, bug := range m.all {
		if bug.Script != "" {
			scripts++
		}
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
		if bug.Script == "" {
			measured++
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %d | %d/%d/%d | %d | %d | %.5f | %.5f to %.5f | %s | %s |\n", bug.Name, bug.Rule, finder,
			bug.Size.Depth(), bug.Size.Orderings, bug.Size.Faults, bug.Size.Processes, c.Universes, c.Kills, p, low, high, costText(c), gate)
	}
	fmt.Fprintf(&b, "### Every bug, in the portfolio\n\nOf %d bugs scripts tell %d, and universes must find the other %d. Of these %d are measured, and %d are needles. That both ranges of\nseeds of the gate miss any other of the measured has a probability of %.1e.\n\n",
		len(m.all), scripts, len(m.all)-scripts, measured, needles, alarms)
	b.WriteString("| bug | rule | found by | depth | orderings/faults/processes | universes | kills | p | 95 % | CPU-s a kill | the gate's universes |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	return b.String() + rows.String() + "\n"
}
