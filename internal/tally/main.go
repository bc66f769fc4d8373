// Command tally reads what `go test -json` prints, shows what a person wants to
// see of it (failures with their output, and the lines in which tests say what
// they did), and counts. It fails if a test failed, if fewer tests than -min
// passed, or if a -want was never printed: a run that did nothing proves
// nothing.
//
//	go test -json ./... | tally -min 100 -want 'sim: total seeds=4000 ' -sum counts.txt
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is one line of `go test -json` (see go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	FailedBuild string
}

// counts is what a run came to. Tests that have subtests count like them.
type counts struct{ passed, failed, skipped int }

func main() {
	least := flag.Int("min", 1, "how many tests must have passed at least")
	sum := flag.String("sum", "", "a file to append PASSED FAILED SKIPPED to")
	var wants wanted
	flag.Func("want", "a pattern that some line must match; may be repeated", wants.add)
	flag.Parse()
	c, err := tally(os.Stdin, os.Stdout, &wants)
	problems := wants.missing()
	if err != nil {
		problems = append(problems, err.Error())
	}
	if c.passed < *least {
		problems = append(problems, fmt.Sprintf("%d tests passed, want at least %d", c.passed, *least))
	}
	for _, p := range problems {
		fmt.Println("tally:", p)
		c.failed++
	}
	fmt.Printf("tally: %d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
	if *sum != "" {
		if err := record(*sum, c); err != nil {
			fmt.Println("tally:", err)
			os.Exit(1)
		}
	}
	if c.failed > 0 {
		os.Exit(1)
	}
}

func record(file string, c counts) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, c.passed, c.failed, c.skipped); err != nil {
		return err
	}
	return f.Close()
}

// tally copies the interesting part of in to out.
func tally(in io.Reader, out io.Writer, wants *wanted) (counts, error) {
	var c counts
	said := map[[2]string]*strings.Builder{} // by package and test
	failed := map[string]bool{}              // packages with a failed test
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, lines.Text()) // of make, of vet
			wants.see(lines.Text())
			continue
		}
		key := [2]string{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			wants.see(e.Output)
			if e.Action == "build-output" || interesting.MatchString(e.Output) {
				fmt.Fprint(out, e.Output)
			} else if said[key] == nil {
				said[key] = &strings.Builder{}
			}
			if said[key] != nil {
				said[key].WriteString(e.Output)
			}
		case "pass", "skip", "fail":
			if c.take(&e, failed) && said[key] != nil {
				fmt.Fprint(out, said[key])
			}
			delete(said, key)
		}
	}
	return c, lines.Err()
}

// take counts a result and reports whether its output must be shown.
func (c *counts) take(e *event, failed map[string]bool) bool {
	switch {
	case e.Action == "pass" && e.Test != "":
		c.passed++
	case e.Action == "skip" && e.Test != "":
		c.skipped++
	case e.Action == "fail" && (e.Test != "" || !failed[e.Package]): // a package alone: its build, or a panic
		c.failed++
		failed[e.Package] = true
		return true
	}
	return false
}

// interesting are the lines in which tests say what they did.
var interesting = regexp.MustCompile(`^(sim: (total|kept|violations|marks|faults|states|injected)|scenario |  (injected|observed|in seed) |rapid: |.*\[rapid\] OK|mutants: |ok  |FAIL\t|panic: )`)

// wanted are patterns of which each must be seen.
type wanted struct {
	patterns []*regexp.Regexp
	seen     []bool
}

func (w *wanted) add(pattern string) error {
	re, err := regexp.Compile(pattern)
	w.patterns, w.seen = append(w.patterns, re), append(w.seen, false)
	return err
}

func (w *wanted) see(line string) {
	for i, re := range w.patterns {
		w.seen[i] = w.seen[i] || re.MatchString(line)
	}
}

func (w *wanted) missing() (problems []string) {
	for i, seen := range w.seen {
		if !seen {
			problems = append(problems, fmt.Sprintf("never seen: %s", w.patterns[i]))
		}
	}
	return problems
}
