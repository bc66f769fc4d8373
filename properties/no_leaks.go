package properties

import (
	"fmt"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// noLeaks: maxInFlight and two rounds of the janitor after a batch has ended
// and the faults have stopped, nothing is left of it but what it published: no
// staged object, no dataset of a merge that lost, no open upload, no unit that
// is not at rest; and once its watch and its time to live are over, no rows but
// its own. What came into being later has as long. TiKV's own locks are
// not judged: whoever meets one resolves it, and TiKV's collection the rest.
// Nothing is collected before maxInFlight has passed, but by who wrote it.
//
// Leftovers cost money for ever, and the next run stumbles over them; and what
// is collected too early comes back with the next late request.
type noLeaks struct{ *view }

func (i *noLeaks) Name() string { return "no-leaks" }

func (i *noLeaks) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectCommit && i.cfg.WatchFor > 0 && i.touched.has(kindBatch) {
		return i.checkExpiry(e)
	}
	if e.Kind != sim.EffectObject || e.Object.Kind != objstore.EffectDelete && e.Object.Kind != objstore.EffectAbort {
		return nil
	}
	o := i.object
	if o.sub == nil || !o.sub.terminal() {
		return nil // fencing judges that
	}
	claims := o.sub.merge.claims
	if o.area == areaStaging {
		claims = o.unit.claims
	}
	if own := claimOf(claims, o.epoch); own != nil && own.is(e.Process, e.Incarnation) {
		return nil
	}
	if since := e.At - o.sub.ended.at; since < hurried(i.cfg.MaxInFlight) {
		return breach("R15", "collected too early", o.key, o.sub.ended.ref("ended "+o.sub.bid), e, e.Object.Kind.String()+" "+o.key,
			fmt.Sprintf("%s/%s did %s to %s only %s after %s ended; a request may be in flight for %s", e.Process, e.Incarnation, e.Object.Kind, o.key, since, o.sub.bid, i.cfg.MaxInFlight))
	}
	return nil
}

func (i *noLeaks) Settled(w *sim.World) error {
	for _, check := range [...]func(*sim.World) error{i.checkObjects, i.checkUploads, i.checkUnits, i.checkForgotten} {
		if err := check(w); err != nil {
			return err
		}
	}
	return nil
}

// watched is how long the rows of an ended batch are kept at least.
func (i *noLeaks) watched() time.Duration { return max(i.cfg.WatchFor, i.cfg.TTL) }

func (i *noLeaks) checkExpiry(e *sim.Effect) error {
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindBatch || c.deleted || c.sub.row.phase != "expired" || c.sub.was.phase == "expired" {
			continue
		}
		if kept := e.At - c.sub.ended.at; kept < hurried(i.watched()) {
			return breach("R15", "expired too early", c.sub.bid, c.sub.ended.ref("ended "+c.sub.bid), e, "expired the batch",
				fmt.Sprintf("%s expired %s after it ended; its rows are kept for %s", c.sub.bid, kept, i.watched()))
		}
	}
	return nil
}

// checkForgotten: once its watch is over nothing tells of an ended batch any
// more that janitors would look at again and again, and with a time to live
// its rows are gone. Two janitors that count by turns lose a little time.
func (i *noLeaks) checkForgotten(w *sim.World) error {
	healed, ok := w.Healed()
	if !ok || i.cfg.WatchFor == 0 {
		return nil
	}
	bound := drifted(i.watched()+i.watched()/2+i.cfg.MaxInFlight+4*i.cfg.JanitorEvery+2*i.cfg.ControlEvery) + i.cfg.slack()
	for _, s := range i.order {
		if !s.exists || !s.terminal() || w.Now() <= max(healed, s.ended.at)+bound {
			continue
		}
		if _, left := w.Get("sweep/" + s.bid); left {
			return settledBreach("R15", "batch watched for ever", s.bid, s.ended.ref("ended "+s.bid), fmt.Sprintf("sweep/%s is still there; the batch should have been forgotten by now", s.bid))
		}
		if i.cfg.TTL == 0 {
			continue
		}
		_, units := s.counts()
		if units > 0 || s.merge.exists || s.current(i.view) && s.row.phase != "expired" {
			return settledBreach("R15", "rows kept for ever", s.bid, s.ended.ref("ended "+s.bid), fmt.Sprintf("%s is %s and has %d units; its time to live of %s is over", s.bid, s.row.phase, units, i.cfg.TTL))
		}
	}
	return nil
}

// overdue reports whether what has been left over since then should be gone.
func (i *noLeaks) overdue(w *sim.World, s *submission, since time.Duration) bool {
	healed, ok := w.Healed()
	if !ok || !s.terminal() {
		return false
	}
	bound := drifted(i.cfg.MaxInFlight+2*i.cfg.JanitorEvery+2*i.cfg.ControlEvery) + i.cfg.slack()
	return w.Now() > max(healed, since, s.ended.at)+bound
}

func (i *noLeaks) checkObjects(w *sim.World) error {
	for _, s := range i.order {
		if !s.exists {
			continue
		}
		output := strings.TrimSuffix(s.row.output, "/") + "/"
		for _, key := range w.ObjectKeys(output) {
			o := i.objects[key]
			if o == nil || o.sub != s || o.area == areaDataset && s.row.manifest != "" && o.epoch == s.row.mergeGen {
				continue
			}
			if i.overdue(w, s, o.stored.at) {
				return settledBreach("R15", "object left behind", key, o.stored.ref("stored it"),
					fmt.Sprintf("%s is left over from %s, which is %s", key, s.bid, s.row.phase))
			}
		}
	}
	return nil
}

func (i *noLeaks) checkUploads(w *sim.World) error {
	for _, open := range w.Uploads() {
		up := i.uploads[open.ID]
		if up == nil || up.object.sub == nil || !i.overdue(w, up.object.sub, up.created.at) {
			continue
		}
		return settledBreach("R15", "upload left open", open.Key, up.created.ref("opened it"),
			fmt.Sprintf("upload %s of %s is left over from %s, which is %s", open.ID, open.Key, up.object.sub.bid, up.object.sub.row.phase))
	}
	return nil
}

func (i *noLeaks) checkUnits(w *sim.World) error {
	for _, s := range i.order {
		for _, u := range s.units {
			switch u.state {
			case statePending, stateProcessing, stateFailed:
				if i.overdue(w, s, u.changed.at) {
					return settledBreach("R15", "unit not at rest", u.uid, u.changed.ref("left the unit "+stateNames[u.state]),
						fmt.Sprintf("unit %s is still %s; %s is %s", u.uid, stateNames[u.state], s.bid, s.row.phase))
				}
			}
		}
	}
	return nil
}
