package properties

import (
	"cmp"
	"slices"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// transaction is one that was committed, and what it wrote or locked.
type transaction struct {
	sim.Moment
	start, commit uint64
	writes        []tikv.Mutation
}

// readSets are what the committed transactions were told by their reads, by their place
// in view.transactions.
type readSets struct {
	keys   []string // of single reads, transaction by transaction
	keysAt []int    // where each transaction's begin, and where the last one's end
	scans  []*sim.TxnScan
	scanAt []int
	read   int // how many of the told reads and scans are in it
}

// readSets returns what each committed transaction read. It is asked for once a run is
// over: reads of transactions that wrote nothing are most, and are left out.
func (v *view) readSets(w *sim.World) *readSets {
	told := w.Told()
	read := told.Reads.Len() + told.Scans.Len()
	if r := v.sets; r != nil && r.read == read && len(r.keysAt) == len(v.transactions)+1 {
		return r
	}
	byStart := make([]int, len(v.transactions))
	for i := range byStart {
		byStart[i] = i
	}
	slices.SortFunc(byStart, func(a, b int) int { return cmp.Compare(v.transactions[a].start, v.transactions[b].start) })
	last, at := uint64(0), -1
	find := func(start uint64) int { // a transaction's reads mostly follow one another
		if start != last {
			last, at = start, -1
			n, ok := slices.BinarySearchFunc(byStart, start, func(i int, start uint64) int { return cmp.Compare(v.transactions[i].start, start) })
			if ok {
				at = byStart[n]
			}
		}
		return at
	}
	r := &readSets{read: read}
	r.keysAt, r.keys = grouped(len(v.transactions), &told.Reads, func(t *sim.TxnRead) (int, string) { return find(t.StartTS), t.Key })
	r.scanAt, r.scans = grouped(len(v.transactions), &told.Scans, func(t *sim.TxnScan) (int, *sim.TxnScan) { return find(t.StartTS), t })
	v.sets = r
	return r
}

// grouped puts things into the order of their groups, of which there are so many; one
// of group -1 is left out. at says where each group begins, and where the last ends.
func grouped[E, T any](groups int, list *tikv.List[E], sort func(*E) (group int, thing T)) (at []int, things []T) {
	type sorted struct {
		group int
		thing T
	}
	var kept []sorted
	at = make([]int, groups+1)
	for e := range list.All() {
		if group, thing := sort(e); group >= 0 {
			kept = append(kept, sorted{group, thing})
			at[group+1]++
		}
	}
	for g := range groups {
		at[g+1] += at[g]
	}
	things = make([]T, len(kept))
	next := slices.Clone(at)
	for _, k := range kept {
		things[next[k.group]] = k.thing
		next[k.group]++
	}
	return at, things
}

// has reports whether a transaction has read a key: by itself, or as one that a scan
// passed by.
func (r *readSets) has(transaction int, key string) bool {
	if slices.Contains(r.keys[r.keysAt[transaction]:r.keysAt[transaction+1]], key) {
		return true
	}
	for _, s := range r.scans[r.scanAt[transaction]:r.scanAt[transaction+1]] {
		if covers(s, key) {
			return true
		}
	}
	return false
}

// covers reports whether a page tells of a key, be it that there is no such row.
func covers(s *sim.TxnScan, key string) bool {
	if key < s.From || s.To != "" && key >= s.To {
		return false
	}
	return len(s.Pairs) < s.Limit || key <= s.Pairs[len(s.Pairs)-1].Key
}
