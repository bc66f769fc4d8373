package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Row is one line of the space-time table: what one process did, and what changed
// in the stores by it.
type Row struct {
	Event   uint64
	At      time.Duration
	Process string // "" for the world
	What    string
	Store   string
	// Deviation is "fault" where a fault of the plan struck, "ordering" where one of
	// its orderings held an event back, and else "".
	Deviation string
	// Violation is set at the event at which an invariant objected.
	Violation bool
}

// maxRows and maxColumns bound the table, maxShown what other lines show of a row.
const (
	maxRows    = 30
	maxColumns = 4
	maxShown   = 34
)

// story finds what happened before what in a recorded run: a slice of the
// happens-before relation (Lamport, 1978) that ends in the violation.
type story struct {
	r *sim.Result
	h *sim.History
	v *sim.Violation
	// changes are the changes of each request, by its number.
	changes map[int][]sim.Change
	// rank is how far a request is from the violation: 0 for its own two; those that
	// are missing do not belong to the slice.
	rank map[int]int
}

func newStory(r *sim.Result) *story {
	s := &story{r: r, h: r.History, v: r.Violation, changes: map[int][]sim.Change{}, rank: map[int]int{}}
	for _, c := range s.h.Changes {
		s.changes[c.Request] = append(s.changes[c.Request], c)
	}
	s.slice()
	return s
}

// slice goes back from the violation's events: to what their transactions read, to
// whoever wrote that last, and to all that changed the violation's subject.
func (s *story) slice() {
	var next []int
	for _, ref := range []sim.EventRef{s.v.Second, s.v.First} {
		if n := s.handledAt(ref.Event); n > 0 {
			s.rank[n] = 0
			next = append(next, n)
		}
	}
	next = append(next, s.asked()...)
	for depth := 1; depth <= 3 && len(next) > 0; depth++ {
		var found []int
		add := func(n int) {
			if _, known := s.rank[n]; n > 0 && !known {
				s.rank[n] = depth
				found = append(found, n)
			}
		}
		for _, n := range next {
			for _, read := range s.reads(n) {
				add(read)
				for _, key := range s.request(read).Keys {
					add(s.writer(key, s.request(read)))
				}
			}
			for _, c := range s.changes[n] {
				if s.about(c.Key) {
					add(s.writerBefore(c.Key, c.Event))
				}
			}
		}
		next = found
	}
	for _, c := range s.h.Changes {
		if _, known := s.rank[c.Request]; c.Request > 0 && !known && s.about(c.Key) && c.Event <= s.end() {
			s.rank[c.Request] = 2
			if !sim.About(c.Key, s.v.Subject) {
				s.rank[c.Request] = 3
			}
		}
	}
}

// end is the event with which the story ends.
func (s *story) end() uint64 { return cmp.Or(s.v.Second.Event, s.v.Event) }

// maxAsked is how many requests of those the table shows that were expected, or that
// led to an answer.
const maxAsked = 4

// asked adds the last requests of whoever the violation expected something of, or who
// was given the answer that it is.
func (s *story) asked() (added []int) {
	var wanted func(q *sim.Request) bool
	if about, _ := since(s.h, s.v); len(about) > 0 {
		wanted = func(q *sim.Request) bool { return slices.Contains(about, q) }
	} else if i := slices.IndexFunc(s.r.Trace, func(e sim.TraceEvent) bool { return answers(e, s.v) }); i >= 0 {
		e := &s.r.Trace[i]
		wanted = func(q *sim.Request) bool {
			return q.Process == e.Process && q.Task == e.Task && q.Sent.Event >= s.v.First.Event && q.Sent.Event <= e.Event
		}
	}
	if wanted == nil {
		return nil
	}
	for i := range s.h.Requests {
		if q := &s.h.Requests[i]; wanted(q) && q.Handled.Event > 0 && (isRead(q.Op) || q.Op.HasEffect()) {
			added = append(added, i+1)
		}
	}
	if s.v.Expected != nil {
		added = added[max(0, len(added)-maxAsked):]
	}
	for _, n := range added {
		if _, known := s.rank[n]; !known {
			s.rank[n] = 1
		}
	}
	return added
}

