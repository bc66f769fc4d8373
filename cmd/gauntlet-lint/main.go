// Command gauntlet-lint finds what must not be in a system that runs under the
// simulator: see package lint. It prints one line a breach.
//
//	gauntlet-lint [packages]
//
// The packages are those of the module in the current folder, ./... if none are
// named. Exit codes: 0 nothing was found, 1 something was, 2 the packages could
// not be loaded or compiled.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/gauntlet-dst/gauntlet/sim/lint"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: gauntlet-lint [packages]\nfinds what must not be in a system that runs under the simulator; ./... if no packages are named")
	}
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	found, err := lint.Run(".", patterns...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gauntlet-lint:", err)
		os.Exit(2)
	}
	for _, breach := range found {
		fmt.Println(breach)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}
