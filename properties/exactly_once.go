package properties

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// exactlyOnce: a submission is published at most once, by the highest merge
// generation that was claimed, and what its row points to never changes.
//
// A second publication replaces a dataset that somebody is already training on,
// and one by a generation that was overtaken may lack what its successor saw.
type exactlyOnce struct {
	*view
	published map[*submission]moment
}

func newExactlyOnce(v *view) *exactlyOnce {
	return &exactlyOnce{view: v, published: map[*submission]moment{}}
}

func (i *exactlyOnce) Name() string { return "exactly-once" }

func (i *exactlyOnce) Observe(_ *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindBatch) && !i.touched.has(kindMerge) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.deleted {
			continue
		}
		var err error
		switch c.kind {
		case kindBatch:
			err = i.checkBatch(c.sub, e)
		case kindMerge:
			err = i.checkMerge(c.sub, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *exactlyOnce) checkBatch(s *submission, e *sim.Effect) error {
	now, was := &s.row, &s.was
	first := i.published[s]
	switch {
	case now.manifest == "" && now.phase == "complete":
		return breach("R11", "complete without a manifest", s.bid, sim.EventRef{}, e, "completed "+s.bid,
			s.bid+" is complete, but its row names no manifest")
	case first.event == 0 && now.manifest != "":
		i.published[s] = momentOf(e)
		return i.checkFlip(s, e)
	case first.event == 0:
		return nil
	case now.manifest != was.manifest && was.manifest != "" && now.mergeGen != was.mergeGen:
		return breach("R11", "published twice", s.bid, first.ref(fmt.Sprintf("published g%d", was.mergeGen)), e,
			fmt.Sprintf("published g%d", now.mergeGen),
			fmt.Sprintf("%s was published twice: as generation %d by %s and as generation %d by %s", s.bid, was.mergeGen, first.who(), now.mergeGen, e.Process+"/"+e.Incarnation))
	case now.manifest != was.manifest || now.manifestETag != was.manifestETag || now.mergeGen != was.mergeGen:
		return breach("R11", "published pointer changed", s.bid, first.ref(fmt.Sprintf("published g%d", was.mergeGen)), e, "changed the pointer",
			fmt.Sprintf("what %s published as %s (generation %d) is now %q (generation %d)", s.bid, was.manifest, was.mergeGen, now.manifest, now.mergeGen))
	}
	return nil
}

// checkFlip judges the commit that published s.
func (i *exactlyOnce) checkFlip(s *submission, e *sim.Effect) error {
	gen := s.row.mergeGen
	what := fmt.Sprintf("published g%d", gen)
	highest := uint64(0)
	var by moment
	for n := range s.merge.claims {
		if c := &s.merge.claims[n]; c.epoch > highest {
			highest, by = c.epoch, c.moment
		}
	}
	claim := sim.EventRef{}
	if highest > 0 {
		claim = by.ref(fmt.Sprintf("claimed g%d", highest))
	}
	if gen != highest {
		return breach("R11", "published by an overtaken generation", s.bid, claim, e, what,
			fmt.Sprintf("%s was published as generation %d, but the newest claim is generation %d", s.bid, gen, highest))
	}
	if m := &s.merge.now; !s.merge.exists || m.gen != gen || m.state != "published" {
		return breach("R11", "published without the claim's end", s.bid, claim, e, what,
			fmt.Sprintf("%s was published as generation %d, but merge/%s says generation %d %s", s.bid, gen, s.bid, m.gen, m.state))
	}
	if s.row.phase != "complete" {
		return breach("R11", "published but not complete", s.bid, claim, e, what,
			fmt.Sprintf("%s was published in phase %s", s.bid, s.row.phase))
	}
	k := splitObjectKey(s.row.manifest)
	if k.area != areaDataset || k.gen != s.gen || k.epoch != gen || k.path != "manifest.json" || k.output != strings.TrimSuffix(s.row.output, "/") {
		return breach("R11", "manifest of another dataset", s.bid, claim, e, what,
			fmt.Sprintf("%s was published as generation %d, but its row names the manifest %s", s.bid, gen, s.row.manifest))
	}
	return nil
}

func (i *exactlyOnce) checkMerge(s *submission, e *sim.Effect) error {
	m := &s.merge.now
	if m.state != "published" || s.row.manifest != "" && s.row.mergeGen == m.gen {
		return nil
	}
	return breach("R11", "claim published without the batch", s.bid, sim.EventRef{}, e, fmt.Sprintf("published g%d", m.gen),
		fmt.Sprintf("merge/%s says that generation %d is published, the batch's row does not", s.bid, m.gen))
}
