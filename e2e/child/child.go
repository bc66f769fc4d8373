// Package child runs processes that cannot outlive the one that started them.
package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says what to run.
type Spec struct {
	// Args are the program and its arguments.
	Args []string
	// Env are variables, name=value, in addition to the starter's.
	Env []string
	Dir string
	// Output, if not nil, gets what the process writes to its standard output and
	// its standard error, from two goroutines at once.
	Output io.Writer
	// Ready, if not "", is what a line of the standard output begins with once the
	// process can be used.
	Ready string
}

// Process is a process in a process group of its own.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended is closed

	mu    sync.Mutex // guards against a signal to a group that is gone
	gone  bool
	ready chan string
}

// Start starts a process. It and its group are killed when the starter's process
// dies.
func Start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{cmd: cmd, ended: make(chan struct{}), ready: make(chan string, 1)}
	out := &watcher{to: spec.Output, prefix: spec.Ready, found: p.ready}
	cmd.Stdout, cmd.Stderr = out, spec.Output
	cmd.WaitDelay = 2 * time.Second // for what its own children still write
	started := make(chan error)
	go func() {
		// The kernel sends the signal of death when the thread ends that started the
		// process: this one waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		err := cmd.Wait()
		p.mu.Lock()
		p.err, p.gone = err, true
		p.mu.Unlock()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// watcher passes bytes on and looks for a line.
type watcher struct {
	to     io.Writer
	prefix string
	found  chan string
	line   []byte
	seen   bool
}

func (w *watcher) Write(b []byte) (int, error) {
	if w.prefix != "" && !w.seen {
		w.line = append(w.line, b...)
		scanner := bufio.NewScanner(strings.NewReader(string(w.line)))
		for scanner.Scan() {
			if rest, ok := strings.CutPrefix(scanner.Text(), w.prefix); ok && strings.Contains(string(w.line), scanner.Text()+"\n") {
				w.found <- rest
				w.seen, w.line = true, nil
				break
			}
		}
	}
	if w.to == nil {
		return len(b), nil
	}
	return w.to.Write(b)
}

// PID is the process's number, which is its group's, too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// AwaitReady waits for the line of [Spec.Ready] and returns what follows in it, also
// where the process has ended since. A second call finds no line.
func (p *Process) AwaitReady(timeout time.Duration) (string, error) {
	select {
	case rest := <-p.ready:
		return rest, nil
	case <-p.ended:
		// What it wrote was read before this: a process may be ready and have ended.
		select {
		case rest := <-p.ready:
			return rest, nil
		default:
		}
		return "", fmt.Errorf("%s ended before it was ready: %w", p.cmd.Path, p.reason())
	case <-time.After(timeout):
		return "", fmt.Errorf("%s was not ready after %v", p.cmd.Path, timeout)
	}
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// reason is why it ended; never nil.
func (p *Process) reason() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// Exit says how a process that has ended did so: "exit status 1", "signal:
// killed".
func (p *Process) Exit() string { return p.reason().Error() }

// Signal sends a signal to the process's group, if the process has not ended.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = syscall.Kill(-p.PID(), sig)
	}
}

// Kill kills the process's group and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}
