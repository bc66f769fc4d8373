package properties

import (
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// breakerKnown is what must be so of the circuit breaker that an incarnation has for the
// object store, whatever its tasks heard first. Of each request it is known from when to
// when its breaker may have been told how it ended: not before it was refused, answered or
// given up, and not after its task went on. A task that goes on with the same request was
// told of a failure, and tries again; whatever else it does may mean that it was stopped,
// of which breakers are not told.
type breakerKnown struct {
	asked map[string]*told // by task: its last request, while the task waits or works
	tasks []string         // that have asked
	fails []told           // for sure, and after every success that may be
	// answered is until when the breaker may have been told of a success.
	answered time.Duration
	// down: the store has counted as down for sure, since then, and there may have been
	// so many successes in a row after that.
	down      bool
	since     time.Duration
	successes int
}

// told is how a request ended, and when the breaker was told.
type told struct {
	task   string
	op     ops.Op
	key    string
	ref    sim.EventRef
	failed bool // for sure, unless its task was stopped
	silent bool // it was given up when its time was over
	lo, hi time.Duration
}

func newBreakerKnown() *breakerKnown { return &breakerKnown{asked: map[string]*told{}} }

// follow takes a request of any service, and returns the failure because of which it should
// not have been made, or nil.
func (b *breakerKnown) follow(v *view, c *sim.Call) *told {
	if c.Fate == sim.ReplyLost {
		if last := b.asked[c.Task]; last != nil && last.ref.Event == c.Event && !c.Late {
			last.failed = true
		}
		return nil
	}
	if c.Fate == sim.ReplyDropped {
		b.unheard(c)
		return nil
	}
	if c.Late { // its task was stopped while it was under way, and nobody knows when
		b.fails, b.down = b.fails[:0], false
		return nil
	}
	sent := c.Sent
	if sent == 0 {
		sent = c.At
	}
	b.goesOn(v, c, sent)
	if c.Op.Service() != ops.Objects {
		return nil
	}
	broken := b.mustBeOpen(v, c, sent)
	b.ask(c)
	return broken
}

// unheard takes back what a task was not told, because it was gone by then: nothing that
// rests on it is sure.
func (b *breakerKnown) unheard(c *sim.Call) {
	if last := b.asked[c.Task]; last != nil && last.failed && last.op == c.Op && last.key == c.Key {
		delete(b.asked, c.Task)
	}
	b.fails, b.down = b.fails[:0], false
}

// goesOn takes what the task's last request, and those that it waited for or that waited
// for it, must have ended with: parts are stored by tasks of their own, which are named for
// the one that waits for them.
func (b *breakerKnown) goesOn(v *view, c *sim.Call, sent time.Duration) {
	if last := b.asked[c.Task]; last != nil {
		last.hi = sent
		delete(b.asked, c.Task)
		if last.silent { // by the clock as it has gone
			last.lo = min(last.lo+v.soonest(v.cfg.StorageTimeout), sent)
		}
		switch {
		case !last.failed:
			b.succeeded(v, last)
		case last.op != c.Op || last.key != c.Key: // it was stopped
			b.succeeded(v, last)
		case last.lo >= b.answered:
			b.fails = append(b.fails[max(0, len(b.fails)-31):], *last)
		}
	}
	for _, task := range b.tasks {
		last := b.asked[task]
		if last == nil || !strings.HasPrefix(task, c.Task+"-part") && !strings.HasPrefix(c.Task, task+"-part") {
			continue
		}
		last.hi = sent
		delete(b.asked, task)
		b.succeeded(v, last)
	}
}

// succeeded takes a success that may be.
func (b *breakerKnown) succeeded(v *view, s *told) {
	b.answered = max(b.answered, s.hi)
	b.fails = slices.DeleteFunc(b.fails, func(f told) bool { return f.lo < s.hi })
	if b.down && s.hi >= b.since {
		b.successes++
		b.down = b.successes < v.cfg.BreakerSuccesses
	}
}

// ask notes a request. One that was lost is given up when its time is over; of one that
// belongs to another's time less may be left.
func (b *breakerKnown) ask(c *sim.Call) {
	if _, known := b.asked[c.Task]; !known && !slices.Contains(b.tasks, c.Task) {
		b.tasks = append(b.tasks, c.Task)
	}
	t := &told{task: c.Task, op: c.Op, key: c.Key, failed: c.Fate != sim.Handled, lo: c.At}
	what := "got no answer for " + c.Op.String()
	switch {
	case c.Unavailable():
		what = "found the store unavailable"
	case c.Fate == sim.Refused:
		t.failed = false
	case c.Fate == sim.Lost && !c.Reset:
		t.silent = !shares(c.Op)
	}
	t.ref = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " " + what}
	b.asked[c.Task] = t
}

// shares reports whether a request may be the second of one call: then the breaker was asked
// before the first, and its time began with that.
func shares(op ops.Op) bool { return op == ops.Head || op == ops.ListUploads }

// mustBeOpen returns the failure after which the breaker must still have been open when a
// request was made, or nil.
func (b *breakerKnown) mustBeOpen(v *view, c *sim.Call, sent time.Duration) *told {
	for _, task := range b.tasks {
		if last := b.asked[task]; last != nil && !last.failed {
			return nil
		}
	}
	count := 0
	var newest *told
	for n := range b.fails {
		if f := &b.fails[n]; f.hi <= sent {
			if count++; newest == nil || f.lo > newest.lo {
				newest = f
			}
		}
	}
	open := count >= v.cfg.BreakerFailures
	switch {
	case newest == nil:
		return nil
	case b.down && newest.lo >= b.since: // one is enough
		b.successes, open = 0, true
	case open && !b.down:
		b.down, b.since, b.successes = v.cfg.BreakerSuccesses > 0, sent, 0
	}
	if !open || shares(c.Op) || sent >= newest.lo+v.soonest(v.cfg.BreakerOpen) {
		return nil
	}
	return newest
}
