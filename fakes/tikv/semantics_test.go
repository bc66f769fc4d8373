package tikv_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// The tests of this file state what an application sees of the real client in
// the same situation: the class of the error, and when it comes.

func isClass(t *testing.T, want env.Class, err error) {
	t.Helper()
	require.Equal(t, want, env.ClassOf(err), "error %v", err)
}

func within(t *testing.T, got, low, high time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, got, low)
	require.LessOrEqual(t, got, high)
}

func TestPlainCommitCosts(t *testing.T) {
	w := newWorld(t)
	w.put(w.client(tikv.ClientConfig{}), "1", "a", "b")
	require.Equal(t, map[tikv.Kind]int{tikv.KindTSO: 2, tikv.KindPrewrite: 1, tikv.KindCommit: 1}, w.rpcs)
}

func TestReadOnlyCommitNeedsNoCall(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.begin(w.client(tikv.ClientConfig{})).Commit(context.Background()))
	require.Equal(t, map[tikv.Kind]int{tikv.KindTSO: 1}, w.rpcs)
}

func TestEmptyValueIsInvalid(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "", "a")
	isClass(t, env.ClassInvalid, tx.Commit(context.Background()))
	isClass(t, env.ClassInvalid, tx.Commit(context.Background())) // spent
	require.Zero(t, w.rpcs[tikv.KindPrewrite])
}

func TestWriteConflictIsImmediate(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	loser := w.buffer(c, "loser", "a", "b")
	w.put(c, "winner", "b")
	w.rpcs = map[tikv.Kind]int{}
	isClass(t, env.ClassConflict, loser.Commit(context.Background()))
	require.Equal(t, map[tikv.Kind]int{tikv.KindPrewrite: 1}, w.rpcs)
	require.Equal(t, "", w.get(c, "a"))
	require.Empty(t, w.engine.Locks())
}

