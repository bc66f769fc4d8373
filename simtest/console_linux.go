package simtest

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// behindGo returns what the go command, our parent, writes to: own itself if
// that is the same, or nil if it cannot be reached. Its descriptor is duplicated,
// which shares its place in a file, so that neither writes over the other. Where
// that is forbidden (it takes the right to trace the parent), a pipe or a
// terminal can be opened once more; a file cannot, for it would be written from
// its beginning.
func behindGo(own *os.File) *os.File {
	parent := os.Getppid()
	if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", parent)); err != nil || filepath.Base(program) != "go" {
		return own // run by hand, under a debugger or -exec: nobody holds our output back
	}
	name := fmt.Sprintf("/proc/%d/fd/1", parent)
	theirs, err := os.Stat(name)
	if mine, ownErr := own.Stat(); err == nil && ownErr == nil && os.SameFile(mine, theirs) {
		return own
	}
	if f := duplicate(parent, 1); f != nil {
		return f
	}
	if err == nil && theirs.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0 {
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			return f
		}
	}
	if f, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		return f
	}
	return nil
}

// duplicate takes over a descriptor of another process.
func duplicate(pid, fd int) *os.File {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(process)
	n, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(n), "the go command's output")
}

// findTerminal returns the terminal that the go command's errors go to, or ours.
func findTerminal() *os.File {
	if isTerminal(os.Stderr) {
		return os.Stderr
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", os.Getppid()), os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	if !isTerminal(f) {
		f.Close()
		return nil
	}
	return f
}
