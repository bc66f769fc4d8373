package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// outcomesJustified: a batch is cancelled only if a client asked for it, and
// fails only if a recording is poisoned or faults ended every counted attempt
// of the unit that it failed for, or of more attempts than its back-off limit
// allows; a unit dies only of poison or after its last attempt, is cancelled
// only after its batch has ended, and what failed tells why.
//
// A system may always be right by giving up. This one may not.
type outcomesJustified struct {
	*view
	asked    map[string]bool // to cancel, by name
	suspects []failure
}

// failure is a failed batch that the faults known so far do not explain: one
// that held a request back may become known later.
type failure struct {
	sub       *submission
	violation error
}

func newOutcomesJustified(v *view) *outcomesJustified {
	return &outcomesJustified{view: v, asked: map[string]bool{}}
}

func (i *outcomesJustified) Name() string { return "outcomes-justified" }

func (i *outcomesJustified) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectRecord && e.Record.What == "cancel" {
		i.asked[e.Record.Of] = true
	}
	if i.touched&(1<<kindUnit|1<<kindBatch) == 0 {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		var err error
		switch {
		case c.deleted:
		case c.kind == kindUnit && c.unit.before != c.unit.state:
			err = i.checkUnit(e, c.unit)
		case c.kind == kindBatch && c.sub.was.phase != c.sub.row.phase:
			err = i.checkBatch(w, e, c.sub)
		}
		if err != nil {
			return err
		}
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

func (i *outcomesJustified) checkUnit(e *sim.Effect, u *unit) error {
	wrong := func(rule, clause, text string) error {
		return breach(rule, clause, u.uid, lastClaim(u.claims), e, u.edge(), text)
	}
	switch u.state {
	case stateFailed, stateDead:
		if u.now.err == "" {
			return wrong("R12", "unit failed without an error", fmt.Sprintf("unit %s is %s, and its row does not tell why", u.uid, stateNames[u.state]))
		}
		limit := u.sub.row.maxAttempts * (1 + u.now.retries)
		if u.state == stateDead && u.now.attempts < limit && !poisoned(u.sub.wanted, u.now.url) {
			return wrong("R12", "unit dead before its last attempt", fmt.Sprintf("unit %s (%s) is dead after attempt %d of %d: %s", u.uid, u.now.url, u.now.attempts, limit, u.now.err))
		}
	case stateCancelled:
		if !u.sub.terminal() {
			return wrong("R16", "unit cancelled while its batch lives", fmt.Sprintf("unit %s was cancelled while %s is %s", u.uid, u.sub.bid, u.sub.row.phase))
		}
	}
	return nil
}

func (i *outcomesJustified) checkBatch(w *sim.World, e *sim.Effect, s *submission) error {
	switch s.row.phase {
	case "cancelled":
		if !i.asked[s.name] {
			return breach("R16", "cancelled without being asked", s.bid, s.born.orNone("submitted it"), e, "cancelled the batch",
				fmt.Sprintf("%s was cancelled, and no client has asked for that", s.bid))
		}
	case "failed":
		if s.row.err == "" {
			return breach("R12", "batch failed without an error", s.bid, s.born.orNone("submitted it"), e, "failed the batch",
				fmt.Sprintf("%s has failed, and its row does not tell why", s.bid))
		}
		if s.wanted != nil && !s.wanted.Poisoned() && !i.explained(w, s) {
			violation := breach("R12", "batch failed without a reason", s.bid, s.born.orNone("submitted it"), e, "failed the batch",
				fmt.Sprintf("%s has failed (%s), but faults do not explain it", s.bid, s.row.err))
			i.suspects = append(i.suspects, failure{s, violation})
		}
	}
	return nil
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
			if c.ended.event != 0 && c.endedIn != stateComplete && i.struckBetween(c.at, c.ended.at) {
				struck++
			}
		}
		if u.state == stateDead && struck >= u.now.attempts {
			return true
		}
		failed += struck
	}
	return failed > s.row.backoffLimit
}
