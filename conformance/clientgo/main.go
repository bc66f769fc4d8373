// Command clientgo runs the integration suite of the real TiKV client, which is not
// part of its module, over the engine of package fakes/tikv. It takes a checkout of
// github.com/tikv/client-go, of the commit that go.mod has:
//
//	go run ./conformance/clientgo [-parallel N] CHECKOUT [TEST ...]
//
// The suite's files are copied to a temporary module, where the imports of TiDB's
// mock stores become package standin. Each test runs in a process of its own. Package
// known names the tests that cannot pass, each with what they need; if the outcome of
// a test is another, or their number, the exit code is 1. With TESTs,
// "TestSuite/TestMethod", only those run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/conformance/clientgo/known"
)

// limit is how long one test may take, in real time. The slowest, which reads
// 10,000 keys one after the other, takes a minute on a busy machine.
const limit = 2 * time.Minute

// The outcomes of a test.
const (
	passes = "passes"
	fails  = "fails"
	skips  = "skips"
)

func main() {
	parallel := flag.Int("parallel", 2, "how many tests run at once; most of them wait")
	flag.Parse()
	if flag.NArg() == 0 || *parallel < 1 {
		fail(errors.New("want a checkout of github.com/tikv/client-go, and perhaps names of tests"))
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *parallel); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "clientgo:", err)
	os.Exit(1)
}

func run(checkout string, only []string, parallel int) error {
	expected, err := known.Read()
	if err != nil {
		return err
	}
	suite, err := build(filepath.Join(checkout, "integration_tests"))
	if err != nil {
		return err
	}
	defer os.RemoveAll(suite.dir)
	tests := suite.tests
	if len(only) > 0 {
		tests = only
	}
	r := newReport(expected)
	suite.runAll(tests, parallel, r.add)
	fmt.Printf("clientgo: passed=%d failed=%d skipped=%d of %d tests, %d not as expected\n",
		r.count[passes], r.count[fails], r.count[skips], len(tests), r.surprises)
	switch {
	case len(only) == 0 && len(tests) != expected.Tests:
		return fmt.Errorf("%d tests, expected says %d", len(tests), expected.Tests)
	case r.surprises > 0:
		return fmt.Errorf("%d tests are not as expected", r.surprises)
	case r.count[passes] == 0:
		return errors.New("no test passed")
	}
	return nil
}

// report compares outcomes with those that are known.
type report struct {
	outcomes, needs map[string]string // by test
	count           map[string]int    // by outcome
	surprises       int
}

func newReport(expected *known.Suite) *report {
	r := &report{outcomes: map[string]string{}, needs: map[string]string{}, count: map[string]int{}}
	for outcome, tests := range map[string][]known.Test{fails: expected.Failing, skips: expected.Skipped} {
		for _, t := range tests {
			r.outcomes[t.Name], r.needs[t.Name] = outcome, t.Needs
		}
	}
	return r
}

func (r *report) add(test, outcome, output string) {
	r.count[outcome]++
	want := passes
	if r.outcomes[test] != "" {
		want = r.outcomes[test]
	}
	switch {
	case outcome == want && want != passes:
		fmt.Printf("%s, as expected: %s: %s\n", outcome, test, r.needs[test])
	case outcome != want:
		r.surprises++
		fmt.Printf("FAIL %s %s, expected is that it %s\n%s", test, outcome, want, indent(output))
	}
}

// runAll runs the tests, so many at once, and tells what became of each.
func (s *built) runAll(tests []string, parallel int, tell func(test, outcome, output string)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	free := make(chan struct{}, parallel)
	for _, test := range tests {
		free <- struct{}{}
		wg.Go(func() {
			outcome, output := s.run(test)
			mu.Lock()
			tell(test, outcome, output)
			mu.Unlock()
			<-free
		})
	}
	wg.Wait()
}

// run runs one test in a process of its own.
func (s *built) run(name string) (outcome, output string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	top, method, inSuite := strings.Cut(name, "/")
	pattern := "^" + top + "$"
	if inSuite {
		pattern += "/^" + method + "$"
	}
	cmd := exec.CommandContext(ctx, s.binary, "-test.run="+pattern, "-test.v")
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	text := string(out)
	switch {
	case ctx.Err() != nil:
		return fails, text + "\nit does not end\n"
	case err != nil || !strings.Contains(text, "--- "):
		return fails, text
	case strings.Contains(text, "--- SKIP"):
		return skips, text
	}
	return passes, text
}

// indent keeps the last lines of an output.
func indent(text string) string {
	const most = 30
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-most):]
	return "\t" + strings.Join(lines, "\n\t") + "\n"
}