func (s *story) about(key string) bool { return s.v.Subject != "" && about(key, s.v) }

func (s *story) request(n int) *sim.Request { return &s.h.Requests[n-1] }

// handledAt finds the request that a store handled at an event; 0 for none.
func (s *story) handledAt(event uint64) int {
	for i := range s.h.Requests {
		if r := &s.h.Requests[i]; event > 0 && r.Handled.Event == event {
			return i + 1
		}
	}
	return 0
}

// reads are the reads of a commit's transaction; of other requests, and if it has
// none, the task's last read before it.
func (s *story) reads(n int) (reads []int) {
	r := s.request(n)
	last := 0
	for i := range s.h.Requests {
		q := &s.h.Requests[i]
		switch {
		case q.Sent.Event >= r.Handled.Event:
			return s.orLast(reads, last, r)
		case q.Fate != sim.Handled || q.Process != r.Process || !isRead(q.Op):
		case r.StartTS != 0 && q.StartTS == r.StartTS:
			reads = append(reads, i+1)
		case q.Task == r.Task && q.Incarnation == r.Incarnation:
			last = i + 1
		}
	}
	return s.orLast(reads, last, r)
}

func (s *story) orLast(reads []int, last int, r *sim.Request) []int {
	if len(reads) == 0 && last > 0 {
		return []int{last}
	}
	return reads
}

func isRead(op ops.Op) bool {
	return op == ops.KVGet || op == ops.KVScan || op == ops.Get || op == ops.Head
}

// writer is who wrote the version of a key that a read saw; 0 for nobody.
func (s *story) writer(key string, read *sim.Request) (n int) {
	for i := range s.h.Changes {
		c := &s.h.Changes[i]
		if c.Key == key && (read.StartTS != 0 && c.Commit != 0 && c.Commit <= read.StartTS || c.Commit == 0 && c.Event < read.Handled.Event) {
			n = c.Request
		}
	}
	return n
}

// writerBefore is who wrote a key last before an event; 0 for nobody.
func (s *story) writerBefore(key string, event uint64) (n int) {
	for i := range s.h.Changes {
		if c := &s.h.Changes[i]; c.Key == key && c.Event < event {
			n = c.Request
		}
	}
	return n
}

// table lays the slice out: the processes that it involves, and its rows in the
// order of the run, at most maxRows; omitted is how many are left out.
func (s *story) table() (columns []string, rows []Row, omitted int) {
	chosen := s.choose()
	involved := map[string]int{}
	for _, n := range chosen {
		involved[s.request(n).Process] = min(cmp.Or(involved[s.request(n).Process], 10), s.rank[n]+1)
	}
	for _, strike := range s.h.Strikes {
		involved[strike.Fault.At.Process] = 1
	}
	for _, o := range s.r.Ordered {
		involved[o.Hold.Call.Process] = 1
	}
	for _, name := range slices.SortedFunc(maps.Keys(involved), func(a, b string) int {
		return cmp.Or(cmp.Compare(involved[a], involved[b]), cmp.Compare(a, b))
	}) {
		if len(columns) < maxColumns {
			columns = append(columns, name)
		}
	}
	slices.Sort(columns)
	rows = slices.Concat(s.strikes(columns), s.orderings(columns), s.lives(columns))
	room := max(maxRows-len(rows), 4)
	omitted = len(s.rank) - len(chosen)
	var told []Row
	for _, n := range chosen {
		if r := s.request(n); slices.Contains(columns, r.Process) && len(told) < room {
			told = append(told, s.row(n))
		} else {
			omitted++
		}
	}
	rows = append(rows, told...)
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Event, b.Event), cmp.Compare(order(a), order(b))) })
	return columns, rows, omitted
}

// order puts a fault before what it does at the same event.
func order(r Row) int {
	switch {
	case r.Process == "":
		return 0
	case r.Deviation != "":
		return 2
	}
	return 1
}

