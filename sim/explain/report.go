package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// maxReportLines bounds what a failure prints.
const maxReportLines = 30

// Report is what a person reads when a universe fails. Its text depends on the
// run only: no real time, no addresses, no paths.
type Report struct {
	Seed uint64
	// Reduced is the failure with what was not needed taken away.
	Reduced *shrink.Shrunk
	// Injected is how many faults fired in the run that failed first.
	Injected int
	// Commit and GoVersion say what was run.
	Commit, GoVersion string
	// Replay and Keep are commands to paste; Keep may be "".
	Replay, Keep string

	// Next is what happened next to the subject of a standstill where it went on, or
	// "".
	Next string
	// Trace is every event of the reduced run.
	Trace []sim.TraceEvent
}

// Failure shrinks a failure, runs what is left once more with every event
// recorded, and returns the report. runs bounds the shrinking.
func Failure(target sim.Target, failing *sim.Result, runs int) (*Report, error) {
	if failing.Violation == nil {
		return nil, fmt.Errorf("nothing failed: %s", failing.Line())
	}
	reduced, err := shrink.Failure(target, failing, runs)
	if err != nil {
		return nil, err
	}
	recorded, err := sim.ReplayRecorded(target, reduced.Plan)
	if err != nil {
		return nil, err
	}
	if recorded.Violation == nil || recorded.Hash != reduced.Result.Hash && reduced.Runs > 0 {
		n := &sim.Nondeterminism{Seed: failing.Seed, First: reduced.Result.Hash, Second: recorded.Hash}
		return nil, n.LocateReplay(target, reduced.Plan)
	}
	reduced.Result = recorded
	report := &Report{Seed: failing.Seed, Reduced: reduced, Injected: len(failing.Fired), Trace: recorded.Trace}
	report.Next, err = next(target, reduced)
	return report, err
}

// String renders the report, at most 30 lines.
func (r *Report) String() string {
	v := r.Reduced.Result.Violation
	head, tail := r.head(), r.foot()
	if v.Standstill != nil {
		head = append(head, r.standstillLines()...)
	} else {
		head = slices.Concat(head, r.eventLines(), r.waitLines())
	}
	if v.Stack != "" {
		tail = append(firstLines(v.Stack, 8), tail...)
	}
	steps := r.steps(maxReportLines - len(head) - len(tail) - 1)
	return strings.Join(slices.Concat(head, steps, tail), "\n")
}

// head says what failed, whose bug it is, in which universe, and by which faults.
func (r *Report) head() []string {
	v := r.Reduced.Result.Violation
	rule := ""
	if v.Rule != "" {
		rule = " (" + v.Rule + ")"
	}
	world := ""
	for _, f := range r.Reduced.Result.Summary.Fields {
		world += " " + f.Name + "=" + f.Value
	}
	return append([]string{
		fmt.Sprintf("FAIL %s%s, %s: %s", v.Invariant, rule, v.Blame, v.Text),
		strings.TrimRight(fmt.Sprintf("  seed 0x%016x  arm=%s %s", r.Seed, r.Reduced.Result.Arm, world), " "),
	}, r.faultLines()...)
}

// foot says what was run, and what to type.
func (r *Report) foot() (lines []string) {
	if r.Commit != "" {
		lines = append(lines, fmt.Sprintf("  commit %s, %s; a seed means the same run only at the same commit", r.Commit, r.GoVersion))
	}
	if r.Replay != "" {
		lines = append(lines, "  replay: "+r.Replay)
	}
	if r.Keep != "" {
		lines = append(lines, "  keep:   "+r.Keep)
	}
	return lines
}

// eventLines name the two events that together are the violation.
func (r *Report) eventLines() (lines []string) {
	v := r.Reduced.Result.Violation
	for i, ref := range []sim.EventRef{v.First, v.Second} {
		if ref.Event != 0 || ref.What != "" {
			lines = append(lines, fmt.Sprintf("  %s event %d at %s: %s", [2]string{"first: ", "second:"}[i], ref.Event, clockText(ref.At), ref.What))
		}
	}
	return lines
}

