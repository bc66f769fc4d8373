package properties

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// storeSpared: a process that has found the object store unavailable again and
// again leaves it alone for as long as its circuit breaker says, and looks for
// no unit meanwhile: what it would claim could not be worked on. A request that gets no
// answer in its time is as good a reason as a refusal. And whoever has looked at a store,
// or renewed what it holds, pauses before it does so again, for no longer than its period,
// nor as long as all others; and a transaction that meets one conflict after another is
// tried again after longer and longer pauses.
//
// A store that comes back must not be kept down by those who wait for it, an
// attempt that begins in an outage is one that is lost, and a fleet that asks a
// hundred times as often as it should is an outage of its own.
type storeSpared struct {
	watch
	refused  map[incarnation]*refusals
	suspects []suspicion
	again    []calledAgain
	breakers map[incarnation]*breakerKnown
	open     *calledWhileOpen // the first
	rounds   roundsPaced
	tries    triesPaced
}

// incarnation is one of a process: two may live at once.
type incarnation struct{ process, number string }

// calledAgain is a call that came too early, if its caller had heard of the
// refusal before it. Only a reply that is dropped tells otherwise, and that may
// be as late as replies are: so it is judged in the end.
type calledAgain struct {
	process, incarnation, task string
	refusedCall
	violation error
}

// calledWhileOpen is a request that a breaker should have kept back, because of the last
// failure: unless it turns out that nobody heard of that.
type calledWhileOpen struct {
	by        incarnation
	last      told
	violation error
}

// refusals are what an incarnation of a process got in a row.
type refusals struct {
	count int
	known time.Duration // since when there are enough of them
	// newest are the last ones but those of which nobody has heard: one more than may be
	// in flight, and so be taken back.
	newest []sim.EventRef
	last   map[string]refusedCall // by task
	looks  map[string]aLook       // by task
}

// aLook is a look at the queue: it begins when a timestamp is first asked for, which may
// take many tries.
type aLook struct{ since, failed time.Duration }

// again reports whether a request is made again for one of the look's that failed: by the
// store's client as long as the try lasts, or by the next try, after a pause.
func (l *aLook) again(cfg *Config, at time.Duration) bool {
	return l.failed > 0 && at-l.failed <= drifted(max(cfg.OpTimeout, cfg.BackoffMax))
}

type refusedCall struct {
	op  ops.Op
	key string
	ref sim.EventRef
}

var (
	storeSparedSays = say("store-spared")

	unavailableStoreCalledAgain = storeSparedSays.clause("R12", "unavailable store called again")
	calledWhileBreakerIsOpen    = storeSparedSays.clause("R17", "called while its breaker is open")
	lookedForWorkInAnOutage     = storeSparedSays.clause("R12", "looked for work in an outage")
	roundTooSoon                = storeSparedSays.clause("R13", "next round too soon")
	pausesAllAlike              = storeSparedSays.clause("R13", "pauses all alike")
	triedAgainTooSoon           = storeSparedSays.clause("R17", "tried again too soon")
	roundTooLate                = storeSparedSays.clause("R13", "next round too late")
)

func newStoreSpared(v *view) sim.Invariant {
	i := &storeSpared{refused: map[incarnation]*refusals{}, breakers: map[incarnation]*breakerKnown{}, rounds: roundsPaced{last: map[round]sim.EventRef{}, tasks: map[tasked]*pace{}}, tries: triesPaced{tasks: map[tasked]tries{}}}
	i.watch = v.watch(storeSparedSays, on{lease: i.checkBeat, merge: i.checkRenewal, leader: i.checkLead})
	return i
}

func (i *storeSpared) checkBeat(c *leaseChange) error {
	if l := c.lease.now; !c.deleted && c.existed && l.Epoch == c.before.Epoch && i.world.Timely() {
		i.rounds.renewed(&c.rowChange, c.before.Beat, l.Beat, c.beaten, i.cfg.Heartbeat)
	}
	return nil
}

func (i *storeSpared) checkRenewal(c *mergeChange) error {
	if m := c.sub.merge.now; !c.deleted && c.existed && m.Gen == c.before.Gen && i.world.Timely() {
		i.rounds.renewed(&c.rowChange, c.before.Beat, m.Beat, c.beaten, i.cfg.Heartbeat)
	}
	return nil
}

// checkLead judges the leader's: it renews at the begin of a round, and within one that
// takes longer than a third of the lease.
func (i *storeSpared) checkLead(c *leaderChange) error {
	if !c.deleted && c.existed && !c.taken() && i.world.Timely() {
		i.rounds.renewed(&c.rowChange, c.before.Beat, c.now.Beat, c.beaten, min(i.cfg.ScanEvery, i.cfg.ScannerLease/3))
	}
	return nil
}

// Settled judges the looks at the queue: where nothing but refusals befell the
// system, the process had heard of them.
func (i *storeSpared) Settled(*sim.World) error {
	if len(i.again) > 0 {
		return i.again[0].violation
	}
	if i.rounds.hasty != nil {
		return i.rounds.hasty
	}
	if i.open != nil {
		return i.open.violation
	}
	if err := i.unexcused(i.rounds.suspects, nil); err != nil {
		return err
	}
	if err := i.rounds.checkSpread(); err != nil {
		return err
	}
	if err := i.unexcused(i.tries.suspects, contends); err != nil {
		return err
	}
	return i.unexcused(i.suspects, refuses)
}

