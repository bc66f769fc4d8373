package properties

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
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
	*view
	calls map[string]int    // submit calls by name
	asked map[string]moment // the newest call by name
	acked map[*submission]moment
}

func newSubmitsKept(v *view) *submitsKept {
	return &submitsKept{view: v, calls: map[string]int{}, asked: map[string]moment{}, acked: map[*submission]moment{}}
}

func (i *submitsKept) Name() string { return "submits-kept" }

func (i *submitsKept) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectRecord {
		return i.checkRecord(e)
	}
	if !i.touched.has(kindBatch) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindBatch || c.deleted {
			continue
		}
		if err := i.checkRow(e, c); err != nil {
			return err
		}
	}
	return nil
}

func (i *submitsKept) checkRecord(e *sim.Effect) error {
	r := &e.Record
	switch {
	case r.What != "submit":
		return nil
	case !r.Returned:
		i.calls[r.Of]++
		i.asked[r.Of] = momentOf(e)
		return nil
	case r.Class == env.ClassOther:
		asked := i.asked[r.Of]
		if s := i.batches["batch/"+r.Of]; s != nil && s.born.is(e.Process, e.Incarnation) && s.born.event > asked.event {
			return breach("R4", "own submission refused", s.bid, s.born.ref("submitted "+s.bid), e, "was told that "+r.Of+" is live already",
				fmt.Sprintf("a submission of %s was refused because the name lives: as %s, which that very call submitted", r.Of, s.bid))
		}
		return nil
	case r.Class != env.ClassNone:
		return nil
	}
	bid := bidOf(r.Of, uint64(r.Value))
	what := fmt.Sprintf("was told that it is generation %d", r.Value)
	s := i.submissions[bid]
	if s == nil || !s.exists {
		return breach("R5", "acknowledged submission is not there", bid, sim.EventRef{}, e, what,
			fmt.Sprintf("the submission of %s was acknowledged as generation %d, which is not there", r.Of, r.Value))
	}
	if first, twice := i.acked[s]; twice {
		return breach("R5", "one submission acknowledged twice", bid, first.ref(what), e, what,
			fmt.Sprintf("two submissions of %s were acknowledged as generation %d", r.Of, r.Value))
	}
	i.acked[s] = momentOf(e)
	if s.wanted == nil {
		return nil
	}
	if wrong := i.differs(&s.row, s.wanted); wrong != "" {
		return breach("R5", "submission is not what was asked for", bid, s.born.ref("submitted it"), e, what,
			fmt.Sprintf("%s was submitted with another %s than asked for", bid, wrong))
	}
	return nil
}

// differs names the first field of a submission that is not the workload's.
func (i *submitsKept) differs(row *batchRow, b *workload.Batch) string {
	attempts := b.MaxAttempts
	if attempts == 0 {
		attempts = i.cfg.MaxAttempts
	}
	switch {
	case row.output != strings.TrimSuffix(b.Output, "/"):
		return "output"
	case row.chunk != int64(b.ChunkSize):
		return "chunk size"
	case row.maxAttempts != int64(attempts):
		return "number of attempts"
	case row.priority != int64(b.Priority):
		return "priority"
	case row.parallelism != int64(b.Parallelism):
		return "parallelism"
	case row.backoffLimit != int64(i.cfg.BackoffLimit):
		return "back-off limit"
	case row.ttl != i.cfg.TTL.Milliseconds():
		return "time to live"
	}
	rest := row.sources
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

func (i *submitsKept) checkRow(e *sim.Effect, c *change) error {
	s := c.sub
	if c.before == s {
		now, was := &s.row, &s.was
		if now.output == was.output && now.sources == was.sources && now.maxAttempts == was.maxAttempts &&
			now.backoffLimit == was.backoffLimit && now.parallelism == was.parallelism && now.priority == was.priority && now.chunk == was.chunk && now.ttl == was.ttl && now.submittedMS == was.submittedMS {
			return nil
		}
		return breach("R5", "submission rewritten", s.bid, s.born.ref("submitted it"), e, "wrote another specification",
			fmt.Sprintf("the specification of %s changed after it was submitted", s.bid))
	}
	if s.gen <= uint64(i.calls[s.name]) {
		return nil
	}
	first := sim.EventRef{}
	if c.before != nil {
		first = c.before.born.ref("submitted " + c.before.bid)
	}
	return breach("R5", "submitted more often than asked", s.bid, first, e, "submitted "+s.bid,
		fmt.Sprintf("%s has %d submissions after %d calls", s.name, s.gen, i.calls[s.name]))
}