// choose orders the slice's requests: the nearest to the violation first, and among
// equals the latest. Beats that differ in nothing but their number are one.
func (s *story) choose() []int {
	all := slices.SortedFunc(maps.Keys(s.rank), func(a, b int) int {
		return cmp.Or(cmp.Compare(s.rank[a], s.rank[b]), cmp.Compare(b, a))
	})
	said := map[[4]string]bool{}
	return slices.DeleteFunc(all, func(n int) bool {
		r := s.request(n)
		same := [4]string{r.Process, r.Step, r.Op.String(), strings.Join(r.Keys, " ")}
		again := said[same] && s.rank[n] > 0
		said[same] = true
		return again || r.Handled.Event == 0
	})
}

// row tells a request.
func (s *story) row(n int) Row {
	r := s.request(n)
	row := Row{Event: r.Handled.Event, At: r.Handled.At, Process: r.Process, What: s.deed(r)}
	if s.astray(r) {
		row.What += " (as " + r.Process + "/" + r.Incarnation + ")"
	}
	row.Store = s.wrote(n)
	row.Violation = s.v.Second.Event != 0 && row.Event == s.v.Second.Event
	return row
}

// astray reports whether the request was sent by an incarnation whose successor lived
// already: the table has one column for both.
func (s *story) astray(r *sim.Request) bool {
	newest := ""
	for _, l := range s.h.Lives {
		if l.Process == r.Process && l.Happened == sim.Booted && l.Event <= r.Sent.Event {
			newest = l.Incarnation
		}
	}
	return newest != "" && newest != r.Incarnation
}

// wrote is what a request left in the stores: two rows at most, those first that are
// about the subject and say most.
func (s *story) wrote(n int) string {
	changes := slices.Clone(s.changes[n])
	far := func(c sim.Change) int {
		if s.about(c.Key) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(changes, func(a, b sim.Change) int {
		return cmp.Or(cmp.Compare(far(a), far(b)), cmp.Compare(tells(cmp.Or(b.After, "gone")), tells(cmp.Or(a.After, "gone"))))
	})
	text := ""
	for i, c := range changes[:min(len(changes), 2)] {
		said := shortKey(c.Key, s.v.Subject) + ": " + cmp.Or(c.After, "gone")
		switch {
		case i == 0:
			text = said
		case far(c) == 0 && utf8.RuneCountInString(text+said) <= storeWidth:
			text += "; " + said
		}
	}
	return text
}

// deed is what a request did, in a few words; of a read what it saw.
func (s *story) deed(r *sim.Request) string {
	what := strings.TrimSpace(r.Step + " " + opWord(r.Op))
	if !isRead(r.Op) {
		if r.Status != "ok" {
			what += " " + shortKey(r.Primary, s.v.Subject) + ": " + r.Status
		}
		return what
	}
	what += " " + shortKey(r.Primary, s.v.Subject)
	if saw := seen(s.h, r.Primary, r); saw != "" {
		what += ": " + saw
	} else if r.Status != "ok" {
		what += ": " + r.Status
	}
	return what
}

// seen is what a read was answered with about a key: "gone" if it was deleted before,
// and "" if nobody has ever written it.
func seen(h *sim.History, key string, r *sim.Request) (words string) {
	for i := range h.Changes {
		c := &h.Changes[i]
		if c.Key == key && (r.StartTS != 0 && c.Commit != 0 && c.Commit <= r.StartTS || c.Commit == 0 && c.Event < r.Handled.Event) {
			words = cmp.Or(c.After, "gone")
		}
	}
	return words
}

// strikes tells the plan's faults, which shrinking has found to be necessary.
func (s *story) strikes(columns []string) (rows []Row) {
	for _, strike := range s.h.Strikes {
		if strike.From.Event > s.v.Event || !slices.Contains(columns, strike.Fault.At.Process) {
			continue
		}
		what := "-- " + strike.Fault.Name()
		if strike.Until > strike.From.At {
			what += " until " + seconds(strike.Until)
		}
		rows = append(rows, Row{Event: strike.From.Event, At: strike.From.At, Process: strike.Fault.At.Process, What: what, Deviation: "fault"})
	}
	return rareFirst(rows, maxRows/2)
}

// rareFirst keeps n of the rows of faults: of the kinds of which there are few all, of
// the others the latest.
func rareFirst(rows []Row, n int) []Row {
	counts := map[string]int{}
	kind := func(r Row) string { return faultKind(strings.TrimPrefix(r.What, "-- ")) }
	for _, r := range rows {
		counts[kind(r)]++
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(counts[kind(a)], counts[kind(b)]), cmp.Compare(b.Event, a.Event))
	})
	return rows[:min(len(rows), n)]
}

