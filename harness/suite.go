// Package harness is what a test and a command do with a simulated system:
// sweep its universes, replay and keep plans, play scenarios, tell stories and
// explain failures. Package simtest puts `go test` in front of it and package
// command a command line; both are thin, so that what one of them says the
// other one says, too.
//
// A [Suite] describes the system once, for both.
package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Suite is a system with all that can be asked of it. Only Target is required.
type Suite struct {
	// Target is the system with what must hold of it.
	Target sim.Target
	// Seeds is the folder of the kept plans, from the module's root on; "" means
	// "seeds".
	Seeds string
	// Small makes the drawn configuration of a seed a small one, in which every
	// single fault can be placed: a few processes, one piece of work or two. Small
	// schedules should differ in what happens in them. It is called as Target.Vary
	// is. nil takes drawn ones that make few calls.
	Small func(seed uint64, c *sim.Config, a sim.Assembly)
	// Expect is what the outcomes of many universes come to. It is judged by an
	// interval: a sample that is too small to tell passes.
	Expect []sweep.Expectation
	// Catalogue names the system's own steps, for chaos configurations.
	Catalogue chaos.Catalogue
	// Marks names what a search must reach before its silence means anything; a
	// sweep's page says what it did not. The simulator adds some of its own.
	Marks []string
	// Rules is the page with the protocol's rules, from the module's root on: rows of
	// a table, "| R1 fence | sentence | functions |". Reports cite it; "" for none.
	Rules string
	// Command is what to type, in the module's root, for the suite's command line, as
	// "go run ./cmd/mine": reports of tests name its explain; "" for none.
	Command string
	// Scenarios are faults as data, and what must be observed.
	Scenarios []chaos.Scenario
	// Stage returns the target on which a scenario is played. If tell is not nil,
	// the target tells it the facts of a universe, one line each. Without a Stage
	// it is the Target with the scenario's faults in place of drawn ones: see
	// [Suite.Play].
	Stage func(s chaos.Scenario, tell func(line string)) sim.Target
}

// Patience is how long a universe may let nothing happen before it counts as
// stuck, unless a flag says otherwise (real time): a thousand times what a whole
// universe usually takes.
const Patience = 30 * time.Second

// again is how many universes of a sweep there are for each that runs twice, to
// see whether it gives the same hash: 1.6 % of the time finds a leak in one
// universe of a hundred within a few thousand.
const again = 64

// Seed reads a seed: decimal, 0x hex, or a commit's 40 hex digits.
func Seed(text string) (uint64, error) { return plan.ParseSeed(text) }

// maxSeeds bounds a sweep.
const maxSeeds = 1_000_000_000

// Count reads a number of universes; name is the flag's, for the error.
func Count(name, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSeeds {
		return 0, fmt.Errorf("%s=%s: want a whole number from 1 to %d", name, text, maxSeeds)
	}
	return n, nil
}

// Root is the folder of the module that the working directory is in, where
// go.mod lies; or the working directory if there is none.
func Root() string {
	here, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return here
		}
	}
}

// folder is where the kept plans are, from the module's root on.
func (s *Suite) folder() string {
	if s.Seeds == "" {
		return "seeds"
	}
	return s.Seeds
}

// read reads a file that a flag names: as it is named, or from the module's
// root on.
func read(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil && !filepath.IsAbs(name) {
		if fromRoot, rootErr := os.ReadFile(filepath.Join(Root(), name)); rootErr == nil {
			return fromRoot, nil
		}
	}
	return text, err
}

// Plan reads a plan. Its errors are one line each, with file and line.
func Plan(file string) (*plan.Plan, error) {
	text, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: no such plan; kept ones are in seeds/", file)
	}
	return plan.Parse(file, text)
}

// Kept lists the kept plans' files, in the order of their names.
func (s *Suite) Kept() ([]string, error) {
	return filepath.Glob(filepath.Join(Root(), s.folder(), "*.plan"))
}

// Chaos is a chaos configuration that was read from a file.
type Chaos struct {
	file      string
	config    chaos.Config
	catalogue chaos.Catalogue
}

// Chaos reads a chaos configuration of the system's. Its errors are one line
// each, with file and line.
func (s *Suite) Chaos(file string) (*Chaos, error) {
	text, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("-chaos=%s: cannot be read: %w", file, errors.Unwrap(err))
	}
	config, err := chaos.Parse(file, text, s.Catalogue)
	if err != nil {
		return nil, err
	}
	return &Chaos{file, config, s.Catalogue}, nil
}

// Under is the target with what the configuration says injected in place of
// drawn faults; a nil configuration changes nothing.
func (c *Chaos) Under(target sim.Target) sim.Target {
	if c == nil {
		return target
	}
	target.Calm = true
	target.Inject = func(sim.Assembly) []fault.Injector {
		return []fault.Injector{inject.Config(c.config, c.catalogue)}
	}
	return target
}

// Injected says how often each point of the configuration took effect, and last
// which ones never did. An experiment in which none did has shown nothing: that
// is an error, unless it was one universe alone.
func (c *Chaos) Injected(totals *sweep.Totals) (lines []string, err error) {
	if c == nil {
		return nil, nil
	}
	var never []string
	points := inject.Points(c.config, c.catalogue)
	for _, name := range points {
		mark := inject.MarkPrefix + name
		lines = append(lines, fmt.Sprintf("sim: injected %-40s %d times in %d seeds", name, totals.Marks[mark], totals.MarkSeeds[mark]))
		if totals.Marks[mark] == 0 {
			never = append(never, name)
		}
	}
	if totals.Seeds > 1 && len(points) > 0 && len(never) == len(points) {
		return lines, fmt.Errorf("-chaos=%s: none of its %d points was ever injected: the run has shown nothing; more universes, or higher rates", c.file, len(points))
	}
	if len(never) > 0 {
		lines = append(lines, fmt.Sprintf("sim: NEVER INJECTED: %d of %d points: %s", len(never), len(points), strings.Join(never, ", ")))
	}
	return lines, nil
}
