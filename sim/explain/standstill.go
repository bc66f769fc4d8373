package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// What a report says of a system that is not done when it must be.

// Bounds of what a report lists.
const (
	maxWaits    = 8
	maxChanging = 3
	maxFutures  = 8 // runs that look for one in which the subject goes on
)

// standstillLines say what happened last to the subject, what still happens and
// what everybody waits for.
func (r *Report) standstillLines() []string {
	v := r.Reduced.Result.Violation
	s := v.Standstill
	if s == nil {
		return nil
	}
	var lines []string
	say := func(name, text string) { lines = append(lines, fmt.Sprintf("  %-12s %s", name+":", text)) }
	if v.First.Event != 0 {
		what := v.First.What
		if i := commitAt(r.Trace, v.First.Event); i >= 0 {
			what = deed(r.Trace[i], v)
		}
		say("last change", fmt.Sprintf("event %d at %s: %s", v.First.Event, clockText(v.First.At), what))
	}
	if touch := lastTouch(r.Trace, v); touch != nil {
		say("last touch", fmt.Sprintf("event %d at %s: %s", touch.Event, clockText(touch.At), deed(*touch, v)))
	}
	if r.Next != "" {
		say("next", r.Next)
	}
	for _, lock := range s.Locks {
		say("lock", lock)
	}
	if s.Kind == sim.TimerStorm {
		say("busiest", fmt.Sprintf("%s, %d events", s.Busiest, s.Woken))
	}
	if len(s.Changing) > 0 {
		say("still changes", changingText(s.Changing))
	}
	say("waits", "")
	lines[len(lines)-1] = "  waits:"
	for i, w := range s.Waits {
		if i == maxWaits-1 && len(s.Waits) > maxWaits {
			lines = append(lines, fmt.Sprintf("    and %d more", len(s.Waits)-i))
			break
		}
		lines = append(lines, "    "+w.String())
	}
	if len(s.Absent) > 0 {
		lines = append(lines, "    "+strings.Join(s.Absent, ", "))
	}
	return lines
}

func changingText(changing []sim.Changes) string {
	var parts []string
	for i, c := range changing {
		if i == maxChanging {
			parts = append(parts, fmt.Sprintf("%d more", len(changing)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%d times)", c.Key, c.Times))
	}
	return strings.Join(parts, ", ")
}

// lastTouch is the last request that a store answered about the subject, reads
// among them.
func lastTouch(trace []sim.TraceEvent, v *sim.Violation) *sim.TraceEvent {
	for i, e := range slices.Backward(trace) {
		if e.Level == sim.TraceCall && v.Subject != "" && sim.About(e.Key, v.Subject) {
			return &trace[i]
		}
	}
	return nil
}

// commitAt finds the commit of an event; -1 if it was none.
func commitAt(trace []sim.TraceEvent, event uint64) int {
	return slices.IndexFunc(trace, func(e sim.TraceEvent) bool { return e.Event == event && e.Op == ops.Commit })
}

// next says what became of the subject after its last change where it went on:
// without one of the faults, or with other latencies from there on. "" if it never
// went on.
func next(target sim.Target, reduced *shrink.Shrunk, trace []sim.TraceEvent) (string, error) {
	v := reduced.Result.Violation
	if v.Standstill == nil || v.First.Event == 0 {
		return "", nil
	}
	last := commitAt(trace, v.First.Event)
	if last < 0 {
		return "", nil
	}
	for i := range min(len(reduced.Plan.Faults), maxFutures) {
		p := reduced.Plan.Clone()
		p.Faults = slices.Delete(slices.Clone(reduced.Plan.Faults), i, i+1)
		r, err := sim.ReplayRecorded(target, p)
		if err != nil {
			return "", err
		}
		if r.Violation != nil {
			continue
		}
		if e := after(r.Trace, trace[last], v); e != nil {
			return "without the " + reduced.Plan.Faults[i].Name() + ": " + deed(*e, v), nil
		}
	}
	return "", nil
}

// deed is who did what, with single spaces and without the time.
func deed(e sim.TraceEvent, v *sim.Violation) string {
	return strings.Join(strings.Fields(stepLine(e, v))[1:], " ")
}

// after finds the change like last in another run, and returns the subject's next
// one there.
func after(trace []sim.TraceEvent, last sim.TraceEvent, v *sim.Violation) *sim.TraceEvent {
	found := false
	for i, e := range trace {
		if e.Op != ops.Commit || e.Wrote == "" || !sim.About(e.Key, v.Subject) {
			continue
		}
		if found && e.Step != last.Step {
			return &trace[i]
		}
		found = found || e.Step == last.Step && wrote(e, v) == wrote(last, v)
	}
	return nil
}
