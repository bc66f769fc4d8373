package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// summariesAgree: once all has come to rest, what is derived says what is so:
// the status row tells the batch's generation, phase and counts, the index
// holds exactly the living batches, and the progress of the discovery adds up
// to the units that there are.
//
// People, and the system's own roles, look at the summaries first: a batch that
// is missing from the index is never worked on again.
type summariesAgree struct{ *view }

func (i *summariesAgree) Name() string { return "summaries-agree" }

func (i *summariesAgree) Observe(*sim.World, *sim.Effect) error { return nil }

func (i *summariesAgree) Settled(*sim.World) error {
	for _, s := range i.order {
		if !s.exists {
			continue
		}
		if err := i.checkDiscovery(s); err != nil {
			return err
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
	if t.gen != s.gen || t.phase != s.row.phase || t.counts != counts {
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
