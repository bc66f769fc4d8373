package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// outcomesJustified: a batch is cancelled only if a client asked for it, and
// fails only if a recording is poisoned or faults, or a UnitTimeout too short for
// its requests, ended every counted attempt of the unit that it failed for, or of
// more attempts than its back-off limit allows; a unit dies only of poison or
// after its last attempt, is cancelled only after its batch has ended, and what
// failed tells why.
//
// A system may always be right by giving up. This one may not.
type outcomesJustified struct {
	watch
	asked    map[string]bool // to cancel, by name
	suspects []failure
}

// failure is a failed batch that the faults known so far do not explain: one
// that held a request back may become known later.
type failure struct {
	sub       *submission
	violation error
}

var (
	outcomesJustifiedSays = say("outcomes-justified")

	cancelledWithoutBeingAsked      = outcomesJustifiedSays.clause("R16", "cancelled without being asked")
	batchFailedWithoutAnError       = outcomesJustifiedSays.clause("R12", "batch failed without an error")
	batchFailedWithoutAReason       = outcomesJustifiedSays.clause("R12", "batch failed without a reason")
	unitFailedWithoutAnError        = outcomesJustifiedSays.clause("R12", "unit failed without an error")
	unitDeadBeforeItsLastAttempt    = outcomesJustifiedSays.clause("R12", "unit dead before its last attempt")
	unitCancelledWhileItsBatchLives = outcomesJustifiedSays.clause("R16", "unit cancelled while its batch lives")
)

func newOutcomesJustified(v *view) sim.Invariant {
	i := &outcomesJustified{asked: map[string]bool{}}
	i.watch = v.watch(outcomesJustifiedSays, on{record: i.noteAsked, unit: i.checkUnit, batch: i.checkBatch})
	return i
}

func (i *outcomesJustified) noteAsked(e *sim.Effect) error {
	if e.Record.What == "cancel" {
		i.asked[e.Record.Of] = true
	}
	return nil
}

func (i *outcomesJustified) Settled(w *sim.World) error {
	for _, f := range i.suspects {
		if !i.explained(w, f.sub) {
			return f.violation
		}
	}
	return nil
}

// poisoned reports whether a recording of the workload can never be converted.
// Without a workload nothing is known, and everything may be.
func poisoned(b *workload.Batch, url string) bool {
	if b == nil {
		return true
	}
	for n := range b.Sources {
		source := &b.Sources[n]
		for r := range source.Recordings {
			if source.Prefix+source.Recordings[r].Name == url {
				return source.Recordings[r].Poisoned()
			}
		}
	}
	return false
}

func (i *outcomesJustified) checkUnit(c *unitChange) error {
	u := c.unit
	if c.deleted || c.before.State == u.now.State {
		return nil
	}
	switch u.now.State {
	case schema.Failed, schema.Dead:
		if u.now.Error == "" {
			return c.breaks(unitFailedWithoutAnError, "unit %s is %s, and its row does not tell why", u.uid, u.now.State)
		}
		limit := u.sub.now.MaxAttempts * (1 + u.now.Retries)
		if u.now.State == schema.Dead && u.now.Attempts < limit && !poisoned(u.sub.wanted, u.now.URL) {
			return c.breaks(unitDeadBeforeItsLastAttempt, "unit %s (%s) is dead after attempt %d of %d: %s", u.uid, u.now.URL, u.now.Attempts, limit, u.now.Error)
		}
	case schema.Cancelled:
		if !u.sub.terminal() {
			return c.breaks(unitCancelledWhileItsBatchLives, "unit %s was cancelled while %s is %s", u.uid, u.sub.bid, u.sub.now.Phase)
		}
	}
	return nil
}

func (i *outcomesJustified) checkBatch(c *batchChange) error {
	if !c.entered() {
		return nil
	}
	s := c.sub
	switch s.now.Phase {
	case "cancelled":
		if !i.asked[s.name] {
			return cancelledWithoutBeingAsked.breach(c.by, s.bid, s.born.Ref("submitted it"), "cancelled the batch",
				"%s was cancelled, and no client has asked for that", s.bid)
		}
	case "failed":
		if s.now.Error == "" {
			return batchFailedWithoutAnError.breach(c.by, s.bid, s.born.Ref("submitted it"), "failed the batch",
				"%s has failed, and its row does not tell why", s.bid)
		}
		if s.wanted != nil && !s.wanted.Poisoned() && !i.explained(i.world, s) {
			violation := telling(batchFailedWithoutAReason.breach(c.by, s.bid, s.announced(), "failed the batch",
				"%s has failed (%s), but faults do not explain it", s.bid, s.now.Error), s.tellFailures)
			i.suspects = append(i.suspects, failure{s, violation})
		}
	}
	return nil
}

// announced names the commit that said that the batch was about to end, or, if none did,
// the submission.
func (s *submission) announced() sim.EventRef {
	if s.closing.Event != 0 && s.closing.Event != s.ended.Event {
		return s.closing.Ref("announced the end")
	}
	return s.born.Ref("submitted it")
}

// tellFailures adds the units that have failed attempts to the story of a violation.
func (s *submission) tellFailures(v *sim.Violation) {
	for _, u := range s.units {
		if u.now.State != schema.Complete && u.now.Attempts > 0 {
			v.Also = append(v.Also, u.uid)
		}
	}
}

// explained reports whether faults explain that a batch without poison failed.
func (i *outcomesJustified) explained(w *sim.World, s *submission) bool {
	if !w.Timely() {
		return true // attempts may time out by themselves
	}
	failed := int64(0)
	for _, u := range s.units {
		struck := int64(0)
		for n := range u.claims {
			c := &u.claims[n]
			if c.ended.Event != 0 && c.endedIn != schema.Complete && (i.outOfTime(c) || i.struckBetween(c.At, c.ended.At)) {
				struck++
			}
		}
		if u.now.State == schema.Dead && struck >= u.now.Attempts {
			return true
		}
		failed += struck
	}
	return failed > s.now.BackoffLimit
}

// unhurried is the least UnitTimeout that suffices for an attempt that nothing befalls.
// What is drawn to be less may be less than its requests take.
const unhurried = 30 * time.Second

// outOfTime reports whether an attempt had too little time, and took it all.
func (i *outcomesJustified) outOfTime(c *claim) bool {
	return 0 < i.cfg.UnitTimeout && i.cfg.UnitTimeout < unhurried && c.ended.At-c.At >= hurried(i.cfg.UnitTimeout)
}
