// Command clientgo runs the integration suite of the real TiKV client, which is not
// part of its module, over the engine of package fakes/tikv. It takes a checkout of
// github.com/tikv/client-go, of the commit that go.mod has:
//
//	go run ./conformance/clientgo CHECKOUT [TEST ...]
//
// The suite's files are copied to a temporary module, where the imports of TiDB's
// mock stores become package standin. Each test runs in a process of its own. The
// file expected names the tests that cannot pass, each with what they need; a test
// that fails and is not named there, or passes although it is, ends the run with
// exit code 1. With TESTs, "TestSuite/TestMethod", only those run.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed expected
var expected string

// limit is how long one test may take, in real time. The slowest waits for 40 s.
const limit = 2 * time.Minute

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("want a checkout of github.com/tikv/client-go, and perhaps names of tests"))
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "clientgo:", err)
	os.Exit(1)
}

func run(checkout string, only []string) error {
	reasons, err := parse(expected)
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
	var tally struct{ passed, failed, skipped, surprises int }
	for _, name := range tests {
		verdict, output := suite.run(name)
		reason, known := reasons[name]
		switch verdict {
		case "passed":
			tally.passed++
		case "skipped":
			tally.skipped++
		default:
			tally.failed++
		}
		switch {
		case verdict == "failed" && !known:
			tally.surprises++
			fmt.Printf("FAIL %s\n%s", name, indent(output))
		case verdict == "failed":
			fmt.Printf("known to fail: %s: %s\n", name, reason)
		case verdict == "passed" && known:
			tally.surprises++
			fmt.Printf("FAIL %s passes; expected says: %s\n", name, reason)
		}
	}
	fmt.Printf("clientgo: passed=%d failed=%d skipped=%d of %d tests, %d not as expected\n",
		tally.passed, tally.failed, tally.skipped, len(tests), tally.surprises)
	if tally.surprises > 0 || tally.passed == 0 {
		return fmt.Errorf("%d tests are not as expected", tally.surprises)
	}
	return nil
}

// parse reads the tests that are known to fail: "TestSuite/TestMethod: what it needs".
func parse(text string) (map[string]string, error) {
	reasons := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		name, reason, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("expected:%d: %q: want TEST: what it needs", i+1, line)
		}
		reasons[name] = reason
	}
	return reasons, nil
}

// run runs one test in a process of its own.
func (s *built) run(name string) (verdict, output string) {
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
		return "failed", text + "\nit does not end\n"
	case err != nil || !strings.Contains(text, "--- "):
		return "failed", text
	case strings.Contains(text, "--- SKIP"):
		return "skipped", text
	}
	return "passed", text
}

// indent keeps the last lines of an output.
func indent(text string) string {
	const most = 30
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-most):]
	return "\t" + strings.Join(lines, "\n\t") + "\n"
}
