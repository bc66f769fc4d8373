package properties

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// summariesAgree: what is derived says what is so: a status row tells the
// generation, phase, error and counts that its writer's snapshot had, is there
// until its batch expires, and tells those of the batch once all has come to rest;
// a batch that says that it is about to fail has passed its limit of failed
// attempts, or its discovery's leader says so; at rest the index holds exactly the
// living batches, the progress of the discovery adds up to the units that there
// are, and every batch tells when it was submitted and when it ended: by the wall
// clock of who wrote it, in milliseconds, and the same for ever.
//
// People, and the system's own roles, look at the summaries first: a batch that
// is missing from the index is never worked on again.
type summariesAgree struct {
	watch
	past   map[*submission][]summary
	passed map[*submission]bool  // its limit of failed attempts, at some time
	calls  map[string]sim.Moment // the first call that submits a name
}

// summary is what a batch's status row should say from some commit on.
type summary struct {
	ts     uint64
	phase  string
	err    string
	counts schema.Counts
}

var (
	summariesAgreeSays = say("summaries-agree")

	batchDatedOtherwise      = summariesAgreeSays.clause("R13", "batch dated otherwise")
	batchWithoutItsTimes     = summariesAgreeSays.clause("R13", "batch without its times")
	endedBatchInTheIndex     = summariesAgreeSays.clause("R13", "ended batch in the index")
	livingBatchNotInTheIndex = summariesAgreeSays.clause("R13", "living batch not in the index")
	indexOfAnotherGeneration = summariesAgreeSays.clause("R13", "index of another generation")
	noStatus                 = summariesAgreeSays.clause("R13", "no status")
	statusIsNotSo            = summariesAgreeSays.clause("R13", "status is not so")
	discoveryNotAtItsEnd     = summariesAgreeSays.clause("R13", "discovery not at its end")
	unitsDoNotAddUp          = summariesAgreeSays.clause("R13", "units do not add up")
	statusOfNoBatch          = summariesAgreeSays.clause("R13", "status of no batch")
	statusOfTheForgotten     = summariesAgreeSays.clause("R13", "status of a forgotten batch")
	statusOfTheLiving        = summariesAgreeSays.clause("R13", "status of a kept batch deleted")
	statusWasNeverSo         = summariesAgreeSays.clause("R13", "status was never so")
	endAnnouncedTooSoon      = summariesAgreeSays.clause("R3", "end announced too soon")
)

func newSummariesAgree(v *view) sim.Invariant {
	i := &summariesAgree{past: map[*submission][]summary{}, passed: map[*submission]bool{}, calls: map[string]sim.Moment{}}
	i.watch = v.watch(summariesAgreeSays, on{unit: i.rememberUnit, batch: i.rememberBatch, status: i.checkWritten, record: i.noteCall})
	return i
}

// memory is how many states of a batch are remembered: more than may pass by
// while a controller looks at it.
const memory = 256

// noteCall notes who first submits a name.
func (i *summariesAgree) noteCall(e *sim.Effect) error {
	if r := &e.Record; r.What == "submit" && !r.Returned && i.calls[r.Of].Event == 0 {
		i.calls[r.Of] = e.Moment()
	}
	return nil
}

func (i *summariesAgree) rememberUnit(c *unitChange) error {
	i.remember(c.by, c.unit.sub)
	return nil
}

func (i *summariesAgree) rememberBatch(c *batchChange) error {
	if c.deleted {
		return nil
	}
	i.remember(c.by, c.sub)
	if err := i.checkDates(c); err != nil {
		return err
	}
	if c.before.Closing == "" && c.sub.now.Closing == "failed" {
		return i.checkAnnounced(c)
	}
	return nil
}

// checkDates judges what a batch's row says of when it was submitted and when it ended.
// Who submits looks at the clock after the call, and who ends a batch has read its row,
// which was written before; both do so before their commit.
func (i *summariesAgree) checkDates(c *batchChange) error {
	s, was, last := c.sub, &c.before, i.world.WriteBefore(c.key)
	switch {
	case c.by.Event == s.born.Event:
		return i.checkDate(c, "was submitted", s.now.SubmittedMS, i.calls[s.name], "asked for it")
	case s.now.SubmittedMS != was.SubmittedMS:
		return i.dated(c, last.Ref("wrote the row"), "%s was submitted at %d ms, says its row, and before it said %d ms", s.bid, s.now.SubmittedMS, was.SubmittedMS)
	case was.FinishedMS == 0 && s.now.FinishedMS != 0:
		return i.checkDate(c, "ended", s.now.FinishedMS, last, "wrote the row")
	case s.now.FinishedMS != was.FinishedMS:
		return i.dated(c, last.Ref("wrote the row"), "%s ended at %d ms, says its row, and before it said %d ms", s.bid, s.now.FinishedMS, was.FinishedMS)
	}
	return nil
}

