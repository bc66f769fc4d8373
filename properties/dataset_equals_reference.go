package properties

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// datasetEqualsReference: what is published is, object by object and byte by
// byte, the dataset that follows from the description of the workload, whatever
// befell the processes that built it; its manifest names every object of it,
// with size and digest, and nothing else lies beside them. So it stays.
//
// This is what the whole system is for.
type datasetEqualsReference struct {
	watch
	published []publication
	reference map[*workload.Batch]map[string][]byte
}

// publication is a published dataset, as it was at that instant.
type publication struct {
	sub    *submission
	prefix string
	at     sim.Moment
	keys   []string
	states []sim.ObjectState
}

var (
	datasetEqualsReferenceSays = say("dataset-equals-reference")

	publishedDatasetDiffers = datasetEqualsReferenceSays.clause("R5", "published dataset differs")
	manifestIsWrong         = datasetEqualsReferenceSays.clause("R6", "manifest is wrong")
	publishedDatasetChanged = datasetEqualsReferenceSays.clause("R7", "published dataset changed")
)

func newDatasetEqualsReference(v *view) sim.Invariant {
	i := &datasetEqualsReference{reference: map[*workload.Batch]map[string][]byte{}}
	i.watch = v.watch(datasetEqualsReferenceSays, on{batch: i.checkPublished})
	return i
}

func (i *datasetEqualsReference) checkPublished(c *batchChange) error {
	if c.deleted || c.sub.now.Manifest == "" || c.sub.now.Manifest == c.before.Manifest {
		return nil
	}
	s := c.sub
	p := publication{sub: s, prefix: schema.SplitObjectKey(s.now.Manifest).Prefix, at: c.by.Moment()}
	if p.prefix == "" || s.wanted == nil {
		return nil // exactly-once judges the pointer
	}
	p.keys = i.world.ObjectKeys(p.prefix)
	bodies := make(map[string][]byte, len(p.keys))
	var manifest []byte
	for _, key := range p.keys {
		object, _ := i.world.Object(key)
		body, _ := i.world.Body(key)
		p.states = append(p.states, object)
		if key == s.now.Manifest {
			manifest = body
			continue
		}
		bodies[key[len(p.prefix):]] = body
	}
	i.published = append(i.published, p)
	what := fmt.Sprintf("published g%d", s.now.MergeGen)
	if err := workload.Diff(i.referenceOf(s.wanted), bodies); err != nil {
		return publishedDatasetDiffers.breach(c.by, p.prefix, lastMergeClaim(s.merge.claims), what,
			"the dataset of %s differs from its reference: %v", s.bid, err)
	}
	described := *s.wanted
	described.Name = s.name // a manifest tells the namespace, too
	if err := workload.CheckManifest(&described, manifest, bodies); err != nil {
		return manifestIsWrong.breach(c.by, p.prefix, lastMergeClaim(s.merge.claims), what,
			"the manifest of %s is wrong: %v", s.bid, err)
	}
	return nil
}

func (i *datasetEqualsReference) referenceOf(b *workload.Batch) map[string][]byte {
	r, ok := i.reference[b]
	if !ok {
		r = i.cfg.Workload.Reference(b)
		i.reference[b] = r
	}
	return r
}

// Settled looks whether every dataset is still what it was when it was
// published.
func (i *datasetEqualsReference) Settled(w *sim.World) error {
	for n := range i.published {
		p := &i.published[n]
		keys := w.ObjectKeys(p.prefix)
		same := slices.Equal(keys, p.keys)
		for k := 0; same && k < len(keys); k++ {
			object, _ := w.Object(keys[k])
			same = object.Size == p.states[k].Size && object.Digest == p.states[k].Digest
		}
		if !same {
			return publishedDatasetChanged.breachAtRest(p.prefix, p.at.Ref("published "+p.sub.bid),
				"the objects under %s are not those that were there when %s was published", p.prefix, p.sub.bid)
		}
	}
	return nil
}
