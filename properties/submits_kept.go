package properties

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
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
	calls map[string]int        // submit calls by name
	asked map[string]sim.Moment // the newest call by name
	open  map[string]*openCalls // of one process about one name that have not returned
	acked map[*submission]sim.Moment
}

// openCalls are those under way, and whether there have been several at once: whose of them
// a row is nobody can tell then.
type openCalls struct {
	n       int
	several bool
}

func (c *openCalls) begin() *openCalls {
	if c == nil {
		return &openCalls{n: 1}
	}
	c.n, c.several = c.n+1, true
	return c
}

// end reports whether it was the last one.
func (c *openCalls) end() bool {
	c.n--
	return c.n == 0
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
	i := &submitsKept{calls: map[string]int{}, asked: map[string]sim.Moment{}, open: map[string]*openCalls{}, acked: map[*submission]sim.Moment{}}
	i.watch = v.watch(submitsKeptSays, on{record: i.checkRecord, batch: i.checkRow})
	return i
}

func (i *submitsKept) checkRecord(e *sim.Effect) error {
	r := &e.Record
	if r.What != "submit" {
		return nil
	}
	key := fmt.Sprintf("%s/%s %s", e.Process, e.Incarnation, r.Of)
	open := i.open[key]
	if !r.Returned {
		i.calls[r.Of]++
		i.asked[r.Of] = e.Moment()
		i.open[key] = open.begin()
		return nil
	}
	if open == nil {
		open = open.begin() // a call that nobody recorded
	}
	if open.end() {
		delete(i.open, key)
	}
	switch {
	case r.Class == env.ClassOther:
		asked := i.asked[r.Of]
		if s := i.newest(r.Of); !open.several && s != nil && s.born.Is(e.Process, e.Incarnation) && s.born.Event > asked.Event {
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
	if s.wanted == nil {
		return nil
	}
	if wrong := i.differs(&s.now, s.wanted); wrong != "" {
		return submissionIsNotWhatWasAskedFor.breach(e, bid, s.born.Ref("submitted it"), what,
			"%s was submitted with another %s than asked for", bid, wrong)
	}
	return nil
}

// differs names the first field of a submission that is not the workload's.
func (i *submitsKept) differs(row *schema.Batch, b *workload.Batch) string {
	attempts := b.MaxAttempts
	if attempts == 0 {
		attempts = i.cfg.MaxAttempts
	}
	switch {
	case row.Output != strings.TrimSuffix(b.Output, "/"):
		return "output"
	case row.Chunk != int64(b.ChunkSize):
		return "chunk size"
	case row.MaxAttempts != int64(attempts):
		return "number of attempts"
	case row.Priority != int64(b.Priority):
		return "priority"
	case row.Parallelism != int64(b.Parallelism):
		return "parallelism"
	case row.BackoffLimit != int64(cmp.Or(b.BackoffLimit, i.cfg.BackoffLimit)):
		return "back-off limit"
	case row.TTLMS != i.cfg.TTL.Milliseconds():
		return "time to live"
	}
	rest := row.Sources
	for n := range b.Sources {
		source, more, _ := strings.Cut(rest, "\n")
		url, filter, _ := strings.Cut(source, "\t")
		if url != b.Sources[n].Prefix || filter != b.Sources[n].Filter {
			return "source"
		}
		rest = more
	}
	if rest != "" {
		return "number of sources"
	}
	return ""
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