// checkDate judges one date, which is not before since. Of a process whose wall clock has
// been moved nothing is known.
func (i *summariesAgree) checkDate(c *batchChange, what string, ms int64, since sim.Moment, did string) error {
	if i.moved(c.by.Process) {
		return nil
	}
	from, until := sim.Epoch().Add(since.At).UnixMilli(), sim.Epoch().Add(c.by.At).UnixMilli()
	if from <= ms && ms <= until {
		return nil
	}
	return i.dated(c, since.Ref(did), "%s %s at %d ms, says its row; it was between %d ms and %d ms by the clock of %s", c.sub.bid, what, ms, from, until, c.who())
}

// moved reports whether a fault has moved a process's wall clock.
func (i *summariesAgree) moved(process string) bool {
	for n := range i.faults {
		if f := i.faults[n].fault; fault.Is[*fault.Skew](f) && (f.At.Process == "" || f.At.Process == process) {
			return true
		}
	}
	return false
}

func (i *summariesAgree) dated(c *batchChange, first sim.EventRef, format string, args ...any) error {
	return batchDatedOtherwise.breach(c.by, c.sub.bid, first, "dated the batch", format, args...)
}

// checkAnnounced judges a row that says that its batch is about to fail. No unit
// starts from then on, and an operator's retry is refused: so it may say that only
// where nothing can avert it. A dead unit can be retried.
func (i *summariesAgree) checkAnnounced(c *batchChange) error {
	s, leader := c.sub, &i.leader.now
	if s.now.Phase == "discovering" && c.isBy(leader.Worker, leader.Incarnation) {
		return nil
	}
	if i.passed[s] {
		return nil
	}
	return endAnnouncedTooSoon.breach(c.by, s.bid, s.born.Ref("submitted "+s.bid), "announced that the batch fails",
		"%s is about to fail, says its row (%s), and has never had more failed attempts than the %d that are allowed",
		s.bid, s.now.Error, s.now.BackoffLimit)
}

// before is what is remembered of a batch as of a snapshot, or nil.
func (i *summariesAgree) before(s *submission, snapshot uint64) *summary {
	past := i.past[s]
	for at := len(past) - 1; at >= 0; at-- {
		if past[at].ts <= snapshot {
			return &past[at]
		}
	}
	return nil // longer ago than what is remembered
}

// remember notes the state of a batch that a commit changed, once a commit.
func (i *summariesAgree) remember(e *sim.Effect, s *submission) {
	past := i.past[s]
	if !s.exists || len(past) > 0 && past[len(past)-1].ts == e.TS {
		return
	}
	if len(past) == memory {
		past = slices.Delete(past, 0, memory/2)
	}
	counts, _ := s.counts()
	i.past[s] = append(past, summary{e.TS, s.now.Phase, s.now.Error, counts})
	if s.failures() > s.now.BackoffLimit {
		i.passed[s] = true
	}
}

// checkWritten compares a status row with what its writer saw.
func (i *summariesAgree) checkWritten(c *statusChange) error {
	if c.deleted {
		return i.checkDeleted(c)
	}
	t, name := &c.status.now, c.status.name
	s := i.submissions[schema.BatchID(name, t.Gen)]
	if s == nil {
		return statusOfNoBatch.breach(c.by, name, sim.EventRef{}, "wrote the status", "%s tells of generation %d, which there is not", c.key, t.Gen)
	}
	if was := i.before(s, c.by.Commit.StartTS); was != nil && (t.Phase != was.phase || t.Error != was.err || t.Counts != was.counts) {
		return statusWasNeverSo.breach(c.by, name, s.born.Ref("submitted "+s.bid), "wrote the status",
			"%s tells %s, %s, error %q; in the snapshot it was written from it was %s, %s, error %q",
			c.key, t.Phase, countsText(&t.Counts), t.Error, was.phase, countsText(&was.counts), was.err)
	}
	return nil
}

