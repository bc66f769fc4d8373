package explain

import (
	"cmp"
	"fmt"
	"slices"

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
	// Start and Commit are its timestamps.
	Start, Commit uint64
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
	case read != "" && !concurrent && !named:
		return nil // it knew: no conflict would have helped
	case read != "" && !concurrent:
		e.Key, e.Missing = read, "the second one read it after the first one's commit, and went on: it should have compared what it read"
	case both != "" && concurrent:
		e.Key, e.Missing = both, "both wrote or locked it, and their times overlap: the store should have refused one of them"
	case both != "":
		e.Key, e.Missing = both, "the second one began after the first one's commit and wrote over it: it should have compared what it found there"
		if r := s.staleRead(second, both); r != nil {
			e.Missing = fmt.Sprintf("the second one writes what follows from a read in an earlier transaction (start %s), before that: it should have read it in its own", timestamp(r.StartTS))
		}
	case read != "":
		e.Key, e.Missing = read, "the second one read it before that and neither wrote nor locked it: a lock would have been refused"
	case concurrent:
		e.Key, e.Missing = s.own(first.Wrote), "the second one had begun before and neither read nor locked it: a lock would have been refused"
	default:
		e.Key, e.Missing = s.own(first.Wrote), "the second one began after that and never read it"
	}
	return e
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
	t = Transaction{Who: r.Who, Start: r.StartTS, Commit: s.changes[n][0].Commit}
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

// lines render the edge.
func (e *Edge) lines() []string {
	line := func(t Transaction) string {
		return fmt.Sprintf("%s/%s %s, start %s, commit %s; read %d rows and %d ranges, locked %d rows, changed %d",
			t.Who.Process, t.Who.Incarnation, t.Who.Step, timestamp(t.Start), timestamp(t.Commit), len(t.Read), len(t.Scanned), len(t.Locked), len(t.Wrote))
	}
	return []string{
		"  first transaction:  " + line(e.First),
		"  second transaction: " + line(e.Second),
		fmt.Sprintf("  missing edge: %s, which the first one wrote at %s: %s", cmp.Or(e.Key, "a row"), timestamp(e.First.Commit), e.Missing),
	}
}

// timestamp prints a timestamp of TiKV as virtual seconds, with its logical part if
// that is not zero: "80.796+2".
func timestamp(ts uint64) string {
	at, logical := sim.TimestampOf(ts)
	if logical == 0 {
		return seconds(at)
	}
	return fmt.Sprintf("%s+%d", seconds(at), logical)
}
