package kvcontract

import (
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The anomalies of Adya's theory of isolation, in the forms in which the Hermitage
// suite asks databases for them. Snapshot isolation prevents all but those of type
// G2, which an optimistic lock on what was read prevents.

// hermitage stores the two rows that the anomalies begin with.
func (f *fixture) hermitage() {
	f.Helper()
	f.put(f.kv, "10", "a")
	f.put(f.kv, "20", "b")
}

// pair begins two transactions, each of a client of its own.
func (f *fixture) pair() (t1, t2 env.Txn) {
	f.Helper()
	return f.begin(f.Client()), f.begin(f.Client())
}

func (f *fixture) commits(tx env.Txn) {
	f.Helper()
	require.NoError(f, tx.Commit(f.ctx))
}

func (f *fixture) conflicts(tx env.Txn) {
	f.Helper()
	f.class(env.ClassConflict, tx.Commit(f.ctx))
}

// all checks what tx reads in all rows.
func (f *fixture) all(tx env.Txn, want ...string) {
	f.Helper()
	require.Equal(f, want, f.pages(tx, "", "", 10))
}

// G0: write cycles.
func writeCycles(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	for _, key := range []string{"a", "b"} {
		t1.Put(key, []byte("1"))
		t2.Put(key, []byte("2"))
	}
	f.commits(t1)
	f.conflicts(t2)
	f.all(f.begin(f.kv), "a=1", "b=1")
}

// G1a: reads of what was never committed.
func abortedReads(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	t1.Put("a", []byte("101"))
	f.sees(t2, "a", "10")
	t1.Rollback()
	f.sees(t2, "a", "10")
	f.orphan("a") // locked, and never committed
	f.all(f.begin(f.kv), "a=10", "b=20")
}

// G1b: reads of what was overwritten before it was committed.
func intermediateReads(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	t1.Put("a", []byte("101"))
	f.sees(t2, "a", "10")
	t1.Put("a", []byte("11"))
	f.commits(t1)
	f.sees(t2, "a", "10")
	f.stored("a", "11")
}

// G1c: each reads what the other wrote.
func circularFlow(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	t1.Put("a", []byte("11"))
	t2.Put("b", []byte("22"))
	f.sees(t1, "b", "20")
	f.sees(t2, "a", "10")
	f.commits(t1)
	f.commits(t2)
}

// OTV: a transaction that was seen vanishes.
func observedVanishes(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	t1.Put("a", []byte("11"))
	t1.Put("b", []byte("19"))
	t2.Put("a", []byte("12"))
	t2.Put("b", []byte("18"))
	f.commits(t1)
	t3 := f.begin(f.kv)
	f.sees(t3, "a", "11")
	f.conflicts(t2)
	f.sees(t3, "b", "19")
	f.sees(t3, "a", "11")
}

// PMP: rows appear in a range that was read before.
func predicatePreceders(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.all(t1, "a=10", "b=20")
	t2.Put("c", []byte("30"))
	f.commits(t2)
	f.all(t1, "a=10", "b=20")
}

// PMP-write: a row is deleted for a value that it has no more.
func predicateWrite(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	t1.Put("a", []byte("20"))
	t1.Put("b", []byte("30"))
	f.all(t2, "a=10", "b=20")
	t2.Delete("b")
	f.commits(t1)
	f.conflicts(t2)
	f.all(f.begin(f.kv), "a=20", "b=30")
}

// P4: an update is lost.
func lostUpdate(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.sees(t1, "a", "10")
	f.sees(t2, "a", "10")
	t1.Put("a", []byte("11"))
	t2.Put("a", []byte("11"))
	f.commits(t1)
	f.conflicts(t2)
}

// G-single: one row is read before a transaction and another after it.
func readSkew(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.sees(t1, "a", "10")
	f.sees(t2, "a", "10")
	f.sees(t2, "b", "20")
	t2.Put("a", []byte("12"))
	t2.Put("b", []byte("18"))
	f.commits(t2)
	f.sees(t1, "b", "20")
	f.commits(t1)
}

// G-single with a predicate: the same with ranges.
func readSkewOfRanges(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.all(t1, "a=10", "b=20")
	t2.Put("a", []byte("12"))
	t2.Put("c", []byte("3"))
	f.commits(t2)
	require.Equal(f, []string{"b=20"}, f.pages(t1, "b", "", 1))
	f.all(t1, "a=10", "b=20")
}

// G-single with a write: the second row is deleted for the value that it had.
func readSkewThenWrite(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.sees(t1, "a", "10")
	t2.Put("a", []byte("12"))
	t2.Put("b", []byte("18"))
	f.commits(t2)
	f.sees(t1, "b", "20")
	t1.Delete("b")
	f.conflicts(t1)
	f.all(f.begin(f.kv), "a=12", "b=18")
}

// G2-item: write skew. Snapshot isolation allows it.
func itemSkew(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.all(t1, "a=10", "b=20")
	f.all(t2, "a=10", "b=20")
	t1.Put("a", []byte("11"))
	t2.Put("b", []byte("21"))
	f.commits(t1)
	f.commits(t2)
	f.all(f.begin(f.kv), "a=11", "b=21")
}

// G2: write skew of ranges. Snapshot isolation allows it.
func rangeSkew(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	require.Empty(f, f.pages(t1, "c", "", 10))
	require.Empty(f, f.pages(t2, "c", "", 10))
	t1.Put("c", []byte("30"))
	t2.Put("d", []byte("42"))
	f.commits(t1)
	f.commits(t2)
	f.all(f.begin(f.kv), "a=10", "b=20", "c=30", "d=42")
}

// G2 with two edges: a reader sees one of two skewed writers. Snapshot isolation
// allows it.
func twoEdges(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	f.all(t1, "a=10", "b=20")
	t2.Put("b", []byte("25"))
	f.commits(t2)
	t3 := f.begin(f.kv)
	f.all(t3, "a=10", "b=25")
	f.commits(t3)
	t1.Put("a", []byte("0"))
	f.commits(t1)
	f.all(f.begin(f.kv), "a=0", "b=25")
}

// G2-item, prevented by locks on what was read.
func itemSkewLocked(f *fixture) {
	f.hermitage()
	t1, t2 := f.pair()
	for _, tx := range []env.Txn{t1, t2} {
		f.all(tx, "a=10", "b=20")
		tx.Lock("a", "b")
	}
	t1.Put("a", []byte("11"))
	t2.Put("b", []byte("21"))
	f.commits(t1)
	f.conflicts(t2)
	f.all(f.begin(f.kv), "a=11", "b=20")
}
