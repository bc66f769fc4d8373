package properties

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// documented is what a client's call that changes something may be refused with, as
// [github.com/gauntlet-dst/gauntlet/core.Client] says. Its outcome may be unknown, too.
var documented = map[string][]string{
	"submit": {schema.Live, schema.OutputTaken},
	"cancel": {schema.NoBatch, schema.Ended, schema.Superseded},
	"retry":  {schema.NoBatch, schema.Ended},
}

// checkRefusal judges a request that returned an error: one that is documented, and that
// tells what was so.
func (i *answersTrue) checkRefusal(e *sim.Effect, q *question) error {
	r := &e.Record
	switch {
	case r.Class == env.ClassUnavailable, r.Class == env.ClassCancelled:
		return nil
	case r.Class == env.ClassUndetermined && documented[r.What] != nil:
		return nil
	case r.Class == env.ClassInvalid && r.What == "submit":
		return nil // see outputs-exclusive
	case r.Class == env.ClassInvalid:
		return soundRequestRefused.breach(e, r.Of, q.asked.Ref("asked for the "+r.What+" of "+r.Of), "was refused",
			"a %s of %s was refused as if it made no sense", r.What, r.Of)
	case r.Class == env.ClassConflict && i.refusesSteps():
		return nil
	case r.Class == env.ClassOther && slices.Contains(documented[r.What], r.Told):
		return i.checkDenied(e, q)
	}
	return undocumentedError.breach(e, r.Of, q.asked.Ref("asked for the "+r.What+" of "+r.Of), "returned "+r.Class.String(),
		"a %s of %s returned an error that its documentation does not name, of class %s", r.What, r.Of, r.Class)
}

// refusesSteps reports whether steps are refused with a conflict as they are entered, as a
// chaos configuration may ask for: that is what their callers are told.
func (i *answersTrue) refusesSteps() bool {
	return slices.ContainsFunc(i.faults, func(s strike) bool {
		return fault.Is[*fault.Conflict](s.fault) && s.fault.At.Op == ops.Step
	})
}

// checkDenied judges a cancel or a retry that was refused because there is no such batch, it
// has ended, or another took the name. Whose end has begun may be told that it has ended; so
// may be who retries what merges.
func (i *answersTrue) checkDenied(e *sim.Effect, q *question) error {
	if q.what == "submit" {
		return nil // see outputs-exclusive and submits-kept
	}
	asked := q.asked.Ref("asked for a " + q.what + " of " + q.of)
	s := q.living
	switch told := e.Record.Told; {
	case told == schema.NoBatch && q.newest != nil:
		return toldThatThereIsNone.breach(e, q.newest.bid, asked, "was told that there is none",
			"a %s of %s was refused as if it were not there: there was %s when it was asked for", q.what, q.of, q.newest.bid)
	case told == schema.Superseded && i.newest(q.of) == q.newest:
		return toldOfNoSuccessor.breach(e, q.of, asked, "was told that another took the name",
			"a %s of %s was refused as if another submission had taken the name since: there is none", q.what, q.of)
	case told == schema.Ended && i.newest(q.of) == nil:
		return toldOfAnEndThatIsNone.breach(e, q.of, asked, "was refused", "a %s of %s was refused as if it had ended: there is none", q.what, q.of)
	case s == nil || i.living(q.of) != s || q.what == "retry" && s.now.Phase == "merging":
		return nil
	}
	return toldOfAnEndThatIsNone.breach(e, s.bid, asked, "was refused",
		"a %s of %s was refused as if it had ended, or were not there: it is %s, and has been there since it was asked for", q.what, s.bid, s.now.Phase)
}
