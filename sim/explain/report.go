package explain

import (
	"cmp"
	"fmt"
	"maps"
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
	Commands
	// Tells is what a script is about, in a sentence; "" of a seed's universe.
	Tells string

	// Edge is the missing conflict between the violation's two transactions, nil if
	// it is not two transactions'.
	Edge *Edge
	// Rule is what the violated rule says, nil if the rules are not known.
	Rule *Rule
	// Next is what happened next to the subject of a standstill where it went on, or
	// "".
	Next string
	// Trace is every event of the reduced run.
	Trace []sim.TraceEvent
}

// Commands are what to paste: to see the same again, to keep it, and to have it
// explained. "" for those that there are not.
type Commands struct{ Replay, Keep, Explain string }

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
	report := Of(reduced, recorded.Trace)
	report.Seed, report.Injected = failing.Seed, len(failing.Fired)
	report.Next, err = next(target, reduced)
	return report, err
}

// Of is the report of a recorded run, whose trace is given, with what was left of it.
func Of(reduced *shrink.Shrunk, trace []sim.TraceEvent) *Report {
	return &Report{Seed: reduced.Result.Seed, Reduced: reduced, Trace: trace, Edge: newStory(reduced.Result).edge()}
}

// String renders the report, at most 30 lines.
func (r *Report) String() string {
	v := r.Reduced.Result.Violation
	head, tail := r.head(), r.foot()
	head = append(head, r.happened()...)
	if r.Edge != nil {
		head = append(head, r.Edge.line())
	}
	if r.Rule != nil {
		tail = append([]string{r.Rule.line()}, tail...)
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
	lines := []string{fmt.Sprintf("FAIL %s%s, %s: %s", v.Invariant, rule, v.Blame, v.Text)}
	if r.Tells != "" {
		lines = append(lines, "  tells:  "+r.Tells)
	}
	lines = append(lines, strings.TrimRight(fmt.Sprintf("  seed 0x%016x  arm=%s %s", r.Seed, r.Reduced.Result.Arm, world), " "))
	return append(lines, r.faultLines()...)
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
	if r.Explain != "" {
		lines = append(lines, "  more:   "+r.Explain)
	}
	return lines
}

// eventLines name the two events that together are the violation.
func (r *Report) eventLines() (lines []string) {
	v := r.Reduced.Result.Violation
	for i, ref := range []sim.EventRef{v.First, v.Second} {
		if i == 0 && ref.Event == v.Second.Event { // which says it
			continue
		}
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
	switch n := len(deviations); {
	case n > 20: // which they are says little: the steps say more
		deviations = []string{"    " + kindsOf(deviations)}
	case n > 7:
		deviations = append(deviations[:6], fmt.Sprintf("    and %d more: %s", n-6, kindsOf(deviations[6:])))
	}
	return append(lines, deviations...)
}

// happened says what the violation is: a standstill, or its events, what was done of what
// was expected, and what everybody waits for.
func (r *Report) happened() []string {
	if r.Reduced.Result.Violation.Standstill != nil {
		return r.standstillLines()
	}
	return slices.Concat(r.eventLines(), r.sinceLines(), r.loggedLines(), r.waitLines())
}

// kindsOf counts deviations by their kind, the most frequent first.
func kindsOf(lines []string) string {
	counts := map[string]int{}
	for _, line := range lines {
		counts[faultKind(strings.TrimSpace(line))]++
	}
	var parts []string
	for _, kind := range mostFirst(counts) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(parts, ", ")
}

// mostFirst are the keys of counts, those that were counted most often first.
func mostFirst(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// steps picks the recorded events that matter: those on the violation's
// subject that had an effect or were refused one, what the world did, and the
// two events themselves; the last ones if there are too many.
func (r *Report) steps(room int) []string {
	v := r.Reduced.Result.Violation
	var picked []sim.TraceEvent
	active, changed := changers(r.Trace), changed(r.Reduced.Result.History)
	asked := asking(r.Trace, v)
	for _, e := range r.Trace {
		if e.Event > v.Event {
			break
		}
		if e.Level == sim.TraceCall && (v.Second.Event != 0 && e.Event > v.Second.Event || follows(e, changed)) {
			continue
		}
		if matters(e, v, active) || e.Level == sim.TraceCall && asked(e) {
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
	stored := stored(r.Reduced.Result.History)
	for _, e := range picked {
		if words := stored[e.Request]; words != "" && e.Level == sim.TraceCall && strings.HasPrefix(e.Result, "ok") {
			e.Result = words + strings.TrimPrefix(e.Result, "ok")
		}
		lines = append(lines, "  "+stepLine(e, v))
	}
	return lines
}

// stored says what requests stored in objects, by their numbers: "part 2: 50 bytes".
func stored(h *sim.History) map[int]string {
	if h == nil {
		return nil
	}
	m := map[int]string{}
	for _, c := range h.Changes {
		if c.Request == 0 {
			continue
		}
		if op := h.Requests[c.Request-1].Op; op == ops.Put || op == ops.UploadPart {
			m[c.Request], _, _ = strings.Cut(c.After, ", ")
		}
	}
	return m
}

// changed are the requests that changed something, by their numbers; nil if that was
// not recorded.
func changed(h *sim.History) map[int]bool {
	if h == nil {
		return nil
	}
	m := map[int]bool{}
	for _, c := range h.Changes {
		m[c.Request] = true
	}
	return m
}

// follows reports whether a call only carries out what has been decided: the commit of
// a transaction's other keys, after that of its primary.
func follows(e sim.TraceEvent, changed map[int]bool) bool {
	return e.Op == ops.Commit && e.Result == "ok" && changed != nil && !changed[e.Request]
}

// asking tells the calls of whoever was given the answer that the violation is: all
// that it asked about the subject in between, reads among them.
func asking(trace []sim.TraceEvent, v *sim.Violation) func(sim.TraceEvent) bool {
	i := slices.IndexFunc(trace, func(e sim.TraceEvent) bool { return answers(e, v) })
	if i < 0 {
		return func(sim.TraceEvent) bool { return false }
	}
	return func(e sim.TraceEvent) bool {
		return e.Process == trace[i].Process && e.Task == trace[i].Task && e.Event >= v.First.Event && (about(e.Key, v) || e.Result != "ok")
	}
}

// answers reports whether the event is the answer to a client that the violation is.
func answers(e sim.TraceEvent, v *sim.Violation) bool {
	return v.Second.Event != 0 && e.Event == v.Second.Event && e.Level == sim.TraceWorld && e.Task != ""
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
		if !keep(e) {
			counts[repeats(e)]++
		}
	}
	seen := map[repeated]int{}
	var out []sim.TraceEvent
	for _, e := range events {
		if keep(e) {
			out = append(out, e)
			continue
		}
		same := repeats(e)
		seen[same]++
		n := counts[same]
		if n > 2 && seen[same] > 1 && seen[same] < n {
			continue
		}
		if n > 2 && seen[same] == n {
			e.Result = strings.TrimSpace(e.Result + fmt.Sprintf(" (%d times)", n))
		}
		out = append(out, e)
	}
	return out
}

// trim keeps n events: the two of the violation, the faults, but no more of them than
// half of all, the latest of what befell processes, a quarter, and the latest of the
// others.
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
	kinds := map[string]int{} // of the faults
	for _, e := range events {
		if e.Level == sim.TraceFault {
			kinds[faultKind(e.What)]++
		}
	}
	mark(func(e sim.TraceEvent) bool {
		return (e.Level == sim.TraceCall || e.Level == sim.TraceWorld && e.Task != "") && (e.Event == v.First.Event || e.Event == v.Second.Event)
	})
	faults := n / 2
	for _, often := range slices.Compact(slices.Sorted(maps.Values(kinds))) { // the rare ones say most
		mark(func(e sim.TraceEvent) bool {
			if e.Level != sim.TraceFault || kinds[faultKind(e.What)] != often || faults == 0 {
				return false
			}
			faults--
			return true
		})
	}
	lives := n / 4
	mark(func(e sim.TraceEvent) bool {
		if e.Level != sim.TraceWorld || e.Task != "" || e.Process == "" || e.Happened == sim.Exited || lives == 0 {
			return false
		}
		lives--
		return true
	})
	mark(func(e sim.TraceEvent) bool { return e.Op.IsRequest() && e.Op.Service() == ops.KV })
	mark(func(e sim.TraceEvent) bool { return e.Level != sim.TraceFault })
	mark(func(sim.TraceEvent) bool { return true })
	var out []sim.TraceEvent
	for i, e := range events {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}

// faultKind is the kind of a fault's line, or of an ordering's.
func faultKind(line string) string {
	kind, _, _ := strings.Cut(line, " ")
	return kind
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
		line += " " + shortKeys(e.Key, v)
	}
	if result := strings.TrimSpace(strings.TrimPrefix(e.Result, "ok")); result != "" {
		line += ": " + result
	}
	line += wrote(e, v)
	if e.Level == sim.TraceCall && e.Event == v.Second.Event || answers(e, v) {
		line += "   <- violation"
	}
	return strings.TrimRight(line, " ")
}

// wrote shows what a commit left in the rows that the violation is about, two at
// most: those that say most. The violation's own commit shows others, if none is.
func wrote(e sim.TraceEvent, v *sim.Violation) string {
	type row struct{ table, words string }
	var rows, others []row
	for line := range strings.Lines(e.Wrote) {
		key, words, _ := strings.Cut(strings.TrimSpace(line), ": ")
		table, _, _ := strings.Cut(key, "/")
		if about(key, v) {
			rows = append(rows, row{table, words})
		} else {
			others = append(others, row{table, words})
		}
	}
	if len(rows) == 0 && v.Second.Event != 0 && e.Event == v.Second.Event {
		rows = others
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(tells(b.words), tells(a.words)) })
	var shown []string
	for _, row := range rows[:min(len(rows), 2)] {
		shown = append(shown, row.table+" "+row.words)
	}
	if len(shown) == 0 {
		return ""
	}
	return "  [" + strings.Join(shown, "; ") + "]"
}

// tells is how much a row says: a state, an epoch and an owner say more of what
// happened than a beat, and a row that is gone says least.
func tells(words string) int {
	if words == "gone" {
		return 0
	}
	return len(strings.Fields(words))
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
func shortKeys(keys string, v *sim.Violation) string {
	words := strings.Fields(keys)
	if len(words) <= 2 {
		return keys
	}
	var shown []string
	for _, w := range words {
		if sim.About(w, v.Subject) {
			shown = append(shown, w)
		}
	}
	for _, w := range words {
		if len(shown) == 0 && about(w, v) {
			shown = append(shown, w)
		}
	}
	if len(shown) == 0 || len(shown) > 2 {
		shown = words[:2]
	}
	return fmt.Sprintf("%s (%d keys)", strings.Join(shown, " "), len(words))
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
	changed := changed(recorded.History)
	for _, e := range recorded.Trace {
		if follows(e, changed) {
			continue
		}
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
