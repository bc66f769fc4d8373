package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

const (
	maxLogged = 3   // tasks whose errors a standstill shows
	maxRecord = 240 // bytes of a log record
)

// loggedLines say which error was logged last by whoever does not go on.
func (r *Report) loggedLines() (lines []string) {
	v := r.Reduced.Result.Violation
	if v.Expected == nil {
		return nil
	}
	for _, text := range r.logged(v.Expected.Process, 1) {
		lines = append(lines, "  logged: "+text)
	}
	return lines
}

// logged are the last errors that a process, "" for any, logged after the violation's
// first event, one of each task's name, one about the subject if there is one; the tasks
// that did so last come first. It is what the process believes, which may be wrong, and
// often why it does not go on.
func (r *Report) logged(process string, most int) (lines []string) {
	v := r.Reduced.Result.Violation
	count := map[string]int{}
	var last []sim.TraceEvent
	its := func(e sim.TraceEvent) bool { return v.Subject != "" && strings.Contains(e.What, v.Subject) }
	for _, e := range slices.Backward(r.Trace) {
		if e.Event <= v.First.Event {
			break
		}
		if e.Level != sim.TraceLog || e.Event > v.Event || process != "" && e.Process != process || !strings.Contains(e.What, " error=") {
			continue
		}
		kind := withoutDigits(e.Task)
		count[kind]++
		i := slices.IndexFunc(last, func(l sim.TraceEvent) bool { return withoutDigits(l.Task) == kind })
		switch {
		case i < 0 && len(last) < most:
			last = append(last, e)
		case i >= 0 && its(e) && !its(last[i]):
			last[i] = e
		}
	}
	for _, e := range last {
		text := e.What
		if len(text) > maxRecord {
			text = strings.ToValidUTF8(text[:maxRecord], "") + "..."
		}
		line := fmt.Sprintf("%s: %s/%s: %s", clockText(e.At), e.Process, e.Task, text)
		if n := count[withoutDigits(e.Task)]; n > 1 {
			line += fmt.Sprintf(" (%d errors since)", n)
		}
		lines = append(lines, line)
	}
	return lines
}
