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
	if r := v.sets; r != nil && r.read == len(told.Reads)+len(told.Scans) && len(r.keysAt) == len(v.transactions)+1 {
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
	r := &readSets{read: len(told.Reads) + len(told.Scans)}
	r.keysAt, r.keys = grouped(len(v.transactions), len(told.Reads), func(i int) int { return find(told.Reads[i].StartTS) }, func(i int) string { return told.Reads[i].Key })
	r.scanAt, r.scans = grouped(len(v.transactions), len(told.Scans), func(i int) int { return find(told.Scans[i].StartTS) }, func(i int) *sim.TxnScan { return &told.Scans[i] })
	v.sets = r
	return r
}

// grouped puts n things into the order of their groups, of which there are so many; one
// of group -1 is left out. at says where each group begins, and where the last ends.
func grouped[T any](groups, n int, group func(int) int, thing func(int) T) (at []int, things []T) {
	at = make([]int, groups+1)
	of := make([]int, n)
	for i := range n {
		of[i] = group(i)
		if of[i] >= 0 {
			at[of[i]+1]++
		}
	}
	for g := range groups {
		at[g+1] += at[g]
	}
	things = make([]T, at[groups])
	next := slices.Clone(at)
	for i, g := range of {
		if g >= 0 {
			things[next[g]] = thing(i)
			next[g]++
		}
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
