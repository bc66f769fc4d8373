// Command shrinkscore measures reduction: for each planted bug that universes
// find, it shrinks the first failure and compares what is left with the size that
// the bug's patch knows. It writes docs/SHRINKING.md.
//
//	go run ./internal/shrinkscore            every bug
//	go run ./internal/shrinkscore -every 3   every third one
//	go run ./internal/shrinkscore -every 3 -from 1   every third one, from the second on
//	go run ./internal/shrinkscore -for 10m   as many as are begun in ten minutes
//	go run ./internal/shrinkscore -only a,b  these alone with their reduced plans, and no page is written
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// Score is what the failure of one bug was reduced to.
type Score struct {
	Name             string
	Known, Found     mutants.Size
	Seed             uint64
	Minimal, Default bool
	Runs             int
	Events           uint64
	CPU              float64
	Shape            string // of the failure, which reduction keeps
	Plan, Text       string // the reduced plan, and how it fails
}

func (s *Score) ratio() float64 { return float64(s.Found.Total()) / float64(s.Known.Total()) }

func (s *Score) line() string {
	order := "named"
	if !s.Default {
		order = "the seed's"
	}
	return fmt.Sprintf("| `%s` | %d | %d/%d/%d | %d/%d/%d | %.2f | %s | %t | %d | %d | %.1f |", s.Name, s.Seed,
		s.Known.Orderings, s.Known.Faults, s.Known.Processes, s.Found.Orderings, s.Found.Faults, s.Found.Processes,
		s.ratio(), order, s.Minimal, s.Runs, s.Events, s.CPU)
}

func main() {
	only := flag.String("only", "", "names of bugs, separated by commas")
	every := flag.Int("every", 1, "take every n-th bug only")
	from := flag.Int("from", 0, "how many bugs are left out before the first of every n-th")
	lasts := flag.Duration("for", 0, "begin no bug after so long; 0 for no limit")
	results := flag.String("results", "", "a file that keeps scores: those that it has are not measured anew")
	flag.Parse()
	if err := measure(*only, share{max(*every, 1), max(*from, 0)}, *lasts, *results); err != nil {
		fmt.Fprintln(os.Stderr, "shrinkscore:", err)
		os.Exit(1)
	}
}

// share is which bugs are taken: every n-th, from one on.
type share struct{ every, from int }

func (s share) has(i int) bool { return i >= s.from && (i-s.from)%s.every == 0 }

func (s share) command() string {
	command := "make shrink"
	if s.every > 1 || s.from > 0 {
		command = fmt.Sprintf("go run ./internal/shrinkscore -every %d", s.every)
	}
	if s.from > 0 {
		command += fmt.Sprintf(" -from %d", s.from)
	}
	return command
}

func measure(only string, taken share, lasts time.Duration, results string) error {
	chosen, err := bugs(only)
	if err != nil {
		return err
	}
	kept, err := read(results)
	if err != nil {
		return err
	}
	var scores []*Score
	var held []string
	begin, late := time.Now(), 0
	for i, m := range chosen {
		if !taken.has(i) {
			continue
		}
		s := kept[m.Name]
		if s == nil && lasts > 0 && time.Since(begin) > lasts {
			late++
			continue
		}
		if s == nil {
			if s, err = score(m); err != nil {
				return err
			}
			if err := mutants.Append(results, s); err != nil {
				return err
			}
		}
		if s.Seed == 0 {
			held = append(held, m.Name)
			fmt.Printf("shrink: %s: no universe of 4000 fails, so nothing is scored\n", m.Name)
			continue
		}
		s.Known = m.SizeOf(s.Shape)
		scores = append(scores, s)
		fmt.Println("shrink: " + s.line())
		if only != "" {
			fmt.Printf("%s\n%s\n", s.Plan, s.Text)
		}
	}
	if len(scores) == 0 {
		return errors.New("nothing was scored")
	}
	total := summary(scores)
	if len(held) > 0 {
		total += fmt.Sprintf("; not scored, since no universe of 4000 fails: %s", strings.Join(held, ", "))
	}
	if late > 0 {
		total += fmt.Sprintf("; not begun in time: %d", late)
	}
	fmt.Println("shrink: " + total)
	if only != "" {
		return nil
	}
	return os.WriteFile("docs/SHRINKING.md", page(scores, taken, total), 0o644)
}

