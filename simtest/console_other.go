//go:build !linux

package simtest

import "os"

// behindGo returns the terminal, if there is one: elsewhere than on Linux a
// parent's descriptor cannot be reached.
func behindGo(own *os.File) *os.File {
	if isTerminal(own) {
		return own
	}
	f, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return f
}

// findTerminal returns the terminal that our own errors go to.
func findTerminal() *os.File {
	if isTerminal(os.Stderr) {
		return os.Stderr
	}
	return nil
}