func TestWriteSkewNeedsLock(t *testing.T) {
	for _, locked := range []bool{false, true} {
		w := newWorld(t)
		c := w.client(tikv.ClientConfig{})
		t1, t2 := w.buffer(c, "1", "a"), w.buffer(c, "2", "b")
		if locked {
			t1.Lock("guard", "b")
			t2.Lock("guard", "a")
		}
		require.NoError(t, t1.Commit(context.Background()))
		err := t2.Commit(context.Background())
		if locked {
			isClass(t, env.ClassConflict, err)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestOrphanLock(t *testing.T) {
	for _, key := range []string{"a", "b"} { // the primary and a secondary
		w := newWorld(t)
		c := w.client(tikv.ClientConfig{})
		w.orphan(c, "a", "b")
		start := w.now
		w.rpcs = map[tikv.Kind]int{}
		require.Equal(t, "", w.get(c, key), "a reader goes ahead of the lock")
		within(t, w.now-start, 0, 2*time.Millisecond)
		require.Equal(t, 1, w.rpcs[tikv.KindCheckTxn])
		require.Equal(t, 2, w.rpcs[tikv.KindGet])

		w.put(c, "new", key)
		within(t, w.now-start, 3*time.Second-10*time.Millisecond, 3*time.Second+100*time.Millisecond)
		require.Equal(t, "new", w.get(c, key))
	}
}

func TestWriterGivesUpWithItsContext(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.orphan(c, "a", "b")
	start := w.now
	ctx, cancel := w.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := w.buffer(c, "new", "b").Commit(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	within(t, w.now-start, time.Second, time.Second+10*time.Millisecond)
}

func TestScanPassesLocks(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.put(c, "old", "a", "c", "e", "g")
	w.orphan(c, "b", "c", "f")
	for _, limit := range []int{1, 2, 3, 4, 100} {
		page, err := w.begin(c).Scan(context.Background(), "a", "", limit)
		require.NoError(t, err)
		require.Len(t, page, min(limit, 4))
		for i, p := range page {
			require.Equal(t, []string{"a", "c", "e", "g"}[i], p.Key)
			require.Equal(t, "old", string(p.Value))
		}
	}
}

func TestCommitAfterReaderPushed(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.once(func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindCommit {
			w.fault = nil
			require.Equal(t, "", w.get(c, "a")) // while the commit is on its way
			return refuse                       // only to end once
		}
		return deliver
	})
	tx := w.buffer(c, "1", "a")
	w.rpcs = map[tikv.Kind]int{}
	require.NoError(t, tx.Commit(context.Background()))
	require.Equal(t, 3, w.rpcs[tikv.KindCommit], "refused, expired, done")
	require.Equal(t, "1", w.get(c, "a"))
}

func TestCommitLostForEver(t *testing.T) {
	for _, fate := range []fault{lose, loseReply} {
		w := newWorld(t)
		c := w.client(tikv.ClientConfig{})
		tx := w.buffer(c, "1", "a", "b")
		w.fault = only(tikv.KindCommit, fate)
		start := w.now
		isClass(t, env.ClassUndetermined, tx.Commit(context.Background()))
		within(t, w.now-start, 80*time.Second, 82*time.Second)
		require.Zero(t, w.rpcs[tikv.KindRollback])
		w.fault = nil
		want := map[fault]string{lose: "", loseReply: "1"}[fate]
		require.Equal(t, want, w.get(c, "a"))
		require.Equal(t, want, w.get(c, "b"))
	}
}

func TestCommitLostUntilDeadline(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	w.fault = only(tikv.KindCommit, lose)
	start := w.now
	ctx, cancel := w.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := tx.Commit(ctx)
	isClass(t, env.ClassUndetermined, err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	within(t, w.now-start, 3*time.Second, 3*time.Second+10*time.Millisecond)
}

func TestCommitReplyLostOnce(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a")
	w.once(only(tikv.KindCommit, loseReply))
	start := w.now
	require.NoError(t, tx.Commit(context.Background()))
	within(t, w.now-start, 50*time.Millisecond, 110*time.Millisecond)
	require.Len(t, w.engine.Ledger().Commits, 1)
}

// A commit that is lost and then found to have been rolled back has failed for
// certain.
func TestLostCommitTurnsOutRolledBack(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a", "b")
	w.once(func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind != tikv.KindCommit {
			return deliver
		}
		w.fault = nil
		w.now += 5 * time.Second
		w.put(c, "2", "a")
		return lose
	})
	isClass(t, env.ClassConflict, tx.Commit(context.Background()))
	require.Equal(t, "2", w.get(c, "a"))
	require.Empty(t, w.engine.Locks(), "its own secondaries are cleaned up")
}

func TestCommitRefusedIsUnavailable(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a", "b")
	w.fault = only(tikv.KindCommit, refuse)
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	require.Empty(t, w.engine.Locks())
}

func TestPrewriteLostForEver(t *testing.T) {
	for _, fate := range []fault{lose, loseReply} {
		w := newWorld(t)
		c := w.client(tikv.ClientConfig{})
		tx := w.buffer(c, "1", "a", "b")
		w.fault = only(tikv.KindPrewrite, fate)
		start := w.now
		isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
		within(t, w.now-start, 80*time.Second, 82*time.Second)
		require.Empty(t, w.engine.Locks(), "cleaned up")
		require.Equal(t, 1, w.rpcs[tikv.KindRollback])
		w.fault = nil
		require.Equal(t, "", w.get(c, "a"))
	}
}

func TestStoreSilentForEver(t *testing.T) {
	w := newWorld(t)
	w.silent = true
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a", "b")
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindTSO {
			return deliver
		}
		return lose
	}
	start := w.now
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	within(t, w.now-start, 80*time.Second, 89*time.Second)
	_, err := w.begin(c).Get(context.Background(), "a")
	isClass(t, env.ClassUnavailable, err)
}

func TestContextCancelledDuringPrewriteAndCommit(t *testing.T) {
	cause := errors.New("shutting down")
	for kind, want := range map[tikv.Kind]env.Class{tikv.KindPrewrite: env.ClassOther, tikv.KindCommit: env.ClassUndetermined} {
		w := newWorld(t)
		c := w.client(tikv.ClientConfig{})
		ctx, cancel := context.WithCancelCause(context.Background())
		w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
			if req.Kind == kind {
				cancel(cause)
			}
			return deliver
		}
		err := w.buffer(c, "1", "a").Commit(ctx)
		isClass(t, want, err)
		require.ErrorIs(t, err, cause)
		if kind == tikv.KindPrewrite {
			require.Equal(t, cause, err)
			require.Empty(t, w.engine.Locks(), "cleaned up in spite of the context")
		}
	}
}

func TestContextEndedBeforeCommitIsDefinite(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	ctx, cancel := context.WithCancel(context.Background())
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindTSO {
			cancel() // the prewrites are done
		}
		return deliver
	}
	require.Equal(t, context.Canceled, tx.Commit(ctx))
	require.Empty(t, w.engine.Locks())
}

