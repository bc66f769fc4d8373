package properties

import (
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// noLeaks: maxInFlight and two rounds of the janitor after a batch has ended
// and the faults have stopped, nothing is left of it but what it published: no
// staged object, no dataset of a merge that lost, no open upload, no unit that
// is not at rest; and once its watch and its time to live are over, no rows but
// its own. What came into being later has as long. TiKV's own locks are
// not judged: whoever meets one resolves it, and TiKV's collection the rest. Nor is
// what was stored when its batch's watch was over: only a process that was frozen
// for longer than that writes then, and WatchFor says for how long janitors look.
// Nothing is collected before maxInFlight has passed, but by who wrote it. And what a
// process opened to find out what the object store has, its next life ends.
//
// Leftovers cost money for ever, and the next run stumbles over them; and what
// is collected too early comes back with the next late request.
type noLeaks struct {
	watch
	probes probesEnded
}

var (
	noLeaksSays = say("no-leaks")

	collectedTooEarly   = noLeaksSays.clause("R15", "collected too early")
	expiredTooEarly     = noLeaksSays.clause("R15", "expired too early")
	batchWatchedForEver = noLeaksSays.clause("R15", "batch watched for ever")
	rowsKeptForEver     = noLeaksSays.clause("R15", "rows kept for ever")
	objectLeftBehind    = noLeaksSays.clause("R15", "object left behind")
	uploadLeftOpen      = noLeaksSays.clause("R15", "upload left open")
	unitNotAtRest       = noLeaksSays.clause("R15", "unit not at rest")
	probeLeftOpen       = noLeaksSays.clause("R15", "probe left open")
)

func newNoLeaks(v *view) sim.Invariant {
	i := &noLeaks{probes: newProbesEnded()}
	i.watch = v.watch(noLeaksSays, on{batch: i.checkExpiry, object: i.checkCollected})
	return i
}

func (i *noLeaks) Settled(w *sim.World) error {
	for _, check := range [...]func(*sim.World) error{i.checkObjects, i.checkUploads, i.checkUnits, i.checkForgotten, i.checkProbes} {
		if err := check(w); err != nil {
			return err
		}
	}
	return nil
}

// ObserveCall follows the probes.
func (i *noLeaks) ObserveCall(_ *sim.World, c *sim.Call) {
	if i.cfg.Probe != "" {
		i.probes.follow(c)
	}
}

// watched is how long the rows of an ended batch are kept at least.
func (i *noLeaks) watched() time.Duration { return max(i.cfg.WatchFor, i.cfg.TTL) }

// checkCollected judges what is collected of an ended batch; of a living one
// fencing judges that.
func (i *noLeaks) checkCollected(c *objectChange) error {
	o, kind := c.object, c.effect().Kind
	if kind == objstore.EffectCreateUpload && i.cfg.Probe != "" {
		i.probes.open(c.upload)
	}
	if kind != objstore.EffectDelete && kind != objstore.EffectAbort || o.sub == nil || !o.sub.terminal() {
		return nil
	}
	claims := o.sub.merge.claims
	if o.Area == schema.Staging {
		claims = o.unit.claims
	}
	if own := claimOf(claims, o.Epoch); own != nil && own.Is(c.by.Process, c.by.Incarnation) {
		return nil
	}
	if since := c.by.At - o.sub.ended.At; since < i.soonest(i.cfg.MaxInFlight) {
		return collectedTooEarly.breach(c.by, o.key, o.sub.ended.Ref("ended "+o.sub.bid), c.did()+" "+o.key,
			"%s %s %s only %s after %s ended; a request may be in flight for %s", c.who(), c.did(), o.key, since, o.sub.bid, i.cfg.MaxInFlight)
	}
	return nil
}

func (i *noLeaks) checkExpiry(c *batchChange) error {
	if i.cfg.WatchFor == 0 || !c.entered() || c.sub.now.Phase != "expired" {
		return nil
	}
	s := c.sub
	if kept := c.by.At - s.ended.At; kept < i.soonest(i.watched()) {
		return expiredTooEarly.breach(c.by, s.bid, s.ended.Ref("ended "+s.bid), "expired the batch",
			"%s expired %s after it ended; its rows are kept for %s", s.bid, kept, i.watched())
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
		if !s.exists || !s.terminal() || w.Now() <= max(healed, s.ended.At)+bound {
			continue
		}
		if _, left := w.Get(schema.SweepTable.Key(s.bid)); left {
			return collecting(schema.SweepTable.Key(s.bid), batchWatchedForEver.breachAtRest(s.bid, s.ended.Ref("ended "+s.bid),
				"sweep/%s is still there; the batch should have been forgotten by now", s.bid))
		}
		if i.cfg.TTL == 0 {
			continue
		}
		if row := s.leftRow(); row != "" {
			return collecting(s.bid, rowsKeptForEver.breachAtRest(s.bid, s.ended.Ref("ended "+s.bid), "%s of %s is still there; its time to live of %s is over", row, s.bid, i.cfg.TTL))
		}
		_, units := s.counts()
		if at := slices.IndexFunc(s.shards, func(h *shard) bool { return h.exists }); at >= 0 {
			return collecting(s.bid, rowsKeptForEver.breachAtRest(s.bid, s.ended.Ref("ended "+s.bid), "shard %d of %s is still there; its time to live of %s is over", s.shards[at].number, s.bid, i.cfg.TTL))
		}
		if units > 0 || s.merge.exists || s.current(i.view) && s.now.Phase != "expired" {
			return collecting(s.bid, rowsKeptForEver.breachAtRest(s.bid, s.ended.Ref("ended "+s.bid),
				"%s is %s and has %d units; its time to live of %s is over", s.bid, s.now.Phase, units, i.cfg.TTL))
		}
	}
	return nil
}

// collecting adds that janitors should have taken away what is left.
func collecting(left string, violation error) error {
	return expecting(violation, "", "collect", left)
}

// leftRow names a row beside units, shards and the merge that the submission still
// has, or "". Nothing writes one without the unit's row or the batch's.
func (s *submission) leftRow() string {
	for _, u := range s.units {
		if u.dead || u.failed {
			return "the place of unit " + u.uid + " among those that failed"
		}
	}
	if at := slices.IndexFunc(s.discoveries, func(d *discovery) bool { return d.exists }); at >= 0 {
		return "the progress of " + s.discoveries[at].key
	}
	return ""
}

// overdue reports whether what has been left over since then should be gone.
func (i *noLeaks) overdue(w *sim.World, s *submission, since time.Duration) bool {
	healed, ok := w.Healed()
	if !ok || !s.terminal() {
		return false
	}
	bound := drifted(i.cfg.MaxInFlight+2*i.cfg.JanitorEvery+2*i.cfg.ControlEvery) + i.cfg.slack()
	return w.Now() > max(healed, since, s.ended.At)+bound
}

// unwatched reports whether what came into being then did so when nobody had to look
// at the batch's prefixes any more.
func (i *noLeaks) unwatched(s *submission, since time.Duration) bool {
	return i.cfg.WatchFor > 0 && since > s.ended.At+hurried(i.watched())
}

func (i *noLeaks) checkObjects(w *sim.World) error {
	for _, s := range i.order {
		if !s.exists {
			continue
		}
		output := strings.TrimSuffix(s.now.Output, "/") + "/"
		for _, key := range w.ObjectKeys(output) {
			o := i.objects[key]
			if o == nil || o.sub != s || o.Area == schema.Dataset && s.now.Manifest != "" && o.Epoch == s.now.MergeGen {
				continue
			}
			if i.overdue(w, s, o.stored.At) && !i.unwatched(s, o.stored.At) {
				return collecting(key, objectLeftBehind.breachAtRest(key, o.stored.Ref("stored it"),
					"%s is left over from %s, which is %s", key, s.bid, s.now.Phase))
			}
		}
	}
	return nil
}

func (i *noLeaks) checkUploads(w *sim.World) error {
	for _, open := range w.Uploads() {
		up := i.uploads[open.ID]
		if up == nil || up.object.sub == nil || !i.overdue(w, up.object.sub, up.created.At) || i.unwatched(up.object.sub, up.created.At) {
			continue
		}
		return collecting(open.Key, uploadLeftOpen.breachAtRest(open.Key, up.created.Ref("opened it"),
			"upload %s of %s is left over from %s, which is %s", open.ID, open.Key, up.object.sub.bid, up.object.sub.now.Phase))
	}
	return nil
}

func (i *noLeaks) checkUnits(w *sim.World) error {
	for _, s := range i.order {
		for _, u := range s.units {
			switch u.now.State {
			case schema.Pending, schema.Processing, schema.Failed:
				changed := w.LastWrite(u.key)
				if i.overdue(w, s, changed.At) {
					return unitNotAtRest.breachAtRest(u.uid, changed.Ref("left the unit "+u.now.State.String()),
						"unit %s is still %s; %s is %s", u.uid, u.now.State, s.bid, s.now.Phase)
				}
			}
		}
	}
	return nil
}
