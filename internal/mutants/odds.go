package mutants

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"

	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Any stands for whichever invariant objects.
const Any = "any"

// Cell is what the universes of one arm or baseline came to with one bug planted.
type Cell struct {
	Mutant, Name     string
	Universes, Kills int
	First            uint64         // the seed of the first kill
	CPU              float64        // seconds; 0 where nobody has taken the time
	By               map[string]int // universes that fail, by invariant

	timed int // of how many universes CPU is
}

// Portfolio is the cell whose universes are those of a sweep: the seed draws the arm.
const Portfolio = "portfolio"

// P is the share of universes that find the bug, and its Wilson interval at 95 %. A
// bug that was never found has a share of 0, and an interval that does not end there.
func (c Cell) P() (p, low, high float64) {
	if c.Universes == 0 {
		return 0, 0, 1
	}
	low, high = sweep.Wilson(c.Kills, c.Universes)
	if c.Kills == 0 {
		low = 0
	}
	return float64(c.Kills) / float64(c.Universes), low, min(high, 1)
}

const (
	// falseAlarm is how likely the gate misses one bug by chance in one range of
	// seeds, at the lower end of the interval.
	falseAlarm = 1e-6
	// leastBudget leaves room for what a change of the simulator does to a bug that
	// nearly every universe finds.
	leastBudget = 500
	// mostBudget bounds a search. One that succeeds ends after 1/p universes on
	// average, however many it may look at.
	mostBudget = 100_000
	// needleP is the share below which nobody waits for universes to find a bug.
	needleP = 1.0 / 20_000
)

// PerUniverse is the processor time of a universe in seconds, 0 if it is not known.
func (c Cell) PerUniverse() float64 {
	if c.timed == 0 {
		return 0
	}
	return c.CPU / float64(c.timed)
}

// Needle tells that universes find the bug too seldom to wait for it. A few that did
// not find it say nothing yet.
func (c Cell) Needle() bool {
	p, _, high := c.P()
	return high < needleP || c.Kills > 0 && p < needleP
}

// Known tells that it is known how long to look: universes found the bug, or so many
// did not that it is a needle.
func (c Cell) Known() bool { return c.Kills > 0 || c.Needle() }

// Budget is in how many universes the gate looks for the bug, in one range of seeds:
// so many that at the lower end of the interval they miss it with a probability of
// falseAlarm, if mostBudget allows.
func (c Cell) Budget() int {
	_, low, _ := c.P()
	if low <= 0 {
		return mostBudget
	}
	n := math.Log(falseAlarm) / math.Log1p(-min(low, 0.999))
	return int(min(max(math.Ceil(n), leastBudget), mostBudget))
}

// Miss is how likely one range of seeds misses the bug, at the lower end of the
// interval.
func (c Cell) Miss() float64 {
	_, low, _ := c.P()
	return math.Exp(float64(c.Budget()) * math.Log1p(-min(low, 0.999)))
}

// add adds what other universes came to.
func (c Cell) add(other Cell) Cell {
	sum := other
	if c.Kills > 0 {
		sum.First = c.First
	}
	if other.CPU > 0 {
		sum.timed = other.Universes
	}
	sum.Universes, sum.Kills, sum.CPU, sum.timed = c.Universes+other.Universes, c.Kills+other.Kills, c.CPU+other.CPU, c.timed+sum.timed
	sum.By = maps.Clone(c.By)
	for name, n := range other.By {
		if sum.By == nil {
			sum.By = map[string]int{}
		}
		sum.By[name] += n
	}
	return sum
}

// CellsFile keeps what was measured, a line of JSON for each bug and cell, from the
// module's root on.
const CellsFile = "testdata/mutants/power.jsonl"

// ReadCells reads a file of measurements. Lines about one bug and cell are of other
// universes each, and are added up.
func ReadCells(file string) (map[string]map[string]Cell, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known := map[string]map[string]Cell{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var c Cell
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if c.Mutant == "" || c.Name == "" || c.Universes < 1 || c.Kills < 0 || c.Kills > c.Universes {
			return nil, fmt.Errorf("%s:%d: want a Mutant, the cell's Name, Universes from 1 on and, of them, Kills", file, n)
		}
		if known[c.Mutant] == nil {
			known[c.Mutant] = map[string]Cell{}
		}
		known[c.Mutant][c.Name] = known[c.Mutant][c.Name].add(c)
	}
	return known, lines.Err()
}