// checkDeleted judges who takes the status of a name away: it goes with its batch, and
// not with an earlier one of that name.
func (i *summariesAgree) checkDeleted(c *statusChange) error {
	for _, s := range slices.Backward(i.order) {
		if s.name != c.status.name {
			continue
		}
		if s.exists && s.now.Phase != "expired" {
			return statusOfTheLiving.breach(c.by, c.status.name, s.born.Ref("submitted "+s.bid), "deleted its status", "%s is %s, and its status row was deleted", s.bid, s.now.Phase)
		}
		return nil
	}
	return nil
}

func (i *summariesAgree) Settled(*sim.World) error {
	for _, s := range i.order {
		if !s.exists {
			continue
		}
		if err := i.checkDiscovery(s); err != nil {
			return err
		}
		if s.now.SubmittedMS == 0 || s.terminal() != (s.now.FinishedMS != 0) {
			return i.wrong(s, batchWithoutItsTimes, "%s is %s, and its row says that it was submitted at %d ms and ended at %d ms", s.bid, s.now.Phase, s.now.SubmittedMS, s.now.FinishedMS)
		}
		if !s.current(i.view) {
			continue
		}
		if err := i.checkIndex(s); err != nil {
			return err
		}
		if err := i.checkStatus(s); err != nil {
			return err
		}
	}
	return nil
}

func (i *summariesAgree) wrong(s *submission, broken *clause, format string, args ...any) error {
	return broken.breachAtRest(s.name, s.ended.Ref("ended "+s.bid), format, args...)
}

func (i *summariesAgree) checkIndex(s *submission) error {
	gen, listed := i.active[schema.ActiveTable.Key(s.name)]
	switch {
	case listed && s.terminal():
		return i.wrong(s, endedBatchInTheIndex, "%s is %s, but still in the index of living batches", s.bid, s.now.Phase)
	case !listed && !s.terminal():
		return i.wrong(s, livingBatchNotInTheIndex, "%s is %s, but not in the index of living batches", s.bid, s.now.Phase)
	case listed && gen != s.gen:
		return i.wrong(s, indexOfAnotherGeneration, "the index holds generation %d of %s; the newest is %d", gen, s.name, s.gen)
	}
	return nil
}

func (i *summariesAgree) checkStatus(s *submission) error {
	status := i.statuses[schema.StatusTable.Key(s.name)]
	has := status != nil && status.exists
	if s.now.Phase == "expired" {
		if has {
			return i.wrong(s, statusOfTheForgotten, "%s is expired, but status/%s is there, and stays for ever", s.bid, s.name)
		}
		return nil
	}
	if !has {
		return i.wrong(s, noStatus, "%s is %s, but has no status row", s.bid, s.now.Phase)
	}
	counts, _ := s.counts()
	t := &status.now
	if t.Gen != s.gen || t.Phase != s.now.Phase || t.Error != s.now.Error || t.Counts != counts {
		return i.wrong(s, statusIsNotSo, "status/%s tells generation %d, %s, %s; it is generation %d, %s, %s",
			s.name, t.Gen, t.Phase, countsText(&t.Counts), s.gen, s.now.Phase, countsText(&counts))
	}
	return nil
}

func countsText(counts *schema.Counts) string {
	text := ""
	for _, state := range schema.States() {
		if counts[state] != 0 {
			text += fmt.Sprintf("%d %s ", counts[state], state)
		}
	}
	if text == "" {
		return "no units"
	}
	return text[:len(text)-1]
}

// forgotten reports whether the rows of an ended batch are gone: its time to
// live is over. The batch row says so only if the name was not submitted again.
func (s *submission) forgotten() bool {
	for _, d := range s.discoveries {
		if !d.exists && s.terminal() {
			return true
		}
	}
	return s.now.Phase == "expired"
}

func (i *summariesAgree) checkDiscovery(s *submission) error {
	if s.running.Event == 0 || s.forgotten() {
		return nil
	}
	_, units := s.counts()
	found := int64(0)
	for _, d := range s.discoveries {
		found += d.now.Found
		if !d.now.Done || d.now.Error != "" {
			return i.wrong(s, discoveryNotAtItsEnd, "%s ran, but %s says done=%v, error %q", s.bid, d.key, d.now.Done, d.now.Error)
		}
	}
	if found != units || s.now.Units != units {
		return i.wrong(s, unitsDoNotAddUp, "%s has %d units; its row says %d, its discovery found %d", s.bid, units, s.now.Units, found)
	}
	return nil
}
