package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// ledger is a history that is written down by hand: an event a second.
type ledger struct {
	sim.History
	ts uint64
}

// begins is the timestamp with which a transaction begins.
func (l *ledger) begins() uint64 {
	l.ts++
	return l.ts
}

// reads is a read of one key in a transaction.
func (l *ledger) reads(process, step, key string, start uint64) {
	l.ts++
	l.Requests = append(l.Requests, l.request(process, step, ops.KVGet, key, start))
}

// commits is a transaction that began with the given timestamp and leaves a row.
func (l *ledger) commits(process, step string, start uint64, key, after string) (event uint64) {
	l.ts++
	l.Requests = append(l.Requests, l.request(process, step, ops.Prewrite, key, start))
	l.ts++
	q := l.request(process, step, ops.Commit, key, start)
	l.Requests = append(l.Requests, q)
	l.Changes = append(l.Changes, sim.Change{Request: len(l.Requests), Commit: l.ts, Start: start, Stamp: q.Handled, Key: key, After: after})
	return q.Handled.Event
}

func (l *ledger) request(process, step string, op ops.Op, key string, start uint64) sim.Request {
	at := sim.Stamp{Event: l.ts, At: time.Duration(l.ts) * time.Second}
	return sim.Request{
		Who: sim.Who{Process: process, Incarnation: "1", Task: "worker", Step: step}, Op: op, Keys: []string{key}, Primary: key,
		StartTS: start, Sent: at, Handled: at, Fate: sim.Handled, Status: "ok", End: sim.EndReply,
	}
}

// between is the line about the ledger's two events.
func (l *ledger) between(first, second uint64) string {
	v := &sim.Violation{Subject: "u", First: sim.EventRef{Event: first}, Second: sim.EventRef{Event: second}, Event: second}
	e := newStory(&sim.Result{Violation: v, History: &l.History}).edge()
	if e == nil {
		return ""
	}
	return e.line()
}

// early is the start of a transaction that begins before any other.
const early = 1

// A report says what the second of two transactions knew of the first.
func TestBetween(t *testing.T) {
	for name, c := range map[string]struct {
		second func(l *ledger) uint64
		says   string
	}{
		"it has read it, and goes on": {func(l *ledger) uint64 {
			start := l.begins()
			l.reads("w1", "flip", "unit/u", start)
			return l.commits("w1", "flip", start, "unit/u", "state=2")
		}, "  between: unit/u, which w0/1's claim wrote at 4.000s: w1/1's flip read it after that, and went on: it should have compared what it read"},
		"it has looked again and again": {func(l *ledger) uint64 {
			l.reads("w1", "reap", "unit/u", l.begins())
			start := l.begins()
			l.reads("w1", "reap", "unit/u", start)
			return l.commits("w1", "reap", start, "unit/u", "state=2")
		}, `  between: unit/u, which w0/1's claim wrote at 4.000s: w1/1's reap has seen "state=1" 2 times, 6.000s to 8.000s, and went on`},
		"somebody else wrote in between": {func(l *ledger) uint64 {
			l.commits("w2", "fail", l.begins(), "unit/u", "state=3")
			start := l.begins()
			l.reads("w1", "flip", "unit/u", start)
			return l.commits("w1", "flip", start, "unit/u", "state=2")
		}, ""},
		"the first one has renewed it in between": {func(l *ledger) uint64 {
			l.commits("w0", "renew", l.begins(), "unit/u", "state=1 beat=2")
			start := l.begins()
			l.reads("w1", "flip", "unit/u", start)
			return l.commits("w1", "flip", start, "unit/u", "state=2")
		}, "  between: unit/u, which w0/1's claim wrote at 4.000s: w1/1's flip read it after that, and went on: it should have compared what it read"},
		"it never reads it, and somebody wrote it last": {func(l *ledger) uint64 {
			l.commits("w2", "reap", l.begins(), "unit/u", "state=3")
			return l.commits("w0", "checkpoint", l.begins(), "checkpoint/u", "seq=1")
		}, "  between: unit/u, which w2/1's reap wrote at 7.000s: w0/1's checkpoint began after that and never read it"},
		"it goes on with its own": {func(l *ledger) uint64 {
			start := l.begins()
			l.reads("w0", "claim", "unit/u", start)
			return l.commits("w0", "claim", start, "unit/u", "state=2")
		}, ""},
		"it reads it before": {func(l *ledger) uint64 {
			l.reads("w2", "checkpoint", "unit/u", early)
			return l.commits("w2", "checkpoint", early, "checkpoint/u", "seq=1")
		}, "  between: unit/u, which w0/1's claim wrote at 4.000s: w2/1's checkpoint read it before that and neither wrote nor locked it: a lock would have been refused"},
	} {
		l := &ledger{ts: early}
		first := l.commits("w0", "claim", l.begins(), "unit/u", "state=1")
		require.Equal(t, c.says, l.between(first, c.second(l)), name)
	}

	// Who sees something else in the end is told by all that it has seen.
	l := &ledger{}
	l.commits("w0", "claim", l.begins(), "unit/u", "epoch=1 beat=1")
	l.reads("w1", "reap", "unit/u", l.begins())
	first := l.commits("w0", "claim", l.begins(), "unit/u", "epoch=2 beat=1")
	start := l.begins()
	l.reads("w1", "reap", "unit/u", start)
	second := l.commits("w1", "reap", start, "unit/u", "state=2")
	require.Contains(t, l.between(first, second), `w1/1's reap has seen "epoch=1 beat=1" at 5.000s, then "epoch=2 beat=1" at 10.000s, and went on`)
}
