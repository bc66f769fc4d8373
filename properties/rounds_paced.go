package properties

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// roundsPaced judges, for storeSpared, how often a task does the same: every role looks
// at the store in rounds, and every owner renews what it holds, with a pause in between
// that is never shorter than three quarters of the configured one, and of a role's
// rounds never longer than that.
type roundsPaced struct {
	last     map[round]sim.EventRef
	tasks    map[tasked]*pace
	suspects []suspicion
	pauses   []int64      // in parts of the configured length: see alike
	newest   sim.EventRef // the last look
	looked   string       // and at what
	hasty    error        // a round that followed one that did more than look: nothing excuses it
}

// round is what a task begins again and again.
type round struct{ process, incarnation, task, step, key string }

// pace is what a task that has begun a round has done since.
type pace struct {
	last   sim.EventRef  // of its requests but those to PD
	did    bool          // it was of something else than the look itself
	lookTS uint64        // of the look's transaction
	at     time.Duration // of the last request of any kind
	gap    time.Duration // the longest before a request to PD, since last
}

// period returns how often a look may come; 0 if it is of no round. Workers look again
// at once when a unit is done, so their looks are of none.
func (c *Config) period(step, key string) time.Duration {
	switch {
	case step == "" && key == schema.ActiveTable.Key(""): // a merger's, or a scanner's
		return min(c.MergePoll, c.ScanEvery, c.ScannerLease/3)
	case step == "control" && key == schema.ActiveTable.Key(""):
		return c.ControlEvery
	case step == "reap" && key == schema.LeaseTable.Key(""):
		return c.ReapEvery
	case step == "collect" && key == schema.SweepTable.Key(""):
		return c.JanitorEvery
	}
	return 0
}

// slowest is period, where it cannot be told of whose round a look is the longer one.
func (c *Config) slowest(step, key string) time.Duration {
	if step == "" {
		return max(c.MergePoll, min(c.ScanEvery, c.ScannerLease/3))
	}
	return c.period(step, key)
}

// look takes a request that was answered, and that somebody waited for. Between two of
// them the first one's answer came and the pause was slept, whatever messages take.
func (r *roundsPaced) look(cfg *Config, c *sim.Call) {
	if c.Op != ops.KVScan {
		return
	}
	every := cfg.period(c.Step, c.Key)
	if every == 0 {
		return
	}
	of := round{c.Process, c.Incarnation, c.Task, c.Step, c.Key}
	if last, ok := r.last[of]; ok && tooSoon(c.At-last.At, every) {
		r.suspects = append(r.suspects, suspicion{c.Process, last.At, c.At, roundTooSoon.breachOfCall(c, last, "looked again",
			"%s began its next round %s after the last one; the pause in between is about %s", who(c), c.At-last.At, every)})
	}
	r.last[of] = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " looked at " + c.Key}
}

// follow takes any request that its task waits for. A task does one thing after another,
// so a round is over with the last request of it, and the next one begins with requests
// to PD, for a timestamp, which may take some tries: the longest gap before any of these is
// the pause, if there was one. That is so whatever befalls the process or its requests.
func (r *roundsPaced) follow(w *sim.World, cfg *Config, c *sim.Call) {
	if c.Late || c.Fate > sim.Lost {
		return // it waits no more, or has waited for the same request before
	}
	every := time.Duration(0)
	if c.Op == ops.KVScan {
		every = cfg.period(c.Step, c.Key)
	}
	p := r.tasks[tasked{incarnation{c.Process, c.Incarnation}, c.Task}]
	if p == nil {
		if every == 0 {
			return
		}
		p = &pace{}
		r.tasks[tasked{incarnation{c.Process, c.Incarnation}, c.Task}] = p
	}
	since := c.At - p.at
	if p.at = c.At; c.Op == ops.TSO || c.Op == ops.SafePoint {
		p.gap = max(p.gap, since)
		return
	}
	if every != 0 && p.gap > 0 && p.last.Event != 0 {
		r.paused(w, cfg, c, p, every)
	}
	if every != 0 {
		p.lookTS = c.StartTS
	}
	p.last, p.gap = sim.EventRef{Event: c.Event, At: c.At, What: c.Step}, 0
	p.did = c.StartTS != p.lookTS && c.Op != ops.CheckTxn && c.Op != ops.Resolve
}

// paused judges the pause before a look. The scanner renews its leadership before it looks:
// its round has begun then. And a look whose pages did not all come is repeated earlier.
func (r *roundsPaced) paused(w *sim.World, cfg *Config, c *sim.Call, p *pace, every time.Duration) {
	last := p.last
	last.What = who(c) + " made the last request of its round"
	if r.hasty == nil && p.did && p.last.What != "lead" && tooSoon(p.gap, every) {
		r.hasty = roundTooSoon.breachOfCall(c, last, "looked again",
			"%s began its next round %s after the end of the last one; the pause in between is about %s", who(c), c.At-last.At, every)
	}
	if w.Timely() && !w.Steady() && c.Step != "" { // the scanner's begin otherwise
		r.pauses = append(r.pauses, int64(p.gap)*alike/int64(every))
		r.newest, r.looked = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " looked again"}, c.Key
	}
	if most := cfg.slowest(c.Step, c.Key); w.Timely() && p.gap > drifted(most)+8*cfg.MaxLatency {
		r.suspects = append(r.suspects, suspicion{c.Process, last.At, c.At, expecting(roundTooLate.breachOfCall(c, last, "looked again",
			"%s began its next round %s after the end of the last one; the pause in between is at most %s", who(c), p.gap, most), c.Process, c.Step, c.Key)})
	}
}

// alike is into how many parts a period is divided to tell pauses that are as long: an
// eighth of it is by chance.
const alike = 64

// enoughPauses are so many that three quarters of them are not as long by chance, nor by
// what faults do to the others.
const enoughPauses = 60

// checkSpread judges the pauses of all roles together: they are drawn, so that those who
// began together, or were stopped together, do not look together for ever.
func (r *roundsPaced) checkSpread() error {
	if len(r.pauses) < enoughPauses {
		return nil
	}
	slices.Sort(r.pauses)
	quarters := len(r.pauses) * 3 / 4
	for n, least := range r.pauses[:len(r.pauses)-quarters+1] {
		if r.pauses[n+quarters-1]-least <= 1 {
			return pausesAllAlike.breachAtRest(r.looked, r.newest, "%d of %d pauses between rounds are between %d and %d 64ths of the configured ones: they are not spread",
				quarters, len(r.pauses), least, least+2)
		}
	}
	return nil
}

// renewed takes a beat that rose. The first one follows its claim at once.
func (r *roundsPaced) renewed(c *rowChange, before, beat uint64, last sim.Moment, every time.Duration) {
	if e := c.by; beat == before+1 && before > 1 && tooSoon(e.At-last.At, every) && last.Is(e.Process, e.Incarnation) {
		r.suspects = append(r.suspects, suspicion{e.Process, last.At, e.At, roundTooSoon.breach(e, c.key, last.Ref("renewed it"), "renewed it again",
			"%s/%s renewed %s %s after it had done so; the pause in between is about %s", e.Process, e.Incarnation, c.key, e.At-last.At, every)})
	}
}

// tooSoon: a pause is at least three quarters of what it is called.
func tooSoon(passed, every time.Duration) bool { return passed < hurried(every)*3/4 }