func TestPausedCommitterIsRolledBack(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "zombie", "a", "b")
	w.once(func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindTSO {
			w.fault = nil
			w.now += 10 * time.Second
			w.put(c, "new", "b")
		}
		return deliver
	})
	isClass(t, env.ClassConflict, tx.Commit(context.Background()))
	require.Equal(t, "new", w.get(c, "b"))
	require.Equal(t, "", w.get(c, "a"))
}

func TestSecondariesLeftBehind(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{Region: func(key string) int { return int(key[0]) }})
	tx := w.buffer(c, "1", "a", "b", "c")
	commits := 0
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind != tikv.KindCommit {
			return deliver
		}
		if commits++; commits > 1 {
			return lose
		}
		return deliver
	}
	require.NoError(t, tx.Commit(context.Background()))
	require.Len(t, w.engine.Locks(), 2)
	w.fault = nil
	w.rpcs = map[tikv.Kind]int{}
	start := w.now
	require.Equal(t, "1", w.get(c, "b"))
	within(t, w.now-start, 0, 2*time.Millisecond)
	require.Equal(t, map[tikv.Kind]int{tikv.KindTSO: 2, tikv.KindGet: 2, tikv.KindCheckTxn: 1, tikv.KindResolve: 1}, w.rpcs)
	w.put(c, "2", "c")
	require.Empty(t, w.engine.Locks())
}

func TestRegionErrors(t *testing.T) {
	regionErrors := []struct {
		name     string
		code     tikv.RegionError
		once     time.Duration // at most
		low, max time.Duration // for ever, on writes
	}{
		{"not leader", tikv.RegionNotLeader, 6 * time.Millisecond, 80 * time.Second, 81 * time.Second},
		{"epoch not match", tikv.RegionEpochNotMatch, 6 * time.Millisecond, 80 * time.Second, 81 * time.Second},
		{"region not found", tikv.RegionNotFound, 6 * time.Millisecond, 80 * time.Second, 81 * time.Second},
		{"stale command", tikv.RegionStaleCommand, 6 * time.Millisecond, 80 * time.Second, 82 * time.Second},
		{"server is busy", tikv.RegionServerIsBusy, 2100 * time.Millisecond, 10 * time.Minute, 10*time.Minute + 11*time.Second},
		{"disk full", tikv.RegionDiskFull, 510 * time.Millisecond, 80 * time.Second, 86 * time.Second},
		{"max ts not synced", tikv.RegionMaxTSNotSynced, 6 * time.Millisecond, 80 * time.Second, 81 * time.Second},
		{"undetermined", tikv.RegionUndetermined, 6 * time.Millisecond, 80 * time.Second, 81 * time.Second},
	}
	for _, r := range regionErrors {
		for _, kind := range []tikv.Kind{tikv.KindPrewrite, tikv.KindCommit} {
			t.Run(r.name+" on "+kind.String(), func(t *testing.T) {
				if r.code == tikv.RegionUndetermined && kind == tikv.KindCommit {
					t.Skip("ends the commit: see TestRegionUndetermined")
				}
				w := newWorld(t)
				c := w.client(tikv.ClientConfig{})
				start := w.now
				w.once(region(kind, r.code))
				w.put(c, "1", "a")
				within(t, w.now-start, 2*time.Millisecond, r.once)

				tx := w.buffer(c, "2", "a")
				w.fault = region(kind, r.code)
				start = w.now
				isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
				within(t, w.now-start, r.low, r.max)
				require.Empty(t, w.engine.Locks())
			})
		}
	}
	t.Run("for ever on get", func(t *testing.T) {
		w := newWorld(t)
		w.fault = region(tikv.KindGet, tikv.RegionNotLeader)
		tx := w.begin(w.client(tikv.ClientConfig{}))
		start := w.now
		_, err := tx.Get(context.Background(), "a")
		isClass(t, env.ClassUnavailable, err)
		within(t, w.now-start, 40*time.Second, 41*time.Second)
	})
}

func TestRegionUndetermined(t *testing.T) {
	w := newWorld(t)
	w.once(region(tikv.KindCommit, tikv.RegionUndetermined))
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	start := w.now
	isClass(t, env.ClassUndetermined, tx.Commit(context.Background()))
	within(t, w.now-start, 0, time.Millisecond)
}

