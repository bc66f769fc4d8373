package sweep

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Stuck says that a universe lets nothing happen any more, because its system
// blocks for real where it may only block in a seam of core/env: it waits for a
// channel, a goroutine, a mutex or ctx.Done(), or it computes without end.
type Stuck struct {
	Seed          uint64
	Process, Task string
	Patience      time.Duration
	// Stack is where the task is, its own functions only.
	Stack string
}

func (s *Stuck) Error() string {
	return fmt.Sprintf("stuck: seed 0x%016x: %s/%s has let nothing happen for %s of real time; a system may block in core/env's seams only (no channel, goroutine, ctx.Done() or endless loop)\n%s",
		s.Seed, s.Process, s.Task, s.Patience, s.Stack)
}

// Watch runs do, which runs one universe of the target at a time, on a goroutine
// of its own. If nothing happens in that universe for as long as patience, in
// real time, Watch returns; the goroutine is left behind, for it cannot be
// ended. Patience 0 waits for ever. The clock is for the harness's own health
// only: universes never see it.
func Watch(target sim.Target, seed uint64, patience time.Duration, do func(watched sim.Target)) error {
	if patience == 0 {
		do(target)
		return nil
	}
	pulse := &sim.Pulse{}
	target.Pulse = pulse
	done := make(chan struct{})
	scheduler := make(chan string, 1)
	go func() {
		defer close(done)
		scheduler <- goroutine()
		do(target)
	}()
	id := <-scheduler
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	type look struct {
		events        uint64
		process, task string
	}
	var last look
	since := time.Now()
	for {
		select {
		case <-done:
			return nil
		case now := <-tick.C:
			var seen look
			seen.events, seen.process, seen.task = pulse.Look()
			if seen != last {
				last, since = seen, now
			} else if now.Sub(since) >= patience {
				return &Stuck{Seed: seed, Process: seen.process, Task: seen.task, Patience: patience, Stack: stackUnder(id, allStacks())}
			}
		}
	}
}

// goroutine is the number of the calling goroutine.
func goroutine() string {
	var buf [64]byte
	return string(bytes.Fields(buf[:runtime.Stack(buf[:], false)])[1])
}

// allStacks is what every goroutine of the program is at.
func allStacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= 1<<28 {
			return string(buf[:n])
		}
	}
}

var (
	goroutineLine = regexp.MustCompile(`^goroutine (\d+)[^\[]*\[([^\],]*)`)
	createdBy     = regexp.MustCompile(`(?m)^created by iter\.Pull.* in goroutine (\d+)$`)
)

// stackUnder finds the task that holds up the universe whose scheduler is the
// goroutine of that number. Tasks are coroutines: each was created by the
// scheduler, or by another task of its universe, and all but the one that runs
// are in the state "coroutine".
func stackUnder(scheduler, dump string) string {
	parent := map[string]string{}
	running := map[string]string{} // stacks
	var order []string
	for _, stack := range strings.Split(dump, "\n\n") {
		head, by := goroutineLine.FindStringSubmatch(stack), createdBy.FindStringSubmatch(stack)
		if head == nil || by == nil {
			continue
		}
		parent[head[1]] = by[1]
		if head[2] != "coroutine" {
			running[head[1]] = stack
			order = append(order, head[1])
		}
	}
	for _, id := range order {
		for at, ok := id, true; ok; at, ok = parent[at] {
			if at == scheduler {
				return ownFrames(running[id])
			}
		}
	}
	return "  (its stack was not found)"
}

// ownFrames cuts off what is below the task's own functions.
func ownFrames(stack string) string {
	lines := strings.Split(stack, "\n")
	for i, line := range lines {
		if strings.Contains(line, "/sim.(*process).") {
			lines = lines[:i]
			break
		}
	}
	if len(lines) > 21 {
		lines = append(lines[:21], "  ...")
	}
	return "  " + strings.Join(lines, "\n  ")
}