// bugs reads the planted bugs that universes find; only, if it isn't "", names
// those that are meant.
func bugs(only string) ([]mutants.Mutant, error) {
	all, err := mutants.All("testdata/mutants")
	if err != nil {
		return nil, err
	}
	chosen, err := mutants.Chosen(all, "-only", only)
	if err != nil {
		return nil, err
	}
	chosen = slices.DeleteFunc(chosen, func(m mutants.Mutant) bool { return m.Invariant == "" || len(m.Of) > 0 })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-only=%s: none of them is one bug that universes find", only)
	}
	return chosen, nil
}

// score plants a bug, and shrinks its first failure in a program of its own.
func score(m mutants.Mutant) (*Score, error) {
	s := &Score{Name: m.Name}
	err := m.Measure("./internal/shrinkscore/subject", s, "-invariant", m.Invariant)
	s.Known = m.SizeOf(s.Shape)
	return s, err
}

// read reads the scores that a file keeps.
func read(file string) (map[string]*Score, error) {
	kept := map[string]*Score{}
	f, err := os.Open(file)
	if file == "" || errors.Is(err, os.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		s := &Score{}
		if err := json.Unmarshal(lines.Bytes(), s); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		kept[s.Name] = s
	}
	return kept, nil
}

// summary is all scores in one line.
func summary(scores []*Score) string {
	var ratios, cpu []float64
	byDefault, minimal := 0, 0
	for _, s := range scores {
		ratios, cpu = append(ratios, s.ratio()), append(cpu, s.CPU)
		if s.Default {
			byDefault++
		}
		if s.Minimal {
			minimal++
		}
	}
	slices.Sort(ratios)
	slices.Sort(cpu)
	at := func(list []float64, percent int) float64 { return list[(len(list)*percent+99)/100-1] }
	return fmt.Sprintf("%d bugs; size found over size known: median %.2f, 95th percentile %.2f, worst %.2f; CPU seconds: median %.1f, 95th percentile %.1f, worst %.1f; 1-minimal: %d; every order named: %d",
		len(scores), at(ratios, 50), at(ratios, 95), at(ratios, 100), at(cpu, 50), at(cpu, 95), at(cpu, 100), minimal, byDefault)
}

const intro = `# How small failures get

Each planted bug that universes find knows the least that shows it: its patch's line ` + "`size:`" + ` says how many orderings and
faults on how many processes, clients aside. That is known by reasoning about the bug: the least of all failures by its
invariant; a line ` + "`size of SHAPE:`" + ` says what a failure of another shape takes, where that is more. Below stands what the reduction of the
bug's first failure (from seed 1 on, by that invariant) came to. It keeps the shape that this one has. Sizes read orderings/faults/processes; they are compared by
their sums. An order is named if the plan runs by the default schedule, so that its orderings are all that it owes to chance;
else the order of events is still drawn from the seed. CPU seconds are those of the reduction.

Command: ` + "`%s`" + `, at commit %s.

%s.

| bug | seed | known | found | ratio | order | 1-minimal | runs | events | CPU s |
|---|---|---|---|---|---|---|---|---|---|
`

func page(scores []*Score, taken share, total string) []byte {
	commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	var b strings.Builder
	fmt.Fprintf(&b, intro, taken.command(), strings.TrimSpace(string(commit)), total)
	for _, s := range scores {
		b.WriteString(s.line() + "\n")
	}
	return []byte(b.String())
}
