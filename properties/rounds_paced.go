package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// roundsPaced judges, for storeSpared, how often a task does the same: every role looks
// at the store in rounds, and every owner renews what it holds, with a pause in between
// that is never shorter than three quarters of the configured one.
type roundsPaced struct {
	last     map[round]sim.EventRef
	suspects []suspicion
}

// round is what a task begins again and again.
type round struct{ process, incarnation, task, step, key string }

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

// renewed takes a beat that rose. The first one follows its claim at once.
func (r *roundsPaced) renewed(c *rowChange, before, beat uint64, last sim.Moment, every time.Duration) {
	if e := c.by; beat == before+1 && before > 1 && tooSoon(e.At-last.At, every) && last.Is(e.Process, e.Incarnation) {
		r.suspects = append(r.suspects, suspicion{e.Process, last.At, e.At, roundTooSoon.breach(e, c.key, last.Ref("renewed it"), "renewed it again",
			"%s/%s renewed %s %s after it had done so; the pause in between is about %s", e.Process, e.Incarnation, c.key, e.At-last.At, every)})
	}
}

// tooSoon: a pause is at least three quarters of what it is called.
func tooSoon(passed, every time.Duration) bool { return passed < hurried(every)*3/4 }
