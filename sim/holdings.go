package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Hold is what a row says that a process holds.
type Hold struct {
	Process, Incarnation string
	// Kind is what it is in a word ("lease"), Of what is held, with the epoch if
	// there is one: another text is another holding.
	Kind, Of string
	// Resource is what is held, whoever holds it and however often it changed hands;
	// "" if that is the row itself.
	Resource string
	// For is how long after it was written last the row still protects its holder
	// (virtual time); 0 for as long as it is there.
	For time.Duration
}

// Holder is a System that can tell from its rows who holds what: leases and
// claims, which pages draw as bars. Holds is asked of rows that were written; a
// row that is deleted, or says of nobody any more that they hold anything, ends
// what it said before.
type Holder interface {
	Holds(key string, value []byte) (h Hold, ok bool)
}

// Holding is what a process held for a while: a lease, a claim.
type Holding struct {
	Hold
	Key         string // of the row that says so
	From, Until Stamp  // Until: never, if it was held to the end
	// Renewed is when the row was written again.
	Renewed []Stamp
}

// Bars follows who holds what, from one commit to the next. The zero Bars has seen
// none.
type Bars struct {
	// All are the holdings in the order in which they began.
	All  []Holding
	open map[string]int // by key: number in All
}

// Take begins, renews or ends what the rows that a commit wrote say.
func (b *Bars) Take(holder Holder, e *Effect) {
	for i := range e.Commit.Writes {
		if m := &e.Commit.Writes[i]; writes(m) {
			b.row(holder, e, m)
		}
	}
}

func (b *Bars) row(holder Holder, e *Effect, m *tikv.Mutation) {
	var hold Hold
	held := false
	if m.Op == tikv.OpPut {
		hold, held = holder.Holds(m.Key, m.Value)
	}
	at := Stamp{e.Event, e.At}
	if i, ok := b.open[m.Key]; ok {
		old := &b.All[i]
		if held && old.Hold == hold {
			old.Renewed = append(old.Renewed, at)
			return
		}
		old.Until = at
		delete(b.open, m.Key)
	}
	if held {
		if b.open == nil {
			b.open = map[string]int{}
		}
		b.open[m.Key] = len(b.All)
		b.All = append(b.All, Holding{Hold: hold, Key: plan.Printable(m.Key), From: at})
	}
}
