package properties

import (
	"fmt"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// datasetEqualsReference: what is published is, object by object and byte by
// byte, the dataset that follows from the description of the workload, whatever
// befell the processes that built it; its manifest names every object of it,
// with size and digest, and nothing else lies beside them. So it stays.
//
// This is what the whole system is for.
type datasetEqualsReference struct {
	*view
	published []publication
	reference map[*workload.Batch]map[string][]byte
}

// publication is a published dataset, as it was at that instant.
type publication struct {
	sub    *submission
	prefix string
	at     moment
	keys   []string
	states []sim.ObjectState
}

func newDatasetEqualsReference(v *view) *datasetEqualsReference {
	return &datasetEqualsReference{view: v, reference: map[*workload.Batch]map[string][]byte{}}
}

func (i *datasetEqualsReference) Name() string { return "dataset-equals-reference" }

func (i *datasetEqualsReference) Observe(w *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindBatch) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindBatch || c.deleted || c.sub.row.manifest == "" || c.sub.row.manifest == c.sub.was.manifest {
			continue
		}
		if err := i.checkPublished(w, e, c.sub); err != nil {
			return err
		}
	}
	return nil
}

func (i *datasetEqualsReference) checkPublished(w *sim.World, e *sim.Effect, s *submission) error {
	p := publication{sub: s, prefix: splitObjectKey(s.row.manifest).prefix, at: momentOf(e)}
	if p.prefix == "" || s.wanted == nil {
		return nil // exactly-once judges the pointer
	}
	p.keys = w.ObjectKeys(p.prefix)
	bodies := make(map[string][]byte, len(p.keys))
	var manifest []byte
	for _, key := range p.keys {
		object, _ := w.Object(key)
		body, _ := w.Body(key)
		p.states = append(p.states, object)
		if key == s.row.manifest {
			manifest = body
			continue
		}
		bodies[key[len(p.prefix):]] = body
	}
	i.published = append(i.published, p)
	what := fmt.Sprintf("published g%d", s.row.mergeGen)
	if err := workload.Diff(i.referenceOf(s.wanted), bodies); err != nil {
		return breach("R5", "published dataset differs", p.prefix, lastClaim(s.merge.claims), e, what,
			fmt.Sprintf("the dataset of %s differs from its reference: %v", s.bid, err))
	}
	described := *s.wanted
	described.Name = s.name // a manifest tells the namespace, too
	if err := workload.CheckManifest(&described, manifest, bodies); err != nil {
		return breach("R6", "manifest is wrong", p.prefix, lastClaim(s.merge.claims), e, what,
			fmt.Sprintf("the manifest of %s is wrong: %v", s.bid, err))
	}
	return nil
}

func (i *datasetEqualsReference) referenceOf(b *workload.Batch) map[string][]byte {
	r, ok := i.reference[b]
	if !ok {
		r = workload.Reference(b)
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
			return settledBreach("R7", "published dataset changed", p.prefix, p.at.ref("published "+p.sub.bid),
				fmt.Sprintf("the objects under %s are not those that were there when %s was published", p.prefix, p.sub.bid))
		}
	}
	return nil
}
