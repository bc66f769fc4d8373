package kvcontract

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

func emptyValueOverwritten(f *fixture) {
	tx := f.writing(f.kv, "", "a")
	tx.Put("a", []byte("x"))
	f.class(env.ClassInvalid, tx.Commit(f.ctx))
	f.stored("a", "")
}

func spentAfterCommit(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	require.NoError(f, tx.Commit(f.ctx))
	f.refuses(tx)
	f.stored("a", "1")
}

func spentAfterRollback(f *fixture) {
	tx := f.writing(f.kv, "1", "a")
	tx.Rollback()
	f.refuses(tx)
	f.stored("a", "")
}

func spentAfterConflict(f *fixture) {
	tx := f.writing(f.kv, "1", "a")
	f.put(f.kv, "2", "a")
	f.class(env.ClassConflict, tx.Commit(f.ctx))
	f.refuses(tx)
	f.stored("a", "2")
}

// refuses checks that a spent transaction does nothing any more, without a call.
func (f *fixture) refuses(tx env.Txn) {
	f.Helper()
	f.OnCall(func(Call) Fate {
		f.Error("a call to the store")
		return Deliver
	})
	tx.Put("a", []byte("late"))
	tx.Delete("a")
	tx.Lock("a")
	_, err := tx.Get(f.ctx, "a")
	f.class(env.ClassInvalid, err)
	_, err = tx.Scan(f.ctx, "", "", 1)
	f.class(env.ClassInvalid, err)
	f.class(env.ClassInvalid, tx.Commit(f.ctx))
	tx.Rollback()
	f.OnCall(nil)
}

func scanWithoutLimit(f *fixture) {
	f.put(f.kv, "1", "a")
	_, err := f.begin(f.kv).Scan(f.ctx, "", "", 0)
	f.class(env.ClassInvalid, err)
}

// secondRead: what a transaction has read, or found missing, it knows.
func secondRead(f *fixture) {
	f.put(f.kv, "1", "a")
	tx := f.begin(f.kv)
	f.sees(tx, "a", "1")
	f.sees(tx, "b", "")
	require.Len(f, f.pages(tx, "", "", 10), 1)
	f.put(f.Client(), "2", "a", "b")
	f.fate(Read, Lose)
	f.takes(0, time.Millisecond, func() {
		f.sees(tx, "a", "1")
		f.sees(tx, "b", "")
	})
}
