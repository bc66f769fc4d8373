// Package known says what becomes of the tests of the real client's own suite that
// do not pass over the engine. Package clientgo runs them and compares;
// docs/FIDELITY.md tells of them.
package known

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed expected
var expected string

// Suite is what is known of the suite's tests.
type Suite struct {
	// Tests is how many there are.
	Tests int
	// Failing are the tests that fail, Skipped those that skip themselves. All
	// others pass.
	Failing, Skipped []Test
}

// Test is one test that does not pass.
type Test struct {
	Name  string // "TestSuite/TestMethod"
	Needs string // what is missing
}

// Passing returns how many tests pass.
func (s *Suite) Passing() int { return s.Tests - len(s.Failing) - len(s.Skipped) }

// Read returns what is known. It fails if the list is malformed.
func Read() (*Suite, error) {
	s := &Suite{}
	for i, line := range strings.Split(expected, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.add(line); err != nil {
			return nil, fmt.Errorf("expected:%d: %w", i+1, err)
		}
	}
	if s.Tests == 0 {
		return nil, fmt.Errorf(`expected: want a line "of N tests"`)
	}
	return s, nil
}

func (s *Suite) add(line string) error {
	if count, ok := strings.CutPrefix(line, "of "); ok {
		var err error
		s.Tests, err = strconv.Atoi(strings.TrimSuffix(count, " tests"))
		return err
	}
	outcome, rest, _ := strings.Cut(line, " ")
	name, needs, ok := strings.Cut(rest, ": ")
	switch {
	case outcome == "FAIL" && ok:
		s.Failing = append(s.Failing, Test{name, needs})
	case outcome == "SKIP" && ok:
		s.Skipped = append(s.Skipped, Test{name, needs})
	default:
		return fmt.Errorf(`%q: want "FAIL TEST: what is missing", "SKIP TEST: what is missing" or "of N tests"`, line)
	}
	return nil
}
