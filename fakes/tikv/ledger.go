package tikv

import "iter"

// Ledger is what the store did, in the order in which it did it: the truth
// that invariants are judged by. It only grows; whoever has read it may
// truncate a part of it with [Ledger.ForgetDecisions].
type Ledger struct {
	// Commits are the decided transactions in the order of their decisions,
	// which is not that of their commit timestamps: see [Engine.LowWater].
	Commits []Commit
	// Rollbacks are the start timestamps of transactions that were decided the
	// other way: their primary lock was removed, or kept from ever standing.
	Rollbacks []uint64
	// Reads and Scans are kept with Options.RecordReads only.
	Reads List[Read]
	Scans List[ScanRead]
}

// Commit is one transaction, recorded when its primary's commit decided it.
type Commit struct {
	StartTS  uint64
	CommitTS uint64
	Primary  string
	// Computed: CommitTS did not come from the oracle but was computed from the
	// locks' minimums, by async or one-phase commit. Other transactions on other
	// keys may commit at the same time, and snapshots may begin at it.
	Computed bool
	// Writes is the full write set with OpLock, in the order of prewriting. It
	// shares memory with requests and must not be changed.
	Writes []Mutation
}

// Read is one key read at a snapshot. Version is the commit timestamp of the
// put or delete that was seen, 0 if there was none.
type Read struct {
	StartTS uint64
	Key     string
	Version uint64
}

// ScanRead is one page read at a snapshot: every key of [From, To) that had a
// value. A Partial one ended at a lock or at its limit, and covers nothing
// after its last key.
type ScanRead struct {
	StartTS  uint64
	From, To string
	Partial  bool
	Seen     []Read // in key order; StartTS is the scan's
}

// ForgetDecisions empties Commits and Rollbacks and keeps their memory: slices
// taken from them before are overwritten by what follows.
func (l *Ledger) ForgetDecisions() {
	clear(l.Commits)
	l.Commits = l.Commits[:0]
	l.Rollbacks = l.Rollbacks[:0]
}

// List is a list that only grows, in pieces: nothing of it is ever moved. A universe
// fills lists that nobody reads before it is over, and a slice that grows would be
// copied, and thrown away, again and again until then.
type List[E any] struct {
	full [][]E
	last []E
}

// Each piece is twice as large as the one before, up to a bound: universes are short
// or long.
const (
	firstPiece   = 16
	largestPiece = 256
)

// Add appends an element.
func (l *List[E]) Add(e E) {
	if len(l.last) == cap(l.last) {
		l.grow()
	}
	l.last = append(l.last, e)
}

func (l *List[E]) grow() {
	size := firstPiece
	if l.last != nil {
		l.full = append(l.full, l.last)
		size = min(2*cap(l.last), largestPiece)
	}
	l.last = make([]E, 0, size)
}

// Len is how many elements there are.
func (l *List[E]) Len() int {
	n := len(l.last)
	for _, piece := range l.full {
		n += len(piece)
	}
	return n
}

// All goes through the elements, in their order.
func (l *List[E]) All() iter.Seq[*E] {
	return func(yield func(*E) bool) {
		for n := range len(l.full) + 1 {
			piece := l.last
			if n < len(l.full) {
				piece = l.full[n]
			}
			for i := range piece {
				if !yield(&piece[i]) {
					return
				}
			}
		}
	}
}
