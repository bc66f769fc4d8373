package properties

import (
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// noWriteSkew: of two transactions that overlapped in time and both committed, not each has
// read a row that the other wrote.
//
// Snapshot isolation lets both pass, as each has written other rows than the other. But
// in no order of the two has each seen what the other did: whatever they decided on what
// they read, one of them has decided on what was not so any more. Which harm comes of it
// depends on the rows; here none is known that may do it.
//
// It judges when a run is over, and last but for the model: who can name the harm says more.
type noWriteSkew struct{ watch }

var (
	noWriteSkewSays = say("no-write-skew")

	eachReadWhatTheOtherWrote = noWriteSkewSays.clause("R3", "each read what the other wrote")
)

func newNoWriteSkew(v *view) sim.Invariant {
	i := &noWriteSkew{}
	i.watch = v.watch(noWriteSkewSays, on{})
	return i
}

// Settled looks at each pair that overlapped. Transactions stand in the order of their
// commits, so those that overlap the end of one are right before it.
func (i *noWriteSkew) Settled(w *sim.World) error {
	sets := i.readSets(w)
	for n := range i.transactions {
		second := &i.transactions[n]
		for m := n - 1; m >= 0 && i.transactions[m].commit > second.start; m-- {
			first := &i.transactions[m]
			lost := i.unseen(sets, m, second)
			if lost == "" {
				continue
			}
			if seen := i.unseen(sets, n, first); seen != "" {
				return i.skew(first, second, seen, lost)
			}
		}
	}
	return nil
}

// unseen returns a row that a transaction has read and another wrote.
func (i *noWriteSkew) unseen(sets *readSets, reader int, writer *transaction) string {
	for n := range writer.writes {
		m := &writer.writes[n]
		if m.Op != tikv.OpLock && sets.has(reader, m.Key) {
			return m.Key
		}
	}
	return ""
}

// skew is the violation: the second read seen, which the first wrote, and wrote lost.
func (i *noWriteSkew) skew(first, second *transaction, seen, lost string) error {
	v := eachReadWhatTheOtherWrote.breachAtRest(lost, first.Ref("wrote "+seen),
		"%s, from %s to %s, read %s and wrote %s; %s, from %s to %s, read %s and wrote %s: neither saw the other's write, and no order of the two is like that",
		first.Who(), sim.Timestamp(first.start), sim.Timestamp(first.commit), lost, seen, second.Who(), sim.Timestamp(second.start), sim.Timestamp(second.commit), seen, lost).(*sim.Violation)
	v.Second = second.Ref("wrote " + lost)
	v.Also = append(v.Also, seen)
	if first.Step != "" || second.Step != "" {
		v.Shape += " (" + first.Step + ", " + second.Step + ")"
	}
	return v
}
