package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Edge is the conflict that two transactions should have had. The order of their
// commits then could not have come about: one would have been refused.
type Edge struct {
	First, Second Transaction
	// Key is the row that both have to do with, "" if they share none.
	Key string
	// Missing says which read or write of the second one is missing.
	Missing string
}

// Transaction is one that was committed.
type Transaction struct {
	Who sim.Who
	// Start and Commit are its timestamps, Stamp the event at which it was committed.
	Start, Commit uint64
	sim.Stamp
	// Wrote are the rows that it changed, Locked those that it wrote or locked, Read
	// those that it read one by one, Scanned where its scans began.
	Wrote, Locked, Read, Scanned []string
}

// edge finds the missing conflict of the violation's two commits.
func (s *story) edge() *Edge {
	second, ok := s.transaction(s.v.Second.Event)
	if !ok {
		return nil
	}
	named := s.v.First.Event != 0
	first, ok := s.transaction(s.v.First.Event)
	if !ok {
		first, ok = s.transaction(s.lastRival(second))
	}
	if !ok || first.Commit > second.Commit || first.Start == second.Start {
		return nil
	}
	e := &Edge{First: first, Second: second}
	both := s.shared(first.Wrote, second.Locked)
	read := s.shared(first.Wrote, second.Read)
	concurrent := second.Start < first.Commit
	switch {
	case read != "" && !concurrent && (!named || s.overwritten(read, first, second)):
		return nil // it knew: no conflict would have helped
	case read+both != "" && sameTask(first, second):
		return nil // it goes on with its own work
	case read != "" && !concurrent:
		e.Key, e.Missing = read, s.sawIt(second, read)
	case both != "" && concurrent:
		e.Key, e.Missing = both, "both wrote or locked it, and their times overlap: the store should have refused one of them"
	case both != "":
		e.Key, e.Missing = both, "the second one began after that and wrote over it: it should have compared what it found there"
		if r := s.staleRead(second, both); r != nil {
			e.Missing = fmt.Sprintf("the second one writes what follows from a read in an earlier transaction (start %s), before that: it should have read it in its own", sim.Timestamp(r.StartTS))
		}
	case read != "":
		e.Key, e.Missing = read, "the second one read it before that and neither wrote nor locked it: a lock would have been refused"
	case !s.passedBy(e):
		return nil
	}
	return e
}

// sameTask reports whether a task goes on with its own work.
func sameTask(first, second Transaction) bool {
	return first.Who.Process == second.Who.Process && first.Who.Incarnation == second.Who.Incarnation && first.Who.Task == second.Who.Task
}

// passedBy says of which row the second transaction should have known, if it has read and
// locked none of those that the first one wrote: of the one that says most, and then who
// wrote that last is the first one. It reports false if that is its own work.
func (s *story) passedBy(e *Edge) bool {
	e.Key = s.own(e.First.Wrote)
	most := -1
	for _, c := range s.changes[s.handledAt(e.First.Event)] {
		if n := tells(cmp.Or(c.After, "gone")); n > most && s.about(c.Key) {
			e.Key, most = c.Key, n
		}
	}
	for _, c := range s.h.Changes {
		if c.Key == e.Key && c.Commit > e.First.Commit && c.Commit < e.Second.Commit {
			if t, ok := s.transaction(c.Event); ok {
				e.First = t
			}
		}
	}
	e.Missing = "the second one began after that and never read it"
	if e.Second.Start < e.First.Commit {
		e.Missing = "the second one had begun before and neither read nor locked it: a lock would have been refused"
	}
	return !sameTask(e.First, e.Second)
}

// overwritten reports whether another process wrote a row between two transactions: then
// the second has not seen what the first one wrote. Who renews what it has claimed has not
// changed what the second should have minded.
func (s *story) overwritten(key string, first, second Transaction) bool {
	return slices.ContainsFunc(s.h.Changes, func(c sim.Change) bool {
		if c.Key != key || c.Commit <= first.Commit || c.Commit >= second.Start {
			return false
		}
		by, ok := s.transaction(c.Event)
		return !ok || by.Who.Process != first.Who.Process || by.Who.Incarnation != first.Who.Incarnation
	})
}

// sawIt says that a transaction read what it should have minded. Whoever has looked more
// than once judged by how it went on: then it says what that task had seen by then.
func (s *story) sawIt(t Transaction, key string) string {
	var sights []sight
	looks := 0
	for i := range s.h.Requests {
		r := &s.h.Requests[i]
		if r.Who != t.Who || r.StartTS > t.Start || r.Fate != sim.Handled || !looked(r, key) {
			continue
		}
		looks++
		words := cmp.Or(seen(s.h, key, r), "nothing")
		if n := len(sights); n > 0 && sights[n-1].words == words {
			sights[n-1].times++
			sights[n-1].to = r.Handled.At
			continue
		}
		sights = append(sights, sight{words: words, times: 1, from: r.Handled.At, to: r.Handled.At})
	}
	if looks < 2 {
		return "the second one read it after that, and went on: it should have compared what it read"
	}
	var texts []string
	for _, last := range sights[max(0, len(sights)-maxSights):] {
		texts = append(texts, last.String())
	}
	return "the second one has seen " + strings.Join(texts, ", then ") + ", and went on"
}

