package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// noLostUnit: when discovery ends, every recording of the batch's sources is
// exactly one unit, with the size and ETag that the store tells, and nothing
// else is; units come into being during discovery only, with an id that no other
// ever had, stay until the batch has ended, and are all complete when it is
// published.
//
// A recording that is lost on the way is missing from the dataset, and nothing
// else ever tells.
type noLostUnit struct {
	*view
	ids map[string]*unit // by uid
}

func newNoLostUnit(v *view) *noLostUnit { return &noLostUnit{view: v, ids: map[string]*unit{}} }

func (i *noLostUnit) Name() string { return "no-lost-unit" }

func (i *noLostUnit) Observe(w *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindUnit) && !i.touched.has(kindBatch) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		var err error
		switch c.kind {
		case kindUnit:
			err = i.checkUnit(e, c)
		case kindBatch:
			err = i.checkBatch(w, e, c.sub)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *noLostUnit) checkUnit(e *sim.Effect, c *change) error {
	u, s := c.unit, c.sub
	if c.deleted && u.before != stateNone && !s.terminal() {
		return breach("R7", "unit deleted while its batch lives", u.uid, u.born.ref("created the unit"), e, "deleted the unit",
			fmt.Sprintf("unit %s (%s) was deleted while %s is %s", u.uid, u.was.url, s.bid, s.row.phase))
	}
	if !c.deleted && u.before == stateNone && (!s.current(i.view) || s.row.phase != "discovering") {
		return breach("R16", "unit created outside discovery", u.uid, s.born.ref("submitted "+s.bid), e, "created the unit",
			fmt.Sprintf("unit %s (%s) was created while %s is %s", u.uid, u.now.url, s.bid, s.row.phase))
	}
	if c.deleted || u.before != stateNone {
		return nil
	}
	if twin := i.ids[u.uid]; twin != nil && twin != u {
		return breach("R2", "two units with one id", u.uid, twin.born.ref("created "+twin.key), e, "created "+u.key,
			fmt.Sprintf("%s and %s are different units with the same id", twin.key, u.key))
	}
	i.ids[u.uid] = u
	return nil
}

func (i *noLostUnit) checkBatch(w *sim.World, e *sim.Effect, s *submission) error {
	if s == nil || s.was.phase == s.row.phase {
		return nil
	}
	switch s.row.phase {
	case "running":
		return i.checkDiscovered(w, e, s)
	case "complete":
		return i.checkComplete(e, s)
	}
	return nil
}

// checkDiscovered compares the units with the recordings.
func (i *noLostUnit) checkDiscovered(w *sim.World, e *sim.Effect, s *submission) error {
	wrong := func(clause, subject, text string) error {
		return breach("R19", clause, subject, s.born.ref("submitted "+s.bid), e, "ended the discovery", text)
	}
	units := 0
	byURL := make(map[string]*unit, len(s.units))
	for _, u := range s.units {
		if !u.exists() {
			continue
		}
		units++
		if twin := byURL[u.now.url]; twin != nil {
			return wrong("two units for one recording", u.uid, fmt.Sprintf("%s is unit %s and unit %s of %s", u.now.url, twin.uid, u.uid, s.bid))
		}
		byURL[u.now.url] = u
		if o, ok := w.Object(u.now.url); ok && (o.Size != u.now.size || o.ETag != u.now.etag) {
			return wrong("unit describes another object", u.uid, fmt.Sprintf("unit %s says that %s has size %d and ETag %s; it has %d and %s",
				u.uid, u.now.url, u.now.size, u.now.etag, o.Size, o.ETag))
		}
	}
	if s.row.units != int64(units) {
		return wrong("wrong number of units", s.bid, fmt.Sprintf("%s says that it has %d units; there are %d", s.bid, s.row.units, units))
	}
	if s.wanted == nil {
		return nil
	}
	for n := range s.wanted.Sources {
		source := &s.wanted.Sources[n]
		for r := range source.Recordings {
			url := source.Prefix + source.Recordings[r].Name
			u := byURL[url]
			if u == nil {
				return wrong("recording without a unit", s.bid, fmt.Sprintf("the discovery of %s ended without a unit for %s", s.bid, url))
			}
			if u.now.source != int64(n) {
				return wrong("unit of another source", u.uid, fmt.Sprintf("unit %s (%s) is of source %d, says its row; it is of source %d", u.uid, url, u.now.source, n))
			}
			delete(byURL, url)
		}
	}
	for _, u := range s.units {
		if byURL[u.now.url] == u {
			return wrong("unit without a recording", u.uid, fmt.Sprintf("unit %s is for %s, which no source of %s contains", u.uid, u.now.url, s.bid))
		}
	}
	return nil
}

func (i *noLostUnit) checkComplete(e *sim.Effect, s *submission) error {
	complete := int64(0)
	for _, u := range s.units {
		if u.state == stateComplete {
			complete++
			continue
		}
		return breach("R10", "published without a unit", u.uid, u.changed.ref("left the unit "+stateNames[u.state]), e, "published "+s.bid,
			fmt.Sprintf("%s was published while unit %s (%s) is %s", s.bid, u.uid, u.now.url, stateNames[u.state]))
	}
	if complete != s.row.units {
		return breach("R10", "published with another number of units", s.bid, sim.EventRef{}, e, "published "+s.bid,
			fmt.Sprintf("%s was published with %d complete units; its row says %d", s.bid, complete, s.row.units))
	}
	return nil
}