func TestOracleDown(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a")
	w.fault = only(tikv.KindTSO, lose)
	start := w.now
	_, err := c.Begin(context.Background())
	isClass(t, env.ClassUnavailable, err)
	within(t, w.now-start, 30*time.Second, 33*time.Second)

	start = w.now
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	within(t, w.now-start, 30*time.Second, 33*time.Second)
	require.Empty(t, w.engine.Locks(), "cleaned up")
}

func TestOracleDownForFiveSeconds(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	start := w.now
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindTSO && w.now-start < 5*time.Second {
			return lose
		}
		return deliver
	}
	require.NoError(t, tx.Commit(context.Background()))
	within(t, w.now-start, 5*time.Second, 9*time.Second)
}

func TestOracleGoesBack(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	w.fault = func(req *tikv.Request, resp *tikv.Response) fault {
		if req.Kind != tikv.KindTSO {
			return deliver
		}
		*resp = tikv.Response{TS: 1}
		return answered
	}
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	require.Empty(t, w.engine.Locks())
}

func TestTransactionOlderThanADay(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	w.now += 25 * time.Hour
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	require.Empty(t, w.engine.Locks())
}

func TestSnapshotBelowSafePoint(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	old := w.begin(c)
	w.engine.SetSafePoint(w.begin(c).StartTS())
	_, err := old.Get(context.Background(), "a")
	isClass(t, env.ClassUnavailable, err)
	old.Put("a", []byte("1"))
	require.NoError(t, old.Commit(context.Background()), "a blind write still commits")
}

func TestLockThatNeverGoes(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.orphan(c, "a", "b")
	tx := w.buffer(c, "1", "b")
	start := w.now
	w.fault = func(req *tikv.Request, resp *tikv.Response) fault {
		if req.Kind != tikv.KindCheckTxn {
			return deliver
		}
		*resp = tikv.Response{LockTTLMS: 1 << 40}
		return answered
	}
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	within(t, w.now-start, 80*time.Second, 84*time.Second)
}

// A secondary's lock may be met before its primary was ever locked.
func TestPrimaryThatNeverCame(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	start := w.begin(c).StartTS()
	var resp tikv.Response
	w.engine.Handle(&tikv.Request{
		Kind: tikv.KindPrewrite, StartTS: start, Primary: "p", TTLMS: 3000,
		Mutations: []tikv.Mutation{{Op: tikv.OpPut, Key: "s", Value: []byte("orphan")}},
	}, &resp)
	require.Equal(t, tikv.StatusOK, resp.Status)
	began := w.now
	require.Equal(t, "", w.get(c, "s"))
	within(t, w.now-began, 3*time.Second, 4*time.Second)
	require.Equal(t, []uint64{start}, w.engine.Ledger().Rollbacks)
	w.put(c, "new", "s")
	require.Empty(t, w.engine.Locks())
}

// A process that was frozen with a call under way tries again when it wakes up.
func TestFrozenProcessTriesAgain(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{LockTTL: time.Hour})
	tx := w.buffer(c, "1", "a")
	w.once(func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind != tikv.KindCommit {
			return deliver
		}
		w.now += 10 * time.Minute
		return lose
	})
	require.NoError(t, tx.Commit(context.Background()))
}

func TestBatchesByRegionAndSize(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{BatchBytes: 8, Region: func(key string) int { return int(key[0]) }})
	var batches [][]string
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		switch req.Kind {
		case tikv.KindPrewrite:
			require.Equal(t, "a1", req.Primary)
			var keys []string
			for _, m := range req.Mutations {
				keys = append(keys, m.Key)
			}
			batches = append(batches, keys)
		case tikv.KindCommit:
			batches = append(batches, req.Keys)
		}
		return deliver
	}
	w.put(c, "xx", "b1", "a3", "a2", "a1")
	require.Equal(t, [][]string{{"a1", "a2"}, {"a3"}, {"b1"}, {"a1", "a2", "a3"}, {"b1"}}, batches)
	require.Equal(t, []string{"a1", "a2", "a3", "b1"}, keysOf(w.engine.Ledger().Commits[0].Writes))
}

func keysOf(mutations []tikv.Mutation) (keys []string) {
	for _, m := range mutations {
		keys = append(keys, m.Key)
	}
	return keys
}