// faultLines names the deviations that are left after shrinking.
func (r *Report) faultLines() []string {
	fired, ordered := r.Reduced.Result.Fired, r.Reduced.Result.Ordered
	if r.Reduced.Runs > 0 { // what is left does something, even if it fired nowhere
		fired, ordered = r.Reduced.Plan.Faults, r.Reduced.Plan.Orders
	}
	what := "no fault"
	if len(fired) > 0 {
		what = fmt.Sprintf("%d of the %d faults that fired", len(fired), max(r.Injected, len(fired)))
	}
	if len(ordered) > 0 {
		what += fmt.Sprintf(", orderings: %d", len(ordered))
	}
	begin := "needed"
	if !r.Reduced.Minimal {
		begin = "deviations"
	}
	lines := []string{fmt.Sprintf("  %s: %s (%s)", begin, what, r.Reduced.Certificate())}
	var deviations []string
	for _, f := range fired {
		deviations = append(deviations, "    "+f.String())
	}
	for _, o := range ordered {
		deviations = append(deviations, "    order "+o.String())
	}
	if n := len(deviations); n > 7 {
		deviations = append(deviations[:6], fmt.Sprintf("    and %d more", n-6))
	}
	return append(lines, deviations...)
}

// steps picks the recorded events that matter: those on the violation's
// subject that had an effect or were refused one, what the world did, and the
// two events themselves; the last ones if there are too many.
func (r *Report) steps(room int) []string {
	v := r.Reduced.Result.Violation
	var picked []sim.TraceEvent
	active := changers(r.Trace)
	for _, e := range r.Trace {
		if e.Event > v.Event {
			break
		}
		if matters(e, v, active) {
			picked = append(picked, e)
		}
	}
	picked = withoutRepeats(picked, func(e sim.TraceEvent) bool {
		return e.Event == v.First.Event || e.Event == v.Second.Event || e.Level == sim.TraceFault
	})
	omitted := 0
	if room < 3 {
		return nil
	}
	if len(picked) > room-1 {
		omitted = len(picked) - (room - 2)
		picked = trim(picked, v, room-2)
	}
	lines := []string{"  the steps that matter (virtual time):"}
	if omitted > 0 {
		lines = append(lines, fmt.Sprintf("    ... %d earlier or lesser steps left out", omitted))
	}
	for _, e := range picked {
		lines = append(lines, "  "+stepLine(e, v))
	}
	return lines
}

// changers are the tasks that sent a request which can change something.
func changers(trace []sim.TraceEvent) map[[2]string]bool {
	m := map[[2]string]bool{}
	for _, e := range trace {
		if op, _ := ops.Named(e.What); e.Level == sim.TraceCall && op.HasEffect() {
			m[[2]string{e.Process, e.Task}] = true
		}
	}
	return m
}

// matters reports whether a recorded event belongs into the story.
func matters(e sim.TraceEvent, v *sim.Violation, active map[[2]string]bool) bool {
	its := e.Event == v.First.Event || e.Event == v.Second.Event
	switch e.Level {
	case sim.TraceFault:
		return true
	case sim.TraceWorld: // what a task records that only asks questions changed nothing
		if e.Task != "" && !its && !active[[2]string{e.Process, e.Task}] {
			return false
		}
		return e.Happened != sim.Booted || e.Result != "1"
	case sim.TraceLog:
		return false
	}
	if its {
		return true
	}
	op, _ := ops.Named(e.What)
	if !op.HasEffect() || op == ops.Prewrite && e.Result == "ok" || op == ops.Resolve || op == ops.Rollback {
		return false
	}
	return about(e.Key, v)
}

// about reports whether a text is about one of the violation's subjects.
func about(text string, v *sim.Violation) bool {
	return sim.About(text, v.Subject) || slices.ContainsFunc(v.Also, func(subject string) bool { return sim.About(text, subject) })
}

// repeated is what two events share that say the same.
type repeated struct{ process, task, step, what, key, result string }

func repeats(e sim.TraceEvent) repeated {
	return repeated{e.Process, e.Task, e.Step, e.What, e.Key, e.Result}
}

// withoutRepeats folds what is said again and again (a beat, a round of
// polling): the first and the last stay, and the last says how many there were.
func withoutRepeats(events []sim.TraceEvent, keep func(sim.TraceEvent) bool) []sim.TraceEvent {
	counts := map[repeated]int{}
	for _, e := range events {
		counts[repeats(e)]++
	}
	seen := map[repeated]int{}
	var out []sim.TraceEvent
	for _, e := range events {
		same := repeats(e)
		seen[same]++
		n := counts[same]
		if n > 2 && seen[same] > 1 && seen[same] < n && !keep(e) {
			continue
		}
		if n > 2 && seen[same] == n {
			e.Result = strings.TrimSpace(e.Result + fmt.Sprintf(" (%d times)", n))
		}
		out = append(out, e)
	}
	return out
}

