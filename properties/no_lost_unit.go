package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
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
	watch
	ids map[string]*unit // by uid
}

var (
	noLostUnitSays = say("no-lost-unit")

	unitDeletedWhileItsBatchLives     = noLostUnitSays.clause("R7", "unit deleted while its batch lives")
	unitCreatedOutsideDiscovery       = noLostUnitSays.clause("R16", "unit created outside discovery")
	twoUnitsWithOneID                 = noLostUnitSays.clause("R2", "two units with one id")
	publishedWithoutAUnit             = noLostUnitSays.clause("R10", "published without a unit")
	publishedWithAnotherNumberOfUnits = noLostUnitSays.clause("R10", "published with another number of units")
	twoUnitsForOneRecording           = noLostUnitSays.clause("R19", "two units for one recording")
	unitDescribesAnotherObject        = noLostUnitSays.clause("R19", "unit describes another object")
	wrongNumberOfUnits                = noLostUnitSays.clause("R19", "wrong number of units")
	recordingWithoutAUnit             = noLostUnitSays.clause("R19", "recording without a unit")
	unitOfAnotherSource               = noLostUnitSays.clause("R19", "unit of another source")
	unitWithoutARecording             = noLostUnitSays.clause("R19", "unit without a recording")
)

func newNoLostUnit(v *view) sim.Invariant {
	i := &noLostUnit{ids: map[string]*unit{}}
	i.watch = v.watch(noLostUnitSays, on{unit: i.checkUnit, batch: i.checkBatch})
	return i
}

func (i *noLostUnit) checkUnit(c *unitChange) error {
	u, s := c.unit, c.unit.sub
	if c.deleted && c.before.State != schema.None && !s.terminal() {
		return unitDeletedWhileItsBatchLives.breach(c.by, u.uid, u.born.Ref("created the unit"), "deleted the unit",
			"unit %s (%s) was deleted while %s is %s", u.uid, c.before.URL, s.bid, s.now.Phase)
	}
	if c.created() && (!s.current(i.view) || s.now.Phase != "discovering") {
		return unitCreatedOutsideDiscovery.breach(c.by, u.uid, s.born.Ref("submitted "+s.bid), "created the unit",
			"unit %s (%s) was created while %s is %s", u.uid, u.now.URL, s.bid, s.now.Phase)
	}
	if !c.created() {
		return nil
	}
	if twin := i.ids[u.uid]; twin != nil && twin != u {
		return twoUnitsWithOneID.breach(c.by, u.uid, twin.born.Ref("created "+twin.key), "created "+u.key,
			"%s and %s are different units with the same id", twin.key, u.key)
	}
	i.ids[u.uid] = u
	return nil
}

func (i *noLostUnit) checkBatch(c *batchChange) error {
	if !c.entered() {
		return nil
	}
	switch c.sub.now.Phase {
	case "running":
		return i.checkDiscovered(c)
	case "complete":
		return i.checkComplete(c)
	}
	return nil
}

// checkDiscovered compares the units with the recordings.
func (i *noLostUnit) checkDiscovered(c *batchChange) error {
	s := c.sub
	wrong := func(broken *clause, subject, format string, args ...any) error {
		return broken.breach(c.by, subject, s.born.Ref("submitted "+s.bid), "ended the discovery", format, args...)
	}
	units := 0
	byURL := make(map[string]*unit, len(s.units))
	for _, u := range s.units {
		if !u.exists() {
			continue
		}
		units++
		if twin := byURL[u.now.URL]; twin != nil {
			return wrong(twoUnitsForOneRecording, u.uid, "%s is unit %s and unit %s of %s", u.now.URL, twin.uid, u.uid, s.bid)
		}
		byURL[u.now.URL] = u
		if o, ok := i.world.Object(u.now.URL); ok && (o.Size != u.now.Size || o.ETag != u.now.ETag) {
			return wrong(unitDescribesAnotherObject, u.uid, "unit %s says that %s has size %d and ETag %s; it has %d and %s",
				u.uid, u.now.URL, u.now.Size, u.now.ETag, o.Size, o.ETag)
		}
	}
	if s.now.Units != int64(units) {
		return i.miscounted(c, units)
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
				return wrong(recordingWithoutAUnit, s.bid, "the discovery of %s ended without a unit for %s", s.bid, url)
			}
			if u.now.Source != int64(n) {
				return wrong(unitOfAnotherSource, u.uid, "unit %s (%s) is of source %d, says its row; it is of source %d", u.uid, url, u.now.Source, n)
			}
			delete(byURL, url)
		}
	}
	for _, u := range s.units {
		if byURL[u.now.URL] == u {
			return wrong(unitWithoutARecording, u.uid, "unit %s is for %s, which no source of %s contains", u.uid, u.now.URL, s.bid)
		}
	}
	return nil
}

// miscounted says which source's count is wrong, if one's is, and since when.
func (i *noLostUnit) miscounted(c *batchChange, units int) error {
	s := c.sub
	first := s.born.Ref("submitted " + s.bid)
	text := fmt.Sprintf("%s says that it has %d units; there are %d", s.bid, s.now.Units, units)
	for _, d := range s.discoveries {
		created := int64(0)
		for _, u := range s.units {
			if u.exists() && u.now.Source == int64(d.source) {
				created++
			}
		}
		if created != d.now.Found {
			counted := i.world.LastWrite(d.key)
			first = counted.Ref(fmt.Sprintf("wrote that source %d has %d units", d.source, d.now.Found))
			text += fmt.Sprintf(": of source %d, %d were created and %d counted", d.source, created, d.now.Found)
			break
		}
	}
	return wrongNumberOfUnits.breach(c.by, s.bid, first, "ended the discovery", "%s", text)
}

func (i *noLostUnit) checkComplete(c *batchChange) error {
	s := c.sub
	complete := int64(0)
	for _, u := range s.units {
		if u.now.State == schema.Complete {
			complete++
			continue
		}
		changed := i.world.LastWrite(u.key)
		return publishedWithoutAUnit.breach(c.by, u.uid, changed.Ref("left the unit "+u.now.State.String()), "published "+s.bid,
			"%s was published while unit %s (%s) is %s", s.bid, u.uid, u.now.URL, u.now.State)
	}
	if complete != s.now.Units {
		return publishedWithAnotherNumberOfUnits.breach(c.by, s.bid, sim.EventRef{}, "published "+s.bid,
			"%s was published with %d complete units; its row says %d", s.bid, complete, s.now.Units)
	}
	return nil
}
