package kvcontract

import (
	"context"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// patience bounds everything that a client does before it gives up a write.
const patience = 95 * time.Second

func prewriteLostOnce(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	f.next(Prewrite, Lose, func() {})
	require.NoError(f, tx.Commit(f.ctx))
	f.stored("b", "1")
}

func prewriteLost(f *fixture) {
	tx := f.writing(f.kv, "1", "a")
	f.fate(Prewrite, Lose)
	f.takes(75*time.Second, patience, func() { f.class(env.ClassUnavailable, tx.Commit(f.ctx)) })
	f.OnCall(nil)
	f.stored("a", "")
	f.put(f.Client(), "2", "a")
}

func readLost(f *fixture) {
	f.put(f.kv, "1", "a")
	f.fate(Read, Lose)
	_, err := f.begin(f.kv).Get(f.ctx, "a")
	f.class(env.ClassUnavailable, err)
	_, err = f.begin(f.kv).Scan(f.ctx, "", "", 10)
	f.class(env.ClassUnavailable, err)
}

func commitLostOnce(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	f.next(Commit, Lose, func() {})
	require.NoError(f, tx.Commit(f.ctx))
	f.stored("b", "1")
}

func commitReplyLostOnce(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	f.next(Commit, LoseReply, func() {})
	require.NoError(f, tx.Commit(f.ctx))
	f.stored("b", "1")
}

func commitLost(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	f.fate(Commit, Lose)
	f.takes(75*time.Second, patience, func() { f.class(env.ClassUndetermined, tx.Commit(f.ctx)) })
	f.OnCall(nil)
	f.stored("a", "")
	f.put(f.Client(), "2", "a", "b")
	f.stored("b", "2")
}

func commitReplyLost(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	f.fate(Commit, LoseReply)
	f.class(env.ClassUndetermined, tx.Commit(f.ctx))
	f.OnCall(nil)
	f.stored("a", "1")
	f.stored("b", "1")
}

func commitLostUntilDeadline(f *fixture) {
	tx := f.writing(f.kv, "1", "a")
	f.fate(Commit, Lose)
	ctx, cancel := f.Clock().WithTimeout(f.ctx, 3*time.Second)
	defer cancel()
	f.takes(2990*time.Millisecond, 3100*time.Millisecond, func() { f.class(env.ClassUndetermined, tx.Commit(ctx)) })
}

func lostCommitRolledBack(f *fixture) {
	tx := f.writing(f.kv, "1", "a", "b")
	other := f.Client()
	f.next(Commit, Lose, func() {
		require.NoError(f, f.Clock().Sleep(f.ctx, 5*time.Second))
		f.put(other, "2", "a", "b")
	})
	f.class(env.ClassConflict, tx.Commit(f.ctx))
	f.stored("a", "2")
	f.stored("b", "2")
}

var errStopped = errors.New("stopped")

func contextEndsInPrewrite(f *fixture) {
	ctx, cancel := f.Clock().WithCancel(f.ctx)
	tx := f.writing(f.kv, "1", "a")
	f.next(Prewrite, Lose, func() { cancel(errStopped) })
	f.takes(0, 3*time.Second, func() { require.Equal(f, errStopped, tx.Commit(ctx)) })
	f.stored("a", "")
}

func contextEndsInCommit(f *fixture) {
	ctx, cancel := f.Clock().WithCancel(f.ctx)
	tx := f.writing(f.kv, "1", "a")
	f.next(Commit, Lose, func() { cancel(errStopped) })
	f.takes(0, 3*time.Second, func() { f.class(env.ClassUndetermined, tx.Commit(ctx)) })
}

func contextEndsInReads(f *fixture) {
	f.put(f.kv, "1", "a")
	reads := []func(ctx context.Context) error{
		func(ctx context.Context) error {
			_, err := f.begin(f.kv).Get(ctx, "a")
			return err
		},
		func(ctx context.Context) error {
			_, err := f.begin(f.kv).Scan(ctx, "", "", 10)
			return err
		},
	}
	for _, read := range reads {
		ctx, cancel := f.Clock().WithCancel(f.ctx)
		f.next(Read, Lose, func() { cancel(errStopped) })
		f.takes(0, 3*time.Second, func() { require.Equal(f, errStopped, read(ctx)) })

		ctx, release := f.Clock().WithTimeout(f.ctx, 2*time.Second)
		f.fate(Read, Lose)
		f.takes(1990*time.Millisecond, 3*time.Second, func() {
			require.ErrorIs(f, read(ctx), context.DeadlineExceeded)
		})
		f.OnCall(nil)
		release()
	}
}

func contextEndedBefore(f *fixture) {
	ctx, cancel := f.Clock().WithCancel(f.ctx)
	tx := f.writing(f.kv, "1", "a")
	cancel(errStopped)
	require.Equal(f, errStopped, tx.Commit(ctx))
	_, err := f.kv.Begin(ctx)
	require.Equal(f, errStopped, err)
	tx = f.begin(f.kv)
	_, err = tx.Get(ctx, "b")
	require.Equal(f, errStopped, err)
	_, err = tx.Scan(ctx, "", "", 1)
	require.Equal(f, errStopped, err)
	f.stored("a", "")
}

func orphanReader(f *fixture) {
	f.put(f.kv, "old", "a", "b")
	f.orphan("a", "b", "c")
	f.takes(0, 100*time.Millisecond, func() {
		f.stored("a", "old")
		f.stored("b", "old")
		f.stored("c", "")
	})
}

func orphanScan(f *fixture) {
	f.put(f.kv, "old", "a", "c", "e")
	f.orphan("b", "c", "d")
	for _, limit := range []int{1, 2, 3, 10} {
		f.takes(0, 100*time.Millisecond, func() {
			require.Equal(f, []string{"a=old", "c=old", "e=old"}, f.pages(f.begin(f.Client()), "", "", limit))
		})
	}
}

func orphanWriter(f *fixture) {
	for _, key := range []string{"a", "b"} {
		f.orphan("a", "b")
		f.takes(2900*time.Millisecond, 5500*time.Millisecond, func() { f.put(f.kv, "new", key) })
		f.stored(key, "new")
		f.put(f.kv, "new", "a", "b")
	}
}

func orphanWriterDeadline(f *fixture) {
	f.orphan("a", "b")
	ctx, cancel := f.Clock().WithTimeout(f.ctx, time.Second)
	defer cancel()
	tx := f.writing(f.kv, "new", "b")
	f.takes(990*time.Millisecond, 1100*time.Millisecond, func() {
		require.ErrorIs(f, tx.Commit(ctx), context.DeadlineExceeded)
	})
}

func readerPushesCommit(f *fixture) {
	f.put(f.kv, "old", "a")
	tx := f.writing(f.kv, "new", "a", "b")
	reader := f.Client()
	var snapshot env.Txn
	f.next(Commit, Deliver, func() {
		snapshot = f.begin(reader)
		f.sees(snapshot, "a", "old")
		f.sees(snapshot, "b", "")
	})
	require.NoError(f, tx.Commit(f.ctx))
	f.sees(snapshot, "a", "old")
	f.sees(snapshot, "b", "")
	f.stored("a", "new")
	f.stored("b", "new")
}

func pausedCommitter(f *fixture) {
	tx := f.writing(f.kv, "zombie", "a", "b")
	other := f.Client()
	f.next(Commit, Deliver, func() {
		require.NoError(f, f.Clock().Sleep(f.ctx, 10*time.Second))
		f.put(other, "new", "b")
	})
	f.class(env.ClassConflict, tx.Commit(f.ctx))
	f.stored("a", "")
	f.stored("b", "new")
}