// trim keeps n events: the two of the violation, the faults and what the world
// did, and the latest of the others.
func trim(events []sim.TraceEvent, v *sim.Violation, n int) []sim.TraceEvent {
	keep := make([]bool, len(events))
	left := n
	mark := func(wanted func(sim.TraceEvent) bool) {
		for i := len(events) - 1; i >= 0 && left > 0; i-- {
			if !keep[i] && wanted(events[i]) {
				keep[i] = true
				left--
			}
		}
	}
	mark(func(e sim.TraceEvent) bool {
		return e.Level == sim.TraceCall && (e.Event == v.First.Event || e.Event == v.Second.Event)
	})
	mark(func(e sim.TraceEvent) bool { return e.Level == sim.TraceFault })
	mark(func(e sim.TraceEvent) bool { return e.Op.IsRequest() && e.Op.Service() == ops.KV })
	mark(func(sim.TraceEvent) bool { return true })
	var out []sim.TraceEvent
	for i, e := range events {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}

func stepLine(e sim.TraceEvent, v *sim.Violation) string {
	who := e.Process
	if e.Task != "" {
		who += "/" + e.Task
	}
	what := strings.TrimSpace(e.Step + " " + e.What)
	if e.Level == sim.TraceFault {
		what = "-- fault: " + faultInShort(e.What)
	}
	if e.Level == sim.TraceWorld {
		what = "-- " + e.What
	}
	line := fmt.Sprintf("%10s  %-16s %s", clockText(e.At), who, what)
	if e.Key != "" {
		line += " " + shortKeys(e.Key, v.Subject)
	}
	if result := strings.TrimSpace(strings.TrimPrefix(e.Result, "ok")); result != "" {
		line += ": " + result
	}
	line += wrote(e, v)
	if e.Level == sim.TraceCall && e.Event == v.Second.Event {
		line += "   <- violation"
	}
	return strings.TrimRight(line, " ")
}

// wrote shows what a commit left in the rows that the violation is about, two at
// most.
func wrote(e sim.TraceEvent, v *sim.Violation) string {
	var shown []string
	for line := range strings.Lines(e.Wrote) {
		key, words, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if about(key, v) && len(shown) < 2 {
			table, _, _ := strings.Cut(key, "/")
			shown = append(shown, table+" "+words)
		}
	}
	if len(shown) == 0 {
		return ""
	}
	return "  [" + strings.Join(shown, "; ") + "]"
}

// faultInShort leaves the anchor out of a fault's line: the trace's own columns
// say it.
func faultInShort(line string) string {
	kind, rest, _ := strings.Cut(line, " at ")
	_, options, _ := strings.Cut(rest, "#")
	_, options, _ = strings.Cut(options, " ")
	return strings.TrimSpace(kind + " " + options)
}

// shortKeys shortens a list of keys to the ones about the subject.
func shortKeys(keys, subject string) string {
	words := strings.Fields(keys)
	if len(words) <= 2 {
		return keys
	}
	var about []string
	for _, w := range words {
		if sim.About(w, subject) {
			about = append(about, w)
		}
	}
	if len(about) == 0 || len(about) > 2 {
		about = words[:2]
	}
	return fmt.Sprintf("%s (%d keys)", strings.Join(about, " "), len(words))
}

// Tell replays a plan and tells its story in at most room lines: what was
// committed, by whom, and what the world did. It is how a run that holds is
// looked at.
func Tell(target sim.Target, p *plan.Plan, room int) ([]string, error) {
	recorded, err := sim.ReplayRecorded(target, p)
	if err != nil {
		return nil, err
	}
	var picked []sim.TraceEvent
	told := map[repeated]int{} // without times and keys
	for _, e := range recorded.Trace {
		if same := (repeated{e.Process, e.Task, e.Step, e.What, "", e.Result}); e.Level == sim.TraceCall {
			if told[same]++; told[same] > 2 {
				continue // renewals, rounds of polling
			}
		}
		if e.Level == sim.TraceFault || e.Level == sim.TraceWorld && !(e.Happened == sim.Booted && e.Result == "1") || e.Op == ops.Commit || e.Op == ops.Prewrite && e.Result != "ok" {
			picked = append(picked, e)
		}
	}
	omitted := len(picked) - room
	var lines []string
	for i, e := range picked {
		if omitted > 0 && i == room/2 {
			lines = append(lines, fmt.Sprintf("       ... %d steps left out", omitted))
		}
		if omitted > 0 && i >= room/2 && i < room/2+omitted {
			continue
		}
		lines = append(lines, stepLine(e, &sim.Violation{}))
	}
	return lines, nil
}

// clockText prints a virtual time in seconds.
func clockText(at time.Duration) string { return fmt.Sprintf("%.3fs", at.Seconds()) }

func firstLines(text string, n int) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[:min(n, len(lines))]
}
