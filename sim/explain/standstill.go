package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/shrink"
)

// What a report says of a system that is not done when it must be.

// Bounds of what a report lists.
const (
	maxWaits    = 8
	maxChanging = 3
	maxTurn     = 6 // steps of a turn
	maxListed   = 4
	maxFutures  = 4 // runs that look for one in which the subject goes on
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
	if touch := lastTouch(r.Trace, v); touch != nil && touch.Event == v.First.Event {
		say("last touch", "the same: nobody has looked at it since")
	} else if touch != nil {
		say("last touch", fmt.Sprintf("event %d at %s: %s", touch.Event, clockText(touch.At), deed(*touch, v)))
	}
	if text := r.seen(); text != "" {
		say("listed", text)
	}
	if r.Next != "" {
		say("next", r.Next)
	}
	for _, lock := range s.Locks {
		say("lock", lock)
	}
	for i := range s.Circle {
		say("circle", s.Circle[i].String())
	}
	if s.Kind == sim.TimerStorm {
		say("busiest", fmt.Sprintf("%s, %d of the last %d events", s.Busiest, s.Woken, s.Watched))
	}
	if len(s.Changing) > 0 {
		say("still changes", changingText(s.Changing))
	}
	for _, text := range r.logged("", maxLogged) {
		say("logged", text)
	}
	return slices.Concat(lines, r.turnLines(), r.waitLines())
}

// seen says whether what stands still has come in what anybody listed since its last
// change: who never sees a thing passes it by.
func (r *Report) seen() string {
	v, h := r.Reduced.Result.Violation, r.Reduced.Result.History
	if h == nil || v.First.Event == 0 {
		return ""
	}
	with, without := pagesOf(expected(h, v, &sim.Expected{}), v.Subject)
	if len(with)+len(without) == 0 {
		return ""
	}
	text := fmt.Sprintf("in %d of %d pages since", len(with), len(with)+len(without))
	counts := map[string]int{}
	for _, q := range with {
		counts[strings.TrimSpace(q.Step+" "+q.Op.String())+" "+shortKeys(plan.Printable(q.Listing.From), v)]++
	}
	if len(counts) > 0 {
		text += ": " + countedText(counts)
	}
	return text
}

// countedText lists those of which there are most.
func countedText(counts map[string]int) string {
	var parts []string
	kinds := mostFirst(counts)
	for _, kind := range kinds[:min(len(kinds), maxListed)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", kind, counts[kind]))
	}
	return strings.Join(parts, ", ")
}

// turnLines say what happens between two times that the world is in the same state:
// the commits about what takes part, each kind once.
func (r *Report) turnLines() (lines []string) {
	v := r.Reduced.Result.Violation
	s := v.Standstill
	if s.Turns == 0 || len(s.Moving) == 0 {
		return nil
	}
	about := &sim.Violation{Subject: s.Moving[0], Also: s.Moving}
	lines = append(lines, fmt.Sprintf("  one turn of %.1fs, the last of %d:", s.Period.Seconds(), s.Turns))
	told := map[string]bool{}
	for _, e := range r.Trace {
		if e.Op != ops.Commit || e.At <= v.At-s.Period || wrote(e, about) == "" {
			continue
		}
		text := deed(e, about)
		if kind := e.Process + withoutDigits(text); !told[kind] && len(lines) <= maxTurn {
			told[kind] = true
			lines = append(lines, "    "+text)
		}
	}
	return lines
}

// waitLines say what everybody waits for, where something has not happened in time.
func (r *Report) waitLines() []string {
	v := r.Reduced.Result.Violation
	if len(v.Waits)+len(v.Absent) == 0 {
		return nil
	}
	var refused, others []string // a task that was refused something says most
	var idle []sim.Wait          // between two rounds
	for _, w := range v.Waits {
		switch answer := lastAnswer(r.Reduced.Result.History, &w); {
		case answer != "":
			refused = append(refused, "    "+w.String()+answer)
		case w.Op == ops.Sleep && w.Step == "":
			idle = append(idle, w)
		default:
			others = append(others, "    "+w.String())
		}
	}
	others = append(others, idleLines(idle)...)
	all := append(refused, others...)
	lines := append([]string{"  waits:"}, all[:min(len(all), maxWaits)]...)
	if len(all) > maxWaits {
		lines[maxWaits] = fmt.Sprintf("    and %d more", len(all)-maxWaits+1)
	}
	if len(v.Absent) > 0 {
		lines = append(lines, "    "+strings.Join(v.Absent, ", "))
	}
	return lines
}

