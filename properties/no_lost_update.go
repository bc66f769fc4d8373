package properties

import (
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// noLostUpdate: nobody writes over a row that somebody else wrote without having read it in
// the same transaction.
//
// Snapshot isolation refuses the second of two overlapping writers, and that is all the
// check there is. Who read a row in an earlier transaction, or never, and writes it now
// conflicts with nobody: what was written in between is lost without a word. To delete a
// row unseen loses nothing that a writer could have kept, and is not judged.
type noLostUpdate struct {
	watch
	over []overwritten
}

// overwritten is a row that somebody else had written.
type overwritten struct {
	transaction int
	key         string
	before      sim.Moment
}

var (
	noLostUpdateSays = say("no-lost-update")

	wroteOverWhatItHadNotRead = noLostUpdateSays.clause("R3", "wrote over what it had not read")
)

func newNoLostUpdate(v *view) sim.Invariant {
	i := &noLostUpdate{}
	i.watch = v.watch(noLostUpdateSays, on{commit: i.note})
	return i
}

// note remembers what a commit wrote over. Reads are known when the run is over.
func (i *noLostUpdate) note(e *sim.Effect) error {
	for n := range e.Commit.Writes {
		m := &e.Commit.Writes[n]
		if m.Op != tikv.OpPut {
			continue
		}
		if _, there := i.world.Before(m.Key); !there {
			continue
		}
		if before := i.world.WriteBefore(m.Key); !before.Is(e.Process, e.Incarnation) {
			i.over = append(i.over, overwritten{len(i.transactions) - 1, m.Key, before})
		}
	}
	return nil
}

// Settled looks for those that had not been read.
func (i *noLostUpdate) Settled(w *sim.World) error {
	sets := i.readSets(w)
	for n := range i.over {
		o := &i.over[n]
		if sets.has(o.transaction, o.key) {
			continue
		}
		t := &i.transactions[o.transaction]
		v := wroteOverWhatItHadNotRead.breachAtRest(o.key, o.before.Ref("wrote it"),
			"%s wrote %s, which %s had written, and has not read it in that transaction (%d to %d): nothing would have told if it had changed",
			t.Who(), o.key, o.before.Who(), t.start, t.commit).(*sim.Violation)
		v.Second = t.Ref("wrote over it")
		if t.Step != "" {
			v.Shape += " (" + t.Step + ")"
		}
		return v
	}
	return nil
}