// orderings tells where the plan's orderings held events back.
func (s *story) orderings(columns []string) (rows []Row) {
	for _, o := range s.r.Ordered {
		i := slices.IndexFunc(s.r.Trace, func(e sim.TraceEvent) bool { return e.Level == sim.TraceFault && e.What == "order "+o.String() })
		if i < 0 || !slices.Contains(columns, o.Hold.Call.Process) {
			continue
		}
		e := s.r.Trace[i]
		what := fmt.Sprintf("-- %s held until after %s", momentWords(o.Hold), momentWords(o.After))
		rows = append(rows, Row{Event: e.Event, At: e.At, Process: e.Process, What: what, Deviation: "ordering"})
	}
	return rows
}

// momentWords is a moment in a few words: "the reply to w0/worker's flip commit".
func momentWords(m fault.Moment) string {
	c := m.Call
	words := fmt.Sprintf("%s/%s %s #%d", c.Process, c.Task, opWord(c.Op), c.Nth)
	if c.Step != "-" {
		words = fmt.Sprintf("%s/%s %s %s #%d", c.Process, c.Task, c.Step, opWord(c.Op), c.Nth)
	}
	if m.Leg != fault.Request {
		words += " " + m.Leg.String()
	}
	return words
}

// lives tells what befell the processes of the table, and the world.
func (s *story) lives(columns []string) (rows []Row) {
	for _, l := range s.h.Lives {
		if l.Event > s.v.Event || l.Process != "" && !slices.Contains(columns, l.Process) {
			continue
		}
		switch {
		case l.Happened == sim.Paused, l.Happened == sim.FaultFired, l.Happened == sim.Collected:
			continue // the fault says it
		case l.Happened == sim.Booted && l.Incarnation == "1":
			continue
		case slices.ContainsFunc(s.h.Strikes, func(k sim.Strike) bool {
			return k.From.At == l.At && k.Fault.At.Process == l.Process && k.Fault.Name() == l.Happened.String()
		}):
			continue
		case l.Happened == sim.Exited && s.v.Standstill == nil:
			continue
		}
		what := "-- " + l.Happened.String()
		if l.Happened == sim.Booted {
			what += " as " + l.Process + "/" + l.Incarnation
		}
		rows = append(rows, Row{Event: l.Event, At: l.At, Process: l.Process, What: what})
	}
	return rows[max(0, len(rows)-maxRows/4):]
}

// opWord is an operation without its service: the table's column says it.
func opWord(op ops.Op) string {
	if _, word, ok := strings.Cut(op.String(), "."); ok {
		return word
	}
	return op.String()
}

// shortKey leaves out of a key what the subject says, if more than that is left:
// "merge" of "merge/lab/data/00000001".
func shortKey(key, subject string) string {
	if subject == "" || !sim.About(key, subject) {
		return key
	}
	before, after, _ := strings.Cut(key, subject)
	before, after = strings.Trim(before, "/"), strings.Trim(after, "/")
	if table, _, ok := strings.Cut(before, "/"); ok && len(before) > maxBefore {
		before = table + "/..."
	}
	switch {
	case after == "":
		return cmp.Or(before, key)
	case before == "":
		return ".../" + after
	}
	return strings.TrimSuffix(before, "/...") + "/.../" + after
}

// maxBefore is how much of a key is shown before the subject.
const maxBefore = 12