// ObserveCall follows the requests to the object store, and the rounds.
func (i *storeSpared) ObserveCall(w *sim.World, c *sim.Call) {
	if w.Timely() && c.OK() && !c.Late {
		i.rounds.look(i.cfg, c)
	}
	if !w.Elsewhere() {
		i.pace(w, c)
	}
	if i.cfg.BreakerFailures == 0 {
		return
	}
	by := incarnation{c.Process, c.Incarnation}
	r := i.refused[by]
	if r == nil {
		if !c.Unavailable() {
			return
		}
		r = &refusals{last: map[string]refusedCall{}, looks: map[string]aLook{}}
		i.refused[by] = r
	}
	switch {
	case c.Op.Service() == ops.Objects:
		i.follow(r, c)
	case c.Step == "claim_unit":
		l := r.looks[c.Task]
		if c.Op == ops.TSO && !l.again(i.cfg, c.At) {
			l.since = c.At
		}
		if l.failed = 0; c.Unavailable() || c.Unheard() {
			l.failed = c.At
		}
		r.looks[c.Task] = l
		if c.Op == ops.KVScan && c.Key == schema.ActiveTable.Key("") && w.Timely() {
			i.look(r, c, l.since)
		}
	}
}

// pace judges what rests on when a process has made each of its requests.
func (i *storeSpared) pace(w *sim.World, c *sim.Call) {
	i.rounds.follow(w, i.cfg, c)
	if i.cfg.ConflictTries != 0 && !c.Client {
		i.tries.follow(w, i.cfg, c)
	}
	if i.cfg.BreakerFailures != 0 {
		i.checkBreaker(incarnation{c.Process, c.Incarnation}, c)
	}
}

func (i *storeSpared) checkBreaker(by incarnation, c *sim.Call) {
	b := i.breakers[by]
	if b == nil {
		b = newBreakerKnown()
		i.breakers[by] = b
	}
	last := b.follow(i.view, c)
	if o := i.open; o != nil && o.by == by && (c.Late || c.Fate == sim.ReplyDropped) {
		i.open = nil
	}
	if last != nil && i.open == nil {
		i.open = &calledWhileOpen{by, *last, calledWhileBreakerIsOpen.breachOfCall(c, last.ref, "called it",
			"%s called %s %s at %s, although it had found the store down again and again, and it knew of the last time no earlier than at %s; its breaker stays open for %s",
			who(c), c.Op, c.Key, c.At, last.lo, i.cfg.BreakerOpen)}
	}
}

// inFlight is how many requests to the object store a process may have in
// flight at once, generously: what they find is known later than this
// invariant sees it.
const inFlight = 6

func (i *storeSpared) follow(r *refusals, c *sim.Call) {
	switch c.Fate {
	case sim.ReplyDropped:
		i.unheard(r, c)
		return
	case sim.ReplyLost: // the same call, on its way back
		return
	}
	if last, ok := r.last[c.Task]; ok && last.op == c.Op && last.key == c.Key && c.At-last.ref.At < i.soonest(i.cfg.BreakerOpen) {
		i.again = append(i.again, calledAgain{c.Process, c.Incarnation, c.Task, last, unavailableStoreCalledAgain.breachOfCall(c, last.ref, "tried again",
			"%s called %s %s again %s after it had found the store unavailable, for the %dth time in a row; its breaker stays open for %s",
			who(c), c.Op, c.Key, c.At-last.ref.At, r.count, i.cfg.BreakerOpen)})
	}
	delete(r.last, c.Task)
	switch {
	case c.Unavailable():
		r.count++
	case c.Unheard():
		return
	default:
		r.count, r.known = 0, 0
		clear(r.last)
		return
	}
	if r.count < i.cfg.BreakerFailures+inFlight {
		return
	}
	ref := sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " found the store unavailable"}
	r.newest = append(r.newest[max(0, len(r.newest)-inFlight):], ref)
	r.last[c.Task] = refusedCall{c.Op, c.Key, ref}
	if r.known == 0 {
		r.known = c.At
	}
}

// unheard takes a refusal back whose caller was gone when its reply came, or is
// still to come for the call after it: the process knows nothing of it.
func (i *storeSpared) unheard(r *refusals, c *sim.Call) {
	for n := range i.again {
		a := &i.again[n]
		if a.process == c.Process && a.incarnation == c.Incarnation && a.task == c.Task && a.op == c.Op && a.key == c.Key {
			i.again = slices.Delete(i.again, n, n+1)
			return
		}
	}
	last, ok := r.last[c.Task]
	if !ok || last.op != c.Op || last.key != c.Key {
		return
	}
	delete(r.last, c.Task)
	r.newest = slices.DeleteFunc(r.newest, func(ref sim.EventRef) bool { return ref == last.ref })
	if r.count--; r.count < i.cfg.BreakerFailures+inFlight {
		r.known = 0
	}
}

// look notices a worker that looks for work although it knows better. The
// newest refusal must have reached it before it began to look, with the request
// for a timestamp, and its breaker be open still. Where the first page ends is
// no matter: a look that has begun is brought to its end.
func (i *storeSpared) look(r *refusals, c *sim.Call, since time.Duration) {
	if r.known == 0 || len(r.newest) == 0 {
		return
	}
	newest := r.newest[len(r.newest)-1]
	if since-8*i.cfg.MaxLatency <= newest.At || c.At >= newest.At+i.soonest(i.cfg.BreakerOpen) {
		return
	}
	i.suspects = append(i.suspects, suspicion{c.Process, r.known, c.At, lookedForWorkInAnOutage.breachOfCall(c, newest, "looked for a unit",
		"%s looked for a unit to claim, although it had found the object store unavailable %d times in a row, at last %s ago",
		who(c), r.count, c.At-newest.At)})
}

func who(c *sim.Call) string { return c.Process + "/" + c.Incarnation }
