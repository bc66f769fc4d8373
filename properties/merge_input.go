package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// mergeInput: a merge is claimed only when every unit of the batch is complete,
// and its input is those units: as many as the batch has, and for every
// generation the same.
//
// A merge that begins early, or from an old look, publishes a dataset that
// lacks episodes; two generations with different inputs publish two datasets.
type mergeInput struct{ *view }

func (i *mergeInput) Name() string { return "merge-input" }

func (i *mergeInput) Observe(_ *sim.World, e *sim.Effect) error {
	if !i.touched.has(kindMerge) {
		return nil
	}
	for n := range i.changes {
		c := &i.changes[n]
		if c.kind != kindMerge || c.deleted {
			continue
		}
		if err := i.check(e, c.sub); err != nil {
			return err
		}
	}
	return nil
}

func (i *mergeInput) check(e *sim.Effect, s *submission) error {
	m := &s.merge
	wrong := func(clause string, first sim.EventRef, subject, text string) error {
		return breach("R10", clause, subject, first, e, fmt.Sprintf("claimed g%d", m.now.gen), text)
	}
	if m.existed && (m.now.digest != m.was.digest || m.now.units != m.was.units) {
		return wrong("merge input changed", m.before.orNone(fmt.Sprintf("wrote g%d", m.was.gen)), s.bid,
			fmt.Sprintf("generation %d of merge/%s has %d units, digest %s; generation %d had %d, %s",
				m.now.gen, s.bid, m.now.units, m.now.digest, m.was.gen, m.was.units, m.was.digest))
	}
	if m.existed && m.now.gen == m.was.gen {
		return nil
	}
	complete := int64(0)
	for _, u := range s.units {
		if u.state != stateComplete {
			return wrong("merge claimed too early", u.changed.orNone("left the unit "+stateNames[u.state]), u.uid,
				fmt.Sprintf("generation %d of merge/%s was claimed while unit %s is %s", m.now.gen, s.bid, u.uid, stateNames[u.state]))
		}
		complete++
	}
	if s.row.phase != "merging" {
		return wrong("merge claimed in another phase", s.ended.orNone("ended "+s.bid), s.bid,
			fmt.Sprintf("generation %d of merge/%s was claimed while the batch is %s", m.now.gen, s.bid, s.row.phase))
	}
	if m.now.units != complete || s.row.units != complete {
		return wrong("merge input of another size", s.running.orNone("ended the discovery"), s.bid,
			fmt.Sprintf("generation %d of merge/%s has %d units; %d are complete, the batch has %d", m.now.gen, s.bid, m.now.units, complete, s.row.units))
	}
	return nil
}
