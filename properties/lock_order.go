package properties

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// lockOrder: whoever holds a claim and waits for another one waits in one order.
//
// Units, merges and the scanner's leadership are claims. A task holds what it has claimed
// once a step of its work has read that it is its own, until it tries for another: what
// rows say beyond that may be a claim that it has given up, or one that landed unseen. It
// waits for one if in such a step it reads again that somebody else has it; to try for a
// claim, and to go on without it, waits for nothing. Two tasks that wait in opposite orders
// need not have met: had each held its claim when the other one looked, both would wait
// until a fence or a time limit ends it. Runs in which they did meet stand still, and say
// so themselves (progress-after-healing); this is said of those that got done.
//
// The order is one of kinds, as between locks of an operating system, and of one kind that
// of the keys: a pair of merges that was waited for one way tells of every other pair.
type lockOrder struct {
	watch
	taken map[string]tasked // by whom, by the claims' keys
	held  map[tasked]*hold
	order map[direction]waited
	found error
}

// tasked is a task of an incarnation.
type tasked struct {
	incarnation
	task string
}

// hold is a claim that a task works under, and how often it has looked meanwhile at what
// others have, by step and key.
type hold struct {
	key   string
	looks map[[2]string]int
}

// direction is an order of two claims. Of one kind, up tells which key comes first.
type direction struct {
	holds, wants schema.Table
	up           bool
}

// waited is a task that held one claim and waited for another.
type waited struct {
	who, holds, wants string
	sim.EventRef
}

var (
	lockOrderSays = say("lock-order")

	waitedInTheOtherOrder = lockOrderSays.clause("R8", "claims waited for in opposite orders")
)

func newLockOrder(v *view) sim.Invariant {
	i := &lockOrder{taken: map[string]tasked{}, held: map[tasked]*hold{}, order: map[direction]waited{}}
	i.watch = v.watch(lockOrderSays, on{unit: i.noteUnit, merge: i.noteMerge, leader: i.noteLeader})
	return i
}

func (i *lockOrder) Settled(*sim.World) error { return i.found }

func (i *lockOrder) noteUnit(c *unitChange) error {
	if c.claimed() {
		i.take(&c.rowChange)
	}
	return nil
}

func (i *lockOrder) noteMerge(c *mergeChange) error {
	if c.claimed() {
		i.take(&c.rowChange)
	}
	return nil
}

func (i *lockOrder) noteLeader(c *leaderChange) error {
	if c.taken() {
		i.take(&c.rowChange)
	}
	return nil
}

func (i *lockOrder) take(c *rowChange) {
	i.taken[c.key] = tasked{incarnation{c.by.Process, c.by.Incarnation}, c.by.Task}
}

// ObserveCall counts how often a task looks at what another one has.
func (i *lockOrder) ObserveCall(_ *sim.World, c *sim.Call) {
	if c.Late || c.Client || i.found != nil {
		return
	}
	by := tasked{incarnation{c.Process, c.Incarnation}, c.Task}
	if trying(c.Step) {
		delete(i.held, by)
		return
	}
	if c.Op != ops.KVGet || c.Step == "" {
		return
	}
	h := i.held[by]
	switch i.holder(c.Key) {
	case incarnation{}:
	case by.incarnation:
		if i.taken[c.Key] == by && (h == nil || h.key != c.Key) {
			i.held[by] = &hold{c.Key, map[[2]string]int{}}
		}
	default:
		if h == nil || i.holder(h.key) != by.incarnation {
			return
		}
		look := [2]string{c.Step, c.Key}
		if h.looks[look]++; h.looks[look] == 2 {
			i.waits(c, h.key)
		}
	}
}

// trying reports whether a step tries for a claim.
func trying(step string) bool {
	return step == "claim_unit" || step == "try_claim_merge" || step == "lead"
}

// holder is who has a claim, by its row.
func (v *view) holder(key string) incarnation {
	switch table, rest := schema.Split(key); table {
	case schema.UnitTable:
		if u := v.units[key]; u != nil && u.now.State == schema.Processing {
			return incarnation{u.now.Worker, u.now.Incarnation}
		}
	case schema.MergeTable:
		if s := v.submissions[rest]; s != nil && s.merge.now.State == "claimed" {
			return incarnation{s.merge.now.Worker, s.merge.now.Incarnation}
		}
	case schema.LeaderTable:
		return incarnation{v.leader.now.Worker, v.leader.now.Incarnation}
	}
	return incarnation{}
}

// waits notes an order, and objects if there is one against it.
func (i *lockOrder) waits(c *sim.Call, holds string) {
	from, _ := schema.Split(holds)
	to, _ := schema.Split(c.Key)
	d := direction{from, to, from == to && holds < c.Key}
	if _, known := i.order[d]; known {
		return
	}
	i.order[d] = waited{who(c), holds, c.Key, sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " waited for " + c.Key}}
	if other, ok := i.against(d); ok {
		v := waitedInTheOtherOrder.breachOfCall(c, other.EventRef, "waited for "+c.Key,
			"%s holds %s and waits for %s, and %s held %s and waited for %s: in the other order, so that each can wait for the other",
			who(c), holds, c.Key, other.who, other.holds, other.wants)
		i.found = telling(v, func(v *sim.Violation) { v.Also = append(v.Also, holds, other.holds, other.wants) })
	}
}

// against returns who waited for a claim of the kind that d holds and held, perhaps by a
// third kind, one of the kind that it wants.
func (i *lockOrder) against(d direction) (waited, bool) {
	if d.holds == d.wants {
		d.up = !d.up
		w, ok := i.order[d]
		return w, ok
	}
	if w, ok := i.order[direction{holds: d.wants, wants: d.holds}]; ok {
		return w, true
	}
	for _, third := range [...]schema.Table{schema.UnitTable, schema.MergeTable, schema.LeaderTable} {
		w, ok := i.order[direction{holds: d.wants, wants: third}]
		if _, closes := i.order[direction{holds: third, wants: d.holds}]; ok && closes {
			return w, true
		}
	}
	return waited{}, false
}
