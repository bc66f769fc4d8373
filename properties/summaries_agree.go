package properties

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// summariesAgree: what is derived says what is so: a status row tells the
// generation, phase, error and counts that its writer's snapshot had, and once
// all has come to rest those of the batch; then the index holds exactly the
// living batches, the progress of the discovery adds up to the units that there
// are, and every batch tells when it was submitted and when it ended.
//
// People, and the system's own roles, look at the summaries first: a batch that
// is missing from the index is never worked on again.
type summariesAgree struct {
	*view
	past map[*submission][]summary
}

// summary is what a batch's status row should say from some commit on.
type summary struct {
	ts     uint64
	phase  string
	err    string
	counts [unitStates]int64
}

func newSummariesAgree(v *view) *summariesAgree {
	return &summariesAgree{view: v, past: map[*submission][]summary{}}
}

func (i *summariesAgree) Name() string { return "summaries-agree" }

func (i *summariesAgree) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind != sim.EffectCommit {
		return nil
	}
	if i.touched.has(kindStatus) {
		for n := range i.changes {
			if c := &i.changes[n]; c.kind == kindStatus && !c.deleted {
				if err := i.checkWritten(e, c.key); err != nil {
					return err
				}
			}
		}
	}
	if i.touched&(1<<kindUnit|1<<kindBatch) != 0 {
		i.remember(e)
	}
	return nil
}

// memory is how many states of a batch are remembered: more than may pass by
// while a controller looks at it.
const memory = 256

// remember notes the state of the batches that a commit changed.
func (i *summariesAgree) remember(e *sim.Effect) {
	for n := range i.changes {
		s := i.changes[n].sub
		if s == nil || !s.exists {
			continue
		}
		past := i.past[s]
		if len(past) > 0 && past[len(past)-1].ts == e.TS {
			continue
		}
		if len(past) == memory {
			past = slices.Delete(past, 0, memory/2)
		}
		counts, _ := s.counts()
		i.past[s] = append(past, summary{e.TS, s.row.phase, s.row.err, counts})
	}
}

// checkWritten compares a status row with what its writer saw.
func (i *summariesAgree) checkWritten(e *sim.Effect, key string) error {
	t := &i.statuses[key].now
	name := strings.TrimPrefix(key, "status/")
	s := i.submissions[bidOf(name, t.gen)]
	if s == nil {
		return breach("R13", "status of no batch", name, sim.EventRef{}, e, "wrote the status", fmt.Sprintf("%s tells of generation %d, which there is not", key, t.gen))
	}
	past := i.past[s]
	at := len(past) - 1
	for at > 0 && past[at].ts > e.Commit.StartTS {
		at--
	}
	if at < 0 || past[at].ts > e.Commit.StartTS {
		return nil // longer ago than what is remembered
	}
	if was := &past[at]; t.phase != was.phase || t.err != was.err || t.counts != was.counts {
		return breach("R13", "status was never so", name, s.born.ref("submitted "+s.bid), e, "wrote the status",
			fmt.Sprintf("%s tells %s, %s, error %q; in the snapshot it was written from it was %s, %s, error %q",
				key, t.phase, countsText(&t.counts), t.err, was.phase, countsText(&was.counts), was.err))
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
		if s.row.submittedMS == 0 || s.terminal() != (s.row.finishedMS != 0) {
			return i.wrong(s, "batch without its times", fmt.Sprintf("%s is %s, and its row says that it was submitted at %d ms and ended at %d ms", s.bid, s.row.phase, s.row.submittedMS, s.row.finishedMS))
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

func (i *summariesAgree) wrong(s *submission, clause, text string) error {
	return settledBreach("R13", clause, s.name, s.ended.orNone("ended "+s.bid), text)
}

// counts counts the unit rows that there are, by state.
func (s *submission) counts() (counts [unitStates]int64, units int64) {
	for _, u := range s.units {
		counts[u.state]++
		if u.exists() {
			units++
		}
	}
	counts[stateNone] = 0
	return counts, units
}

func (i *summariesAgree) checkIndex(s *submission) error {
	gen, listed := i.active["active/"+s.name]
	switch {
	case listed && s.terminal():
		return i.wrong(s, "ended batch in the index", fmt.Sprintf("%s is %s, but still in the index of living batches", s.bid, s.row.phase))
	case !listed && !s.terminal():
		return i.wrong(s, "living batch not in the index", fmt.Sprintf("%s is %s, but not in the index of living batches", s.bid, s.row.phase))
	case listed && gen != s.gen:
		return i.wrong(s, "index of another generation", fmt.Sprintf("the index holds generation %d of %s; the newest is %d", gen, s.name, s.gen))
	}
	return nil
}

func (i *summariesAgree) checkStatus(s *submission) error {
	if s.row.phase == "expired" {
		return nil // the row is gone
	}
	status := i.statuses["status/"+s.name]
	if status == nil || !status.exists {
		return i.wrong(s, "no status", fmt.Sprintf("%s is %s, but has no status row", s.bid, s.row.phase))
	}
	counts, _ := s.counts()
	t := &status.now
	if t.gen != s.gen || t.phase != s.row.phase || t.err != s.row.err || t.counts != counts {
		return i.wrong(s, "status is not so", fmt.Sprintf("status/%s tells generation %d, %s, %s; it is generation %d, %s, %s",
			s.name, t.gen, t.phase, countsText(&t.counts), s.gen, s.row.phase, countsText(&counts)))
	}
	return nil
}

func countsText(counts *[unitStates]int64) string {
	text := ""
	for state := statePending; state < unitStates; state++ {
		if counts[state] != 0 {
			text += fmt.Sprintf("%d %s ", counts[state], stateNames[state])
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
	return s.row.phase == "expired"
}

func (i *summariesAgree) checkDiscovery(s *submission) error {
	if s.running.event == 0 || s.forgotten() {
		return nil
	}
	_, units := s.counts()
	found := int64(0)
	for _, d := range s.discoveries {
		found += d.now.found
		if !d.now.done || d.now.err != "" {
			return i.wrong(s, "discovery not at its end", fmt.Sprintf("%s ran, but %s says done=%v, error %q", s.bid, d.key, d.now.done, d.now.err))
		}
	}
	if found != units || s.row.units != units {
		return i.wrong(s, "units do not add up", fmt.Sprintf("%s has %d units; its row says %d, its discovery found %d", s.bid, units, s.row.units, found))
	}
	return nil
}
