package properties

import (
	"fmt"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// limitsEnforced: never are more units of a batch in execution than its
// parallelism allows; an attempt that takes longer than UnitTimeout is stopped,
// and nothing but slow work excuses it; and of a batch more of whose attempts have failed
// than its back-off limit allows, no controller that has seen that queues a unit again, and once
// the faults have stopped it fails within two rounds of the controller, and some slack.
//
// The first protects whatever the conversions share, the second a slot from a
// conversion that hangs, and the third everybody else from a batch that only
// ever fails.
type limitsEnforced struct {
	watch
	due      due
	suspects []suspicion
	passing  map[*submission]*passing
	looks    map[looker][]look
}

// passing is since when more attempts of a batch have failed than its limit allows: what did
// it, and the timestamp of its commit, 0 if they are not more.
type passing struct {
	since  sim.Moment
	commit uint64
}

// looker is a task that looks at the shards of a batch.
type looker struct {
	by  tasked
	bid string
}

// look is the snapshot of one, and when it was asked for.
type look struct {
	snapshot uint64
	at       time.Duration
}

// looksKept is how many looks of a task are kept: an effect is observed later than the next
// look is asked for, but by no more than a few of them.
const looksKept = 8

var (
	limitsEnforcedSays = say("limits-enforced")

	attemptNotStopped               = limitsEnforcedSays.clause("R14", "attempt not stopped")
	moreUnitsInExecutionThanAllowed = limitsEnforcedSays.clause("R3", "more units in execution than allowed")
	batchBeyondItsBackOffLimit      = limitsEnforcedSays.clause("R12", "batch beyond its back-off limit")
	queuedBeyondTheBackOffLimit     = limitsEnforcedSays.clause("R12", "queued again beyond the back-off limit")
)

func newLimitsEnforced(v *view) sim.Invariant {
	i := &limitsEnforced{passing: map[*submission]*passing{}, looks: map[looker][]look{}}
	i.watch = v.watch(limitsEnforcedSays, on{unit: i.checkUnit, always: i.watchBatches})
	return i
}

// checkUnit judges an attempt that begins or ends, and a unit that is queued again.
func (i *limitsEnforced) checkUnit(c *unitChange) error {
	if err := i.checkBackOffLimit(c); err != nil {
		return err
	}
	i.countFailures(c)
	if c.deleted {
		return nil
	}
	if c.before.State == schema.Processing && i.world.Timely() {
		i.checkDuration(c)
	}
	if c.claimed() {
		return i.checkParallelism(c)
	}
	return nil
}

// watchBatches looks whether batches that must fail have done so.
func (i *limitsEnforced) watchBatches(e *sim.Effect) error {
	healed, ok := i.world.Healed()
	if !ok {
		return nil
	}
	if !i.due.armed || i.changed(unitRows|batchRows) {
		i.wait(healed)
	}
	return i.check(e.At)
}

func (i *limitsEnforced) Settled(w *sim.World) error {
	if err := i.unexcused(i.suspects, i.stopsAllTheSame); err != nil {
		return err
	}
	return i.check(w.Now())
}

// stopsAllTheSame reports whether an attempt is stopped in time whatever a fault does:
// work ends in the middle, however slow it is, and what befell a message is over when
// the time is, unless it was shortly before. Only what befalls clocks shifts that.
func (i *limitsEnforced) stopsAllTheSame(s *suspicion, f *strike) bool {
	switch f.fault.Kind.(type) {
	case *fault.Slow:
		return true
	case *fault.Pause, *fault.Skew, *fault.Drift:
		return false
	}
	return !i.nearby(f, s.from+hurried(i.cfg.UnitTimeout), s.until)
}

// checkDuration judges an attempt that has ended.
func (i *limitsEnforced) checkDuration(c *unitChange) {
	u, e := c.unit, c.by
	own := claimOf(u.claims, c.before.Epoch)
	if own == nil || i.cfg.UnitTimeout == 0 {
		return
	}
	if took := e.At - own.At; took > drifted(i.cfg.UnitTimeout)+i.cfg.slack() && own.Is(e.Process, e.Incarnation) {
		i.suspects = append(i.suspects, suspicion{own.owner, own.At, e.At, attemptNotStopped.breach(e, u.uid, own.Ref(fmt.Sprintf("claimed epoch %d", own.epoch)), c.edge(),
			"the attempt of %s at unit %s took %s; it should have been stopped after %s", own.Who(), u.uid, took, i.cfg.UnitTimeout)})
	}
}

func (i *limitsEnforced) checkParallelism(c *unitChange) error {
	s := c.unit.sub
	running := s.processing()
	if limit := s.now.Parallelism; limit != 0 && running > limit {
		others, last := []string{"shard/" + s.bid}, sim.EventRef{} // what was in execution before
		for _, u := range s.units {
			if n := len(u.claims); u.now.State == schema.Processing && u != c.unit {
				others = append(others, u.uid)
				if n > 0 && u.claims[n-1].Event > last.Event {
					last = u.claims[n-1].Ref("claimed unit " + u.uid)
				}
			}
		}
		violation := moreUnitsInExecutionThanAllowed.breach(c.by, c.unit.uid, last, "claimed unit "+c.unit.uid,
			"%d units of %s are in execution; its parallelism is %d", running, s.bid, limit)
		return telling(violation, func(v *sim.Violation) { v.Also = others })
	}
	return nil
}

// countFailures notes when a batch passes its limit, and when it comes back.
func (i *limitsEnforced) countFailures(c *unitChange) {
	s := c.unit.sub
	if failures(&c.unit.now) == failures(&c.before) {
		return
	}
	p := i.passing[s]
	if p == nil {
		p = &passing{}
		i.passing[s] = p
	}
	switch beyond := s.failures() > s.now.BackoffLimit && s.now.BackoffLimit > 0; {
	case !beyond:
		p.commit = 0
	case p.commit == 0:
		p.commit, p.since = c.by.Commit.CommitTS, c.by.Moment()
	}
}

// ObserveCall notes the snapshots on which controllers look at batches.
func (i *limitsEnforced) ObserveCall(_ *sim.World, c *sim.Call) {
	if c.Op != ops.KVScan || c.Step != "control" {
		return
	}
	bid, ok := strings.CutPrefix(c.Key, schema.ShardTable.Key(""))
	if !ok || !strings.HasSuffix(bid, "/") { // a look's later pages tell nothing new
		return
	}
	by := looker{tasked{incarnation{c.Process, c.Incarnation}, c.Task}, strings.TrimSuffix(bid, "/")}
	seen := i.looks[by]
	if n := len(seen); n > 0 && seen[n-1].snapshot == c.StartTS {
		return
	}
	if len(seen) == looksKept {
		seen = seen[1:]
	}
	i.looks[by] = append(seen, look{c.StartTS, c.At})
}

// checkBackOffLimit judges a unit that a controller queues again, by what it saw before. That
// the limit is passed between its look and this is nobody's fault.
func (i *limitsEnforced) checkBackOffLimit(c *unitChange) error {
	s := c.unit.sub
	p := i.passing[s]
	if p == nil || p.commit == 0 || c.by.Step != "control" || c.before.State != schema.Failed || !c.became(schema.Pending) {
		return nil
	}
	var last look
	for _, l := range i.looks[looker{tasked{incarnation{c.by.Process, c.by.Incarnation}, c.by.Task}, s.bid}] {
		if l.snapshot < c.by.Commit.StartTS {
			last = l
		}
	}
	if last.snapshot < p.commit {
		return nil
	}
	violation := queuedBeyondTheBackOffLimit.breach(c.by, c.unit.uid, p.since.Ref(fmt.Sprintf("made it %d failed attempts or more", s.now.BackoffLimit+1)), c.edge(),
		"%d attempts of %s have failed, more than its back-off limit of %d; %s saw that when it looked at %s, and queues unit %s again: it should fail the batch",
		s.failures(), s.bid, s.now.BackoffLimit, c.by.Process, last.at, c.unit.uid)
	return telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, "shard/"+s.bid) })
}

// wait finds the batches that must fail.
func (i *limitsEnforced) wait(healed time.Duration) {
	i.due = due{armed: true}
	for _, s := range i.order {
		if !s.startsUnits(i.view) {
			continue
		}
		failed, last := int64(0), sim.Moment{}
		for _, u := range s.units {
			if n := failures(&u.now); n > 0 {
				failed += n
				if u.ending.At > last.At {
					last = u.ending
				}
			}
		}
		if failed > s.now.BackoffLimit && s.now.BackoffLimit > 0 {
			i.due.earlier(due{at: max(healed, last.At) + drifted(2*i.cfg.ControlEvery) + i.cfg.slack(), sub: s, since: last})
		}
	}
}

func (i *limitsEnforced) check(at time.Duration) error {
	d := &i.due
	if d.at == 0 || at <= d.at {
		return nil
	}
	return batchBeyondItsBackOffLimit.breachOverdue(i.world, d.sub.bid, d.since.Ref("ended an attempt"),
		"more attempts of %s have failed than its back-off limit of %d allows, and it is still %s; it should have failed by %s", d.sub.bid, d.sub.now.BackoffLimit, d.sub.now.Phase, d.at)
}
