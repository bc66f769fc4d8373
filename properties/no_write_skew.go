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
// And whoever decides on a row that somebody else may change at that moment writes it, or locks
// it, whether anybody is about to or not: who saves a unit's progress holds that unit's row, or
// the lease's, which all that ends the attempt writes; who scans holds the leader's row; who
// takes an output, or names a source, holds the rows of the outputs that it may lie in; and
// what ends a batch has a row in common with all that has let a unit of it wait, start, or
// complete. Two that have none in common both pass if they ever meet.
//
// It judges when a run is over, and last but for the model: who can name the harm says more.
type noWriteSkew struct {
	watch
	steps map[*submission][]step
	found error // a row that was not held
}

var (
	noWriteSkewSays = say("no-write-skew")

	eachReadWhatTheOtherWrote = noWriteSkewSays.clause("R3", "each read what the other wrote")
	savedWithoutTheUnit       = noWriteSkewSays.clause("R1", "saved without holding the unit")
	scannedWithoutTheLeader   = noWriteSkewSays.clause("R20", "scanned without holding the leadership")
	tookWithoutThoseAbove     = noWriteSkewSays.clause("R3", "took an output or a source without holding those above it")
	endedPastAUnit            = noWriteSkewSays.clause("R16", "nothing keeps a unit and the end of its batch apart")
)

func newNoWriteSkew(v *view) sim.Invariant {
	i := &noWriteSkew{steps: map[*submission][]step{}}
	i.watch = v.watch(noWriteSkewSays, on{
		batch: i.checkBatch, unit: i.checkUnit, checkpoint: i.checkSaved, discovery: i.checkDiscovery, commit: i.checkOutputs,
	})
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
	return i.found
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
