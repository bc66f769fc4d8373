package properties

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// exactlyOnce: a submission is published at most once, by the highest merge
// generation that was claimed, and what its row points to never changes.
//
// A second publication replaces a dataset that somebody is already training on,
// and one by a generation that was overtaken may lack what its successor saw.
type exactlyOnce struct{ watch }

var (
	exactlyOnceSays = say("exactly-once")

	completeWithoutAManifest         = exactlyOnceSays.clause("R11", "complete without a manifest")
	publishedTwice                   = exactlyOnceSays.clause("R11", "published twice")
	publishedPointerChanged          = exactlyOnceSays.clause("R11", "published pointer changed")
	publishedByAnOvertakenGeneration = exactlyOnceSays.clause("R11", "published by an overtaken generation")
	publishedWithoutTheClaimsEnd     = exactlyOnceSays.clause("R11", "published without the claim's end")
	publishedButNotComplete          = exactlyOnceSays.clause("R11", "published but not complete")
	manifestOfAnotherDataset         = exactlyOnceSays.clause("R11", "manifest of another dataset")
	claimPublishedWithoutTheBatch    = exactlyOnceSays.clause("R11", "claim published without the batch")
)

func newExactlyOnce(v *view) sim.Invariant {
	i := &exactlyOnce{}
	i.watch = v.watch(exactlyOnceSays, on{batch: i.checkBatch, merge: i.checkMerge})
	return i
}

func (i *exactlyOnce) checkBatch(c *batchChange) error {
	if c.deleted {
		return nil
	}
	s := c.sub
	now, was := &s.now, &c.before
	first := s.published
	switch {
	case now.Manifest == "" && now.Phase == "complete":
		return completeWithoutAManifest.breach(c.by, s.bid, sim.EventRef{}, "completed "+s.bid,
			"%s is complete, but its row names no manifest", s.bid)
	case c.published():
		return i.checkFlip(c)
	case was.Manifest == "":
		return nil
	case now.Manifest != was.Manifest && now.MergeGen != was.MergeGen:
		return publishedTwice.breach(c.by, s.bid, first.Ref(fmt.Sprintf("published g%d", was.MergeGen)), fmt.Sprintf("published g%d", now.MergeGen),
			"%s was published twice: as generation %d by %s and as generation %d by %s", s.bid, was.MergeGen, first.Who(), now.MergeGen, c.who())
	case now.Manifest != was.Manifest || now.ManifestETag != was.ManifestETag || now.MergeGen != was.MergeGen:
		return publishedPointerChanged.breach(c.by, s.bid, first.Ref(fmt.Sprintf("published g%d", was.MergeGen)), "changed the pointer",
			"what %s published as %s (generation %d) is now %q (generation %d)", s.bid, was.Manifest, was.MergeGen, now.Manifest, now.MergeGen)
	}
	return nil
}

// checkFlip judges the commit that published s.
func (i *exactlyOnce) checkFlip(c *batchChange) error {
	s := c.sub
	gen := s.now.MergeGen
	what := fmt.Sprintf("published g%d", gen)
	highest := uint64(0)
	var by sim.Moment
	for n := range s.merge.claims {
		if claim := &s.merge.claims[n]; claim.epoch > highest {
			highest, by = claim.epoch, claim.Moment
		}
	}
	claim := sim.EventRef{}
	if highest > 0 {
		claim = by.Ref(fmt.Sprintf("claimed g%d", highest))
	}
	if s.now.Phase != "complete" {
		return publishedButNotComplete.breach(c.by, s.bid, claim, "named a manifest",
			"%s names the manifest %s while it is %s: nothing is published yet", s.bid, s.now.Manifest, s.now.Phase)
	}
	if gen != highest {
		return publishedByAnOvertakenGeneration.breach(c.by, s.bid, claim, what,
			"%s was published as generation %d, but the newest claim is generation %d", s.bid, gen, highest)
	}
	if m := &s.merge.now; !s.merge.exists || m.Gen != gen || m.State != "published" {
		return publishedWithoutTheClaimsEnd.breach(c.by, s.bid, claim, what,
			"%s was published as generation %d, but merge/%s says generation %d %s", s.bid, gen, s.bid, m.Gen, m.State)
	}
	k := schema.SplitObjectKey(s.now.Manifest)
	if k.Area != schema.Dataset || k.Gen != s.gen || k.Epoch != gen || k.Path != "manifest.json" || k.Output != strings.TrimSuffix(s.now.Output, "/") {
		return manifestOfAnotherDataset.breach(c.by, s.bid, claim, what,
			"%s was published as generation %d, but its row names the manifest %s", s.bid, gen, s.now.Manifest)
	}
	return nil
}

func (i *exactlyOnce) checkMerge(c *mergeChange) error {
	s := c.sub
	m := &s.merge.now
	if c.deleted || m.State != "published" || s.now.Manifest != "" && s.now.MergeGen == m.Gen {
		return nil
	}
	return claimPublishedWithoutTheBatch.breach(c.by, s.bid, sim.EventRef{}, fmt.Sprintf("published g%d", m.Gen),
		"merge/%s says that generation %d is published, the batch's row does not", s.bid, m.Gen)
}
