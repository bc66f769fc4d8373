package sim

import (
	"cmp"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// pct is probabilistic concurrency testing (Burckhardt et al., 2010), with tasks for
// threads: each has a priority, the highest is next, and d-1 times a task
// becomes the lowest of all when its turn comes. A bug that needs d orderings is found with
// a probability of at least 1/(n*k^(d-1)), of n tasks with k events in all. Where
// these changes lie is drawn for each event by itself, so that it depends on
// nothing else: of k events one is a change in the mean, as often as there are some left.
//
// Time passes when no message is pending, or when one arrives. Under trace-aware
// PCT (Ozkan, Majumdar and Oraee, 2019) changes lie at the requests that change
// something, of which there are few, and a change holds the request until past a
// time-out or a lease: else no timer would come between.
type pct struct {
	*scheduler
	aware   bool
	bounds  *Bounds
	chance  uint64 // of 2^32 that an event is a change
	changes int    // that are left
	lowest  int    // how many there were
}

// newPCT draws up to four changes, among 32 to 4,096 events.
func newPCT(s *scheduler, a armSetup) strategy {
	d := keyed.New(a.seed, "pct")
	p := &pct{scheduler: s, changes: int(d.Between("changes", 0, 4))}
	p.expect(d.LogBetween("events", 32, 4096))
	return p
}

// newTraceAwarePCT draws one change or two, among 4 to 256 requests.
func newTraceAwarePCT(s *scheduler, a armSetup) strategy {
	d := keyed.New(a.seed, "pct")
	p := &pct{scheduler: s, aware: true, bounds: a.bounds, changes: int(d.Between("changes", 1, 2))}
	p.expect(d.LogBetween("events", 4, 256))
	return p
}

// expect spreads the changes over so many events.
func (p *pct) expect(events int64) {
	p.chance = uint64(p.changes) << 32 / uint64(events)
}

func (p *pct) delay(uint64) int64 { return 0 }

func (p *pct) place(_ *event, _ int64) int64 { return p.now }

func (p *pct) next() *event {
	m := p.highest()
	for m != nil && p.change(m) {
		m = p.highest()
	}
	if m == nil {
		return p.fire()
	}
	return p.arrive(m)
}

// highest is the pending event of the highest priority, nil if there is none.
func (p *pct) highest() *event {
	var first *event
	for _, e := range p.messages.heap {
		if first == nil || p.compare(e, first) < 0 {
			first = e
		}
	}
	return first
}

// compare orders by who was made the lowest last, then by priority, then in
// each task by time.
func (p *pct) compare(a, b *event) int {
	s, t := chainOf(a), chainOf(b)
	if s != t {
		return cmp.Or(cmp.Compare(s.chain.demoted, t.chain.demoted), cmp.Compare(keyed.Mix(s.key, keyed.ForTurn), keyed.Mix(t.key, keyed.ForTurn)), cmp.Compare(s.serial, t.serial))
	}
	return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.tie, b.tie))
}

// change makes the event's task the lowest of all if a change lies there.
func (p *pct) change(e *event) bool {
	if p.changes == 0 || e.kind != evRequest || p.aware && !e.msg.Op.HasEffect() {
		return false
	}
	h := keyed.Mix(e.id, keyed.ForChange)
	if h&(1<<32-1) >= p.chance {
		return false
	}
	t := chainOf(e)
	if t.chain.demoted > 0 && t.chain.demoted == p.lowest {
		return false // it is the lowest already
	}
	p.changes--
	p.lowest++
	t.chain.demoted = p.lowest
	if p.aware {
		p.messages.remove(e)
		e.when = p.now + p.bounds.past(keyed.Of(h))
		e.due = e.when
		p.timers.push(e)
	}
	return true
}
