package conformance_test

import (
	"errors"
	"time"

	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// rawRows are what an application sees whose transactions lock before they commit,
// or flush. Neither env.KV nor the in-memory client can ask for that.
func rawRows() []scenario {
	return []scenario{
		{name: "P1", only: "real", run: pessimisticWait},
		{name: "P2", only: "real", run: pessimisticDeadlock},
		{name: "P3", only: "real", run: pessimisticOrphan},
		{name: "P4", only: "real", run: pessimisticConflict},
		{name: "F1", only: "real", run: flushed},
		{name: "F4", only: "real", run: flushedOrphan},
		{name: "F5", only: "real", splits: []string{"m"}, run: commitTimestamp},
	}
}

func pessimistic(tx *transaction.KVTxn) { tx.SetPessimistic(true) }

// lock locks a key for a statement that sees what is newest now.
func (p *peer) lock(tx *transaction.KVTxn, key string, set ...func(*kv.LockCtx)) (*kv.LockCtx, error) {
	p.w.Helper()
	now, err := p.store.CurrentTimestamp("global")
	require.NoError(p.w, err)
	lock := kv.NewLockCtx(now, kv.LockAlwaysWait, time.Now())
	for _, set := range set {
		set(lock)
	}
	return lock, classified(tx.LockKeys(p.w.ctx, lock, []byte(key)))
}

// classified gives errors of a pessimistic transaction a class.
func classified(err error) error {
	var conflict *tikverr.ErrWriteConflict
	switch {
	case errors.As(err, &conflict):
		return env.ErrConflict
	case errors.As(err, new(*tikverr.ErrDeadlock)):
		return errors.New("deadlock")
	}
	return err
}

// locking is a row's body: it locks and shows nothing else.
func (p *peer) locking(tx *transaction.KVTxn, key string) func() (string, error) {
	return func() (string, error) {
		_, err := p.lock(tx, key)
		return "", err
	}
}

// pessimisticWait: the lock that is waited for is given up half a second later.
func pessimisticWait(w *world) {
	p, other := w.peer(), w.peer()
	holder, waiter := p.raw(pessimistic, "1"), other.raw(pessimistic, "2")
	_, err := p.lock(holder, "a")
	require.NoError(w, err)
	done := make(chan error)
	go func() {
		time.Sleep(500 * time.Millisecond)
		done <- holder.Rollback()
	}()
	w.row("P1", other.locking(waiter, "a"))
	w.row("P1 again", other.locking(waiter, "a"))
	require.NoError(w, <-done)
	require.NoError(w, waiter.Rollback())
}

func pessimisticDeadlock(w *world) {
	p, other := w.peer(), w.peer()
	one, two := p.raw(pessimistic, "1"), other.raw(pessimistic, "2")
	_, err := p.lock(one, "a")
	require.NoError(w, err)
	_, err = other.lock(two, "b")
	require.NoError(w, err)
	done := make(chan error)
	go func() {
		_, err := p.lock(one, "b")
		done <- err
	}()
	w.sleep(100 * time.Millisecond)
	w.row("P2", other.locking(two, "a"))
	require.NoError(w, two.Rollback())
	require.ErrorIs(w, <-done, env.ErrConflict)
	require.NoError(w, one.Rollback())
}

// pessimisticOrphan: the process that has the lock dies.
func pessimisticOrphan(w *world) {
	p, other := w.peer(), w.peer()
	holder, waiter := p.raw(pessimistic, "1"), other.raw(pessimistic, "2", "a")
	_, err := p.lock(holder, "a")
	require.NoError(w, err)
	_, err = p.lock(holder, "b")
	require.NoError(w, err)
	p.on(always(toStore, rpc.Fate{Lost: true}))
	w.row("P3", func() (string, error) { return other.get("a") })
	w.row("P3 lock", other.locking(waiter, "b"))
	w.row("P3 commit", w.commitRaw(waiter))
}

// pessimisticConflict: a statement's lock stands in spite of a newer commit, so that
// the next try of the statement need not lock again.
func pessimisticConflict(w *world) {
	p := w.peer()
	tx := p.raw(pessimistic, "1")
	tx.StartAggressiveLocking()
	began := tx.StartTS()
	p.put("2", "a")
	p.put("3", "b")
	statement := func(key string, set func(*kv.LockCtx)) func() (string, error) {
		return func() (string, error) {
			lock := kv.NewLockCtx(began, kv.LockAlwaysWait, time.Now())
			set(lock)
			err := classified(tx.LockKeys(w.ctx, lock, []byte(key)))
			return string(lock.Values[key].Value), err
		}
	}
	values := func(lock *kv.LockCtx) { lock.InitReturnValues(1) }
	w.row("P4", statement("a", values))
	w.row("P4 absent", statement("c", func(lock *kv.LockCtx) {
		values(lock)
		lock.LockOnlyIfExists = true
	}))
	tx.DoneAggressiveLocking(w.ctx)
	w.row("P4 locks", func() (string, error) { return w.locks(), nil })
	require.NoError(w, tx.Rollback())
}

// flushing returns a transaction that has flushed a value for the keys.
func (p *peer) flushing(value string, keys ...string) *transaction.KVTxn {
	p.w.Helper()
	tx, err := p.store.Begin(clienttikv.WithDefaultPipelinedTxn())
	require.NoError(p.w, err)
	for _, key := range keys {
		require.NoError(p.w, tx.Set([]byte(key), []byte(value)))
	}
	flushed, err := tx.GetMemBuffer().Flush(true)
	require.NoError(p.w, err)
	require.True(p.w, flushed)
	require.NoError(p.w, tx.GetMemBuffer().FlushWait())
	return tx
}

func flushed(w *world) {
	p, other := w.peer(), w.peer()
	tx := p.flushing("1", "a", "b")
	w.row("F1", func() (string, error) {
		got, err := tx.GetMemBuffer().Get(w.ctx, []byte("b"))
		return string(got.Value), err
	})
	w.row("F1 another", func() (string, error) { return other.get("b") })
	require.NoError(w, tx.Set([]byte("b"), []byte("2"))) // the next flush replaces it
	w.row("F2", w.commitRaw(tx))
	w.row("F3", func() (string, error) { return other.get("b") })
}

// flushedOrphan: the process dies that has flushed.
func flushedOrphan(w *world) {
	p, other := w.peer(), w.peer()
	p.flushing("1", "a", "b")
	p.on(always(func(*rpc.Call) bool { return true }, rpc.Fate{Lost: true}))
	w.row("F4", w.commit(other.writing("2", "b")))
}

// commitTimestamp: a read that wants to know when the value was committed does not
// read through a lock, and waits until it is resolved.
func commitTimestamp(w *world) {
	p := w.peer()
	p.put("1", "a", "z")
	committer := w.peer()
	committer.on(once(func(c *rpc.Call) bool { return c.Kind == fake.KindCommit && c.Key == "z" }, rpc.Fate{Lost: true, Silent: true}, nil))
	committer.put("2", "a", "z")
	tx := p.raw(func(*transaction.KVTxn) {}, "")
	w.row("F5", func() (string, error) {
		got, err := tx.GetSnapshot().BatchGet(w.ctx, [][]byte{[]byte("a"), []byte("z")}, kv.WithReturnCommitTS())
		if err != nil || got["a"].CommitTS != got["z"].CommitTS || got["a"].CommitTS == 0 {
			return "other timestamps", err
		}
		return string(got["z"].Value), nil
	})
}
