package mutants

import (
	"bufio"
	"encoding/json"
	"fmt"
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
	CPU              float64        // seconds, of all of them
	By               map[string]int // universes that fail, by invariant
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
	// falseAlarm is how likely the gate misses one bug by chance, at most, in one
	// range of seeds.
	falseAlarm = 1e-6
	// leastBudget leaves room for what a change of the simulator does to a bug that
	// nearly every universe finds.
	leastBudget = 500
	// mostBudget bounds a search: a bug that needs more is a needle.
	mostBudget = 50_000
)

// Budget is in how many universes the gate looks for the bug: so many that at the
// lower end of the interval it misses it with a probability of falseAlarm. needle
// tells that the most that it may look at are not enough for that.
func (c Cell) Budget() (universes int, needle bool) {
	_, low, _ := c.P()
	if low <= 0 {
		return mostBudget, true
	}
	n := math.Ceil(math.Log(falseAlarm) / math.Log1p(-min(low, 0.999)))
	if n > mostBudget {
		return mostBudget, true
	}
	return max(int(n), leastBudget), false
}

// Miss is how likely the gate misses the bug in one range of seeds, at the lower
// end of the interval.
func (c Cell) Miss() float64 {
	_, low, _ := c.P()
	n, _ := c.Budget()
	return math.Exp(float64(n) * math.Log1p(-min(low, 0.999)))
}

// CellsFile keeps what was measured, a line of JSON for each bug and cell, from the
// module's root on.
const CellsFile = "testdata/mutants/power.jsonl"

// ReadCells reads a file of measurements. Of two lines about one bug and cell the
// later one counts.
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
		known[c.Mutant][c.Name] = c
	}
	return known, lines.Err()
}
