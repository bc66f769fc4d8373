package simtest

import (
	"flag"
	"io"
	"os"
	"testing"

	"golang.org/x/term"

	"github.com/gauntlet-dst/gauntlet/harness"
)

// console is where those who typed the flags read what the tests print.
//
// `go test PACKAGE` keeps what a test binary prints to itself, and shows it only
// if a test fails or -v is given. Whoever types -seed=42 wants to see universe
// 42 all the same, so its lines go to where the go command itself prints; then
// the binary's own standard output does not have them, and nothing is printed
// twice. Failures go the usual way, through the testing package.
type console struct {
	out      io.Writer
	terminal *os.File // for progress, nil if there is none
}

// openConsole finds the console. Without flags that ask for something, and with
// -v (which -json implies), the go command shows standard output itself.
func openConsole(asked bool) console {
	if !asked {
		return console{out: os.Stdout}
	}
	c := console{out: os.Stdout}
	started := flag.Lookup("test.paniconexit0") // by the go command
	if started != nil && started.Value.String() == "true" && !testing.Verbose() {
		if out := behindGo(os.Stdout); out != nil {
			c.out = out
		} else {
			c.out = io.Discard
		}
	}
	c.terminal = findTerminal()
	return c
}

func (c console) progress(total int) *harness.Progress {
	if c.terminal == nil || total == 1 || testing.Verbose() {
		return nil
	}
	return harness.NewProgress(c.terminal, total)
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }
