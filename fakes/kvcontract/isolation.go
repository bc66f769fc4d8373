package kvcontract

import (
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

func snapshotReads(f *fixture) {
	f.put(f.kv, "old", "a", "b")
	before := f.begin(f.kv)
	f.sees(before, "a", "old")
	f.put(f.Client(), "new", "a", "b", "c")
	after := f.begin(f.kv)
	require.Greater(f, after.StartTS(), before.StartTS())

	f.sees(before, "a", "old")
	f.sees(before, "b", "old")
	f.sees(before, "c", "")
	require.Equal(f, []string{"a=old", "b=old"}, f.pages(before, "", "", 10))
	f.sees(after, "b", "new")
	require.Equal(f, []string{"a=new", "b=new", "c=new"}, f.pages(after, "", "", 10))
}

func readYourWrites(f *fixture) {
	f.put(f.kv, "old", "a", "b", "c")
	tx := f.begin(f.kv)
	tx.Put("a", []byte("mine"))
	tx.Delete("b")
	tx.Lock("c", "d", "a")
	tx.Put("e", []byte("mine"))
	tx.Put("e", []byte("mine too"))
	tx.Delete("f")
	f.sees(tx, "a", "mine")
	f.sees(tx, "b", "")
	f.sees(tx, "c", "old")
	f.sees(tx, "d", "")
	f.sees(tx, "e", "mine too")
	require.Equal(f, []string{"a=mine", "c=old", "e=mine too"}, f.pages(tx, "", "", 10))
	f.stored("a", "old")
	require.NoError(f, tx.Commit(f.ctx))
	require.Equal(f, []string{"a=mine", "c=old", "e=mine too"}, f.pages(f.begin(f.kv), "", "", 10))
}

func scanInPages(f *fixture) {
	tx := f.begin(f.kv)
	var all []string
	for i := range 300 {
		key := "k/" + strconv.Itoa(1000+i)
		tx.Put(key, []byte("v"))
		all = append(all, key+"=v")
	}
	tx.Put("j", []byte("v"))
	tx.Put("k0", []byte("v"))
	require.NoError(f, tx.Commit(f.ctx))

	reader := f.begin(f.kv)
	for _, limit := range []int{1, 2, 7, 100, 256, 300, 1000} {
		if limit < 7 { // a call per pair or two is enough for a few of them
			require.Equal(f, all[:9], f.pages(reader, "k/", "k/1009", limit))
			continue
		}
		require.Equal(f, all, f.pages(reader, "k/", "k0", limit))
	}
	require.Equal(f, all[5:8], f.pages(reader, "k/1005", "k/1008", 3))
	require.Empty(f, f.pages(reader, "k/1005", "k/1005", 3))
	require.Equal(f, []string{"k0=v"}, f.pages(reader, "k0", "", 3))
}

func scanOwnWrites(f *fixture) {
	f.put(f.kv, "old", "b", "d", "f", "h")
	for limit := 1; limit < 8; limit++ {
		tx := f.begin(f.kv)
		for _, key := range []string{"a", "c", "d", "i"} {
			tx.Put(key, []byte("mine"))
		}
		tx.Delete("b")
		tx.Delete("h")
		want := []string{"a=mine", "c=mine", "d=mine", "f=old", "i=mine"}
		require.Equal(f, want, f.pages(tx, "", "", limit), "pages of %d", limit)
		require.Equal(f, want[1:4], f.pages(tx, "b", "h", limit), "pages of %d", limit)
		tx.Rollback()
	}
}

func deleteKeys(f *fixture) {
	f.put(f.kv, "old", "a", "b")
	before := f.begin(f.kv)
	tx := f.begin(f.kv)
	tx.Delete("a")
	tx.Delete("never was")
	require.NoError(f, tx.Commit(f.ctx))
	f.stored("a", "")
	f.sees(before, "a", "old")
	require.Equal(f, []string{"b=old"}, f.pages(f.begin(f.kv), "", "", 10))
	f.put(f.kv, "again", "a")
	f.stored("a", "again")
}

func rollback(f *fixture) {
	tx := f.writing(f.kv, "x", "a")
	tx.Rollback()
	f.stored("a", "")
	f.put(f.kv, "y", "a")
	done := f.writing(f.kv, "z", "a")
	require.NoError(f, done.Commit(f.ctx))
	done.Rollback()
	f.stored("a", "z")
}

func commitNothing(f *fixture) {
	f.OnCall(func(Call) Fate {
		f.Error("a call to the store")
		return Deliver
	})
	require.NoError(f, f.begin(f.kv).Commit(f.ctx))
}

func emptyValue(f *fixture) {
	tx := f.writing(f.kv, "", "a")
	tx.Put("b", []byte("x"))
	f.class(env.ClassInvalid, tx.Commit(f.ctx))
	f.stored("b", "")
}

func firstCommitterWins(f *fixture) {
	f.put(f.kv, "0", "a")
	other := f.Client()
	t1, t2 := f.begin(f.kv), f.begin(other)
	f.sees(t1, "a", "0")
	f.sees(t2, "a", "0")
	t1.Put("a", []byte("1"))
	t2.Put("a", []byte("2"))
	t2.Put("b", []byte("2"))
	require.NoError(f, t1.Commit(f.ctx))
	f.class(env.ClassConflict, t2.Commit(f.ctx))
	f.stored("a", "1")
	f.stored("b", "")
	f.put(other, "3", "a", "b")
	f.stored("b", "3")
}

func blindWritesConflict(f *fixture) {
	t1, t2 := f.writing(f.kv, "1", "a"), f.writing(f.kv, "2", "a")
	require.NoError(f, t2.Commit(f.ctx))
	f.class(env.ClassConflict, t1.Commit(f.ctx))
	f.stored("a", "2")
}

func deleteConflicts(f *fixture) {
	f.put(f.kv, "0", "a")
	writer := f.writing(f.kv, "1", "a")
	remover := f.begin(f.kv)
	remover.Delete("a")
	require.NoError(f, remover.Commit(f.ctx))
	f.class(env.ClassConflict, writer.Commit(f.ctx))
	f.stored("a", "")
}

// skew runs two transactions that each read both keys and write one.
func skew(f *fixture, lock bool) (first, second error) {
	f.put(f.kv, "on call", "a", "b")
	t1, t2 := f.begin(f.kv), f.begin(f.Client())
	for _, tx := range []env.Txn{t1, t2} {
		f.sees(tx, "a", "on call")
		f.sees(tx, "b", "on call")
		if lock {
			tx.Lock("a", "b")
		}
	}
	t1.Put("a", []byte("off"))
	t2.Put("b", []byte("off"))
	return t1.Commit(f.ctx), t2.Commit(f.ctx)
}

func writeSkew(f *fixture) {
	first, second := skew(f, false)
	require.NoError(f, first)
	require.NoError(f, second)
	f.stored("a", "off")
	f.stored("b", "off")
}

func lockPreventsWriteSkew(f *fixture) {
	first, second := skew(f, true)
	require.NoError(f, first)
	f.class(env.ClassConflict, second)
	f.stored("b", "on call")
}

func lockConflicts(f *fixture) {
	locking := func() env.Txn {
		tx := f.begin(f.kv)
		tx.Lock("guard")
		tx.Put("a", []byte(strconv.FormatUint(tx.StartTS(), 10)))
		return tx
	}
	f.put(f.kv, "0", "guard")
	older := f.writing(f.kv, "1", "guard")
	locker := locking()
	require.NoError(f, locker.Commit(f.ctx))
	f.stored("guard", "0")
	f.class(env.ClassConflict, older.Commit(f.ctx))

	locker = locking()
	f.put(f.kv, "2", "guard")
	f.class(env.ClassConflict, locker.Commit(f.ctx))

	tx := f.begin(f.kv) // a guard that does not exist
	tx.Lock("absent")
	tx.Put("b", []byte("1"))
	f.put(f.kv, "now", "absent")
	f.class(env.ClassConflict, tx.Commit(f.ctx))
	f.stored("b", "")
}