// idleLines say which tasks sleep between two rounds, those of the same processes in
// one line.
func idleLines(idle []sim.Wait) (lines []string) {
	for len(idle) > 0 {
		processes := strings.Join(idle[0].Processes, " ")
		var tasks []string
		var longest time.Duration
		var others []sim.Wait
		for _, w := range idle {
			if strings.Join(w.Processes, " ") != processes {
				others = append(others, w)
				continue
			}
			tasks = append(tasks, w.Task)
			longest = max(longest, w.For)
		}
		sleep := "sleeps, for"
		if len(tasks) > 1 {
			sleep = "sleep, for at most"
		}
		lines = append(lines, fmt.Sprintf("    %s/%s: %s %.1fs", processes, strings.Join(tasks, " "), sleep, longest.Seconds()))
		idle = others
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

// next says what became of the subject where it went on from the state in which it
// stands still: without one of the faults, or with other latencies after its last
// change.
func next(target sim.Target, reduced *shrink.Shrunk) (string, error) {
	v := reduced.Result.Violation
	if v.Standstill == nil || v.First.Event == 0 {
		return "", nil
	}
	tries, held := min(len(reduced.Plan.Faults), maxFutures), 0
	for i := range maxFutures {
		p, how := reduced.Plan.Clone(), "with other latencies"
		p.Faults = slices.Clone(reduced.Plan.Faults)
		event := v.First.Event
		if i < tries {
			how = "without the " + p.Faults[i].Name()
			p.Faults, event = slices.Delete(p.Faults, i, i+1), 0
		}
		r, err := sim.BranchRecorded(target, p, event, uint64(i))
		if err != nil {
			return "", err
		}
		if r.Violation != nil {
			continue
		}
		held++
		if text := wentOn(r.History, reduced.Result.History, v); text != "" {
			return how + ": " + text, nil
		}
	}
	if held > 0 {
		return "", nil
	}
	return fmt.Sprintf("never, in %d other runs (without a fault, with other latencies)", maxFutures), nil
}

// wentOn finds the first change, in a run that holds, of the subject's row from what
// it is in the end of the failing run; or from the same but for the numbers in it.
func wentOn(holds, fails *sim.History, v *sim.Violation) string {
	final := ""
	for _, c := range fails.Changes {
		if c.Key == v.Standstill.Row {
			final = c.After
		}
	}
	for _, same := range []func(string) string{func(words string) string { return words }, withoutDigits} {
		for _, c := range holds.Changes {
			if c.Key != v.Standstill.Row || c.Request == 0 || same(c.Before) != same(final) || same(c.Before) == same(c.After) {
				continue
			}
			r := holds.Requests[c.Request-1]
			return fmt.Sprintf("%s/%s %s at %s, %s: %s -> %s", r.Process, r.Task, strings.TrimSpace(r.Step+" "+opWord(r.Op)), clockText(c.At),
				c.Key, cut(c.Before, maxShown), cut(cmp.Or(c.After, "gone"), maxShown))
		}
	}
	return ""
}

func withoutDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// deed is who did what, with single spaces and without the time.
func deed(e sim.TraceEvent, v *sim.Violation) string {
	return strings.Join(strings.Fields(stepLine(e, v))[1:], " ")
}

// lastAnswer is what a task that sleeps was last told by a store, if that was not
// what it had asked for.
func lastAnswer(h *sim.History, w *sim.Wait) string {
	if h == nil || w.Op != ops.Sleep {
		return ""
	}
	for _, q := range slices.Backward(h.Requests) {
		if q.Task != w.Task || !slices.Contains(w.Processes, q.Process) || q.End == sim.NoEnd {
			continue // nobody waits for the second half of a commit
		}
		if q.Status == "ok" && q.End == sim.EndReply {
			return ""
		}
		why := q.Status
		if q.End != sim.EndReply {
			why = q.End.String()
		}
		return fmt.Sprintf(", after %s %s: %s", q.Op, cut(strings.Join(q.Keys, " "), maxShown), why)
	}
	return ""
}
