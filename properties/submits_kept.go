package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// submitsKept: a submission that was acknowledged is there, under the
// generation that was returned, as it was asked for, and stays like that; one
// call submits at most once, however often it had to be sent, and is not refused
// for what it did itself.
//
// A lost submission is a dataset that nobody builds and everybody waits for; a
// doubled one builds it twice.
type submitsKept struct {
	watch
	calls map[string]int // submit calls by name
	acked map[*submission]sim.Moment
}

var (
	submitsKeptSays = say("submits-kept")

	ownSubmissionRefused             = submitsKeptSays.clause("R4", "own submission refused")
	acknowledgedSubmissionIsNotThere = submitsKeptSays.clause("R5", "acknowledged submission is not there")
	oneSubmissionAcknowledgedTwice   = submitsKeptSays.clause("R5", "one submission acknowledged twice")
	submissionIsNotWhatWasAskedFor   = submitsKeptSays.clause("R5", "submission is not what was asked for")
	submissionRewritten              = submitsKeptSays.clause("R5", "submission rewritten")
	submittedMoreOftenThanAsked      = submitsKeptSays.clause("R5", "submitted more often than asked")
)

func newSubmitsKept(v *view) sim.Invariant {
	i := &submitsKept{calls: map[string]int{}, acked: map[*submission]sim.Moment{}}
	i.watch = v.watch(submitsKeptSays, on{record: i.checkRecord, batch: i.checkRow})
	return i
}

func (i *submitsKept) checkRecord(e *sim.Effect) error {
	r := &e.Record
	if r.What != "submit" {
		return nil
	}
	if !r.Returned {
		i.calls[r.Of]++
		return nil
	}
	call := i.answered
	switch {
	case call == nil: // nobody saw it being made
		return nil
	case r.Class == env.ClassOther:
		if s := i.newest(r.Of); !call.several && s != nil && s.born.Is(e.Process, e.Incarnation) && s.born.Event > call.asked.Event {
			return ownSubmissionRefused.breach(e, s.bid, s.born.Ref("submitted "+s.bid), "was told that "+r.Of+" is live already",
				"a submission of %s was refused because the name lives: as %s, which that very call submitted", r.Of, s.bid)
		}
		return nil
	case r.Class != env.ClassNone:
		return nil
	}
	bid := schema.BatchID(r.Of, uint64(r.Value))
	what := fmt.Sprintf("was told that it is generation %d", r.Value)
	s := i.submissions[bid]
	if s == nil || !s.exists {
		return acknowledgedSubmissionIsNotThere.breach(e, bid, sim.EventRef{}, what,
			"the submission of %s was acknowledged as generation %d, which is not there", r.Of, r.Value)
	}
	if first, twice := i.acked[s]; twice {
		return oneSubmissionAcknowledgedTwice.breach(e, bid, first.Ref(what), what,
			"two submissions of %s were acknowledged as generation %d", r.Of, r.Value)
	}
	i.acked[s] = e.Moment()
	if i.wanted[r.Of] == nil {
		return nil
	}
	if wrong := i.differs(&s.now, i.wanted[r.Of].Version(call.version)); wrong != "" {
		return submissionIsNotWhatWasAskedFor.breach(e, bid, s.born.Ref("submitted it"), what,
			"%s was submitted with another %s", bid, wrong)
	}
	return nil
}

func (i *submitsKept) checkRow(c *batchChange) error {
	if c.deleted {
		return nil
	}
	s := c.sub
	if c.prior == s {
		now, was := &s.now, &c.before
		if now.Output == was.Output && now.Sources == was.Sources && now.MaxAttempts == was.MaxAttempts &&
			now.BackoffLimit == was.BackoffLimit && now.Parallelism == was.Parallelism && now.Priority == was.Priority &&
			now.Chunk == was.Chunk && now.TTLMS == was.TTLMS && now.SubmittedMS == was.SubmittedMS {
			return nil
		}
		return submissionRewritten.breach(c.by, s.bid, s.born.Ref("submitted it"), "wrote another specification",
			"the specification of %s changed after it was submitted", s.bid)
	}
	if s.gen <= uint64(i.calls[s.name]) {
		return nil
	}
	first := sim.EventRef{}
	if c.prior != nil {
		first = c.prior.born.Ref("submitted " + c.prior.bid)
	}
	return submittedMoreOftenThanAsked.breach(c.by, s.bid, first, "submitted "+s.bid,
		"%s has %d submissions after %d calls", s.name, s.gen, i.calls[s.name])
}
