package command_test

import (
	"fmt"
	"os"

	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// A command for a system of one's own is its suite: Main does the same with the
// program's arguments.
func ExampleRun() {
	suite := harness.Suite{Target: counter.Target(false)}
	code := command.Run(suite, "counter", []string{"run", "--seed", "banana"}, os.Stdout, os.Stdout)
	fmt.Println("exit code", code)
	// Output:
	// counter: invalid argument "banana" for "--seed" flag: seed "banana": want a decimal number, 0x and up to 16 hex digits, or a commit's 40 hex digits
	// exit code 2
}
