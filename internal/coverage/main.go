// Command coverage counts what random universes of the conversion come to: each
// kind of fault at each operation that it may strike, each edge of each state
// machine, each timer and limit, each step of each role, and each setting that is
// not at its zero value. It fails if something was drawn too seldom, and says what.
//
//	go run ./internal/coverage -page docs/COVERAGE.md
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/gauntlet-dst/gauntlet/harness"
)

func main() {
	seed := flag.String("seed", "1", "the first universe: decimal, 0x hex, or a commit's 40 hex digits")
	universes := flag.Int("universes", 20000, "how many")
	page := flag.String("page", "", "the page whose tables are written anew")
	flag.Parse()
	base, err := harness.Seed(*seed)
	if flag.NArg() > 0 {
		err = fmt.Errorf("%q: want flags only", flag.Arg(0))
	}
	if err == nil {
		err = run(base, *universes, *page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(base uint64, universes int, page string) error {
	if universes < 1 {
		return fmt.Errorf("-universes=%d: want 1 or more", universes)
	}
	s, err := sum(base, universes)
	if err != nil {
		return err
	}
	if page != "" {
		if err := s.write(page); err != nil {
			return err
		}
	}
	fmt.Println(s.line())
	return s.judge()
}