// maxSights bounds what is told of a row that changed between looks at it.
const maxSights = 3

// sight is what somebody has seen of a row again and again.
type sight struct {
	words    string
	times    int
	from, to time.Duration
}

func (s sight) String() string {
	if s.times == 1 {
		return fmt.Sprintf("%q at %s", s.words, clockText(s.from))
	}
	when := clockText(s.from)
	if to := clockText(s.to); to != when {
		when += " to " + to
	}
	return fmt.Sprintf("%q %d times, %s", s.words, s.times, when)
}

// looked reports whether a request has read a row, by itself or in a scan.
func looked(r *sim.Request, key string) bool {
	return r.Op == ops.KVGet && r.Primary == key || r.Listing != nil && slices.Contains(r.Listing.Keys, key)
}

// staleRead is the last read of a key by the transaction's task in an earlier one of
// its transactions; nil for none.
func (s *story) staleRead(t Transaction, key string) (last *sim.Request) {
	for i := range s.h.Requests {
		r := &s.h.Requests[i]
		if r.Who == t.Who && r.Op == ops.KVGet && r.Primary == key && r.StartTS < t.Start && r.Fate == sim.Handled {
			last = r
		}
	}
	return last
}

// lastRival is the event of the last commit by another process that changed a row
// which the transaction read or locked; 0 for none. It stands in for the first
// event where an invariant names none.
func (s *story) lastRival(t Transaction) (event uint64) {
	for _, c := range s.h.Changes {
		if c.Commit == 0 || c.Commit >= t.Commit || c.Start == t.Start || c.Request == 0 || s.request(c.Request).Process == t.Who.Process {
			continue
		}
		if slices.Contains(t.Read, c.Key) || slices.Contains(t.Locked, c.Key) {
			event = c.Event
		}
	}
	return event
}

// transaction is the one that an event committed.
func (s *story) transaction(event uint64) (t Transaction, ok bool) {
	n := s.handledAt(event)
	if n == 0 || s.request(n).StartTS == 0 || len(s.changes[n]) == 0 {
		return t, false
	}
	r := s.request(n)
	t = Transaction{Who: r.Who, Start: r.StartTS, Commit: s.changes[n][0].Commit, Stamp: s.changes[n][0].Stamp}
	for _, c := range s.changes[n] {
		t.Wrote = append(t.Wrote, c.Key)
	}
	for i := range s.h.Requests {
		q := &s.h.Requests[i]
		if q.StartTS != t.Start || q.Process != r.Process || q.Fate == sim.Lost {
			continue
		}
		switch q.Op {
		case ops.Prewrite:
			t.Locked = append(t.Locked, q.Keys...)
		case ops.KVGet:
			t.Read = append(t.Read, q.Primary)
		case ops.KVScan:
			t.Scanned = append(t.Scanned, q.Primary)
		}
	}
	return t, true
}

// shared is a key of both lists, one about the subject if there is such; "" for
// none.
func (s *story) shared(a, b []string) string {
	return s.own(slices.DeleteFunc(slices.Clone(a), func(key string) bool { return !slices.Contains(b, key) }))
}

// own is the first of the keys that is about the subject, or about another one whose
// story belongs to it, or the first.
func (s *story) own(keys []string) string {
	its := func(key string) bool { return s.v.Subject != "" && sim.About(key, s.v.Subject) }
	for _, wanted := range []func(string) bool{its, s.about, func(string) bool { return true }} {
		if i := slices.IndexFunc(keys, wanted); i >= 0 {
			return keys[i]
		}
	}
	return ""
}

// line is what lies between the two transactions, in a sentence that names them.
func (e *Edge) line() string {
	name := func(t Transaction) string {
		return t.Who.Process + "/" + t.Who.Incarnation + "'s " + cmp.Or(t.Who.Step, t.Who.Task)
	}
	text := strings.NewReplacer("the second one", name(e.Second), "the first one", name(e.First)).Replace(e.Missing)
	return fmt.Sprintf("  between: %s, which %s wrote at %s: %s", cmp.Or(e.Key, "a row"), name(e.First), clockText(e.First.At), text)
}

// lines render the edge.
func (e *Edge) lines() []string {
	line := func(t Transaction) string {
		return fmt.Sprintf("%s/%s %s, start %s, commit %s; read %d rows and %d ranges, locked %d rows, changed %d",
			t.Who.Process, t.Who.Incarnation, t.Who.Step, sim.Timestamp(t.Start), sim.Timestamp(t.Commit), len(t.Read), len(t.Scanned), len(t.Locked), len(t.Wrote))
	}
	return []string{
		"  first transaction:  " + line(e.First),
		"  second transaction: " + line(e.Second),
		fmt.Sprintf("  missing edge: %s, which the first one wrote at %s: %s", cmp.Or(e.Key, "a row"), sim.Timestamp(e.First.Commit), e.Missing),
	}
}
