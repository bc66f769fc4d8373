package tikv_test

import (
	"context"
	"errors"
	"slices"
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
	w.idle()
	require.Equal(t, 1, w.rpcs[tikv.KindRollback], "behind the caller's back, and all keys")
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

// A writer waits in pauses, with requests in between. The moment at which the real
// client fetches a timestamp may fall between two pauses: it must not be missed.
func TestOrphanLockAtEveryPhase(t *testing.T) {
	for phase := range 120 {
		w := newWorld(t)
		w.seed += uint64(phase)
		w.now += 970*time.Millisecond + time.Duration(phase)*500*time.Microsecond
		w.orphan(w.client(tikv.ClientConfig{}), "a")
		start := w.now
		w.put(w.client(tikv.ClientConfig{}), "new", "a")
		within(t, w.now-start, 3*time.Second, 5300*time.Millisecond)
	}
}

func TestOrphanLock(t *testing.T) {
	for _, key := range []string{"a", "b"} { // the primary and a secondary
		var took []time.Duration
		for phase := range 60 {
			w := newWorld(t)
			c := w.client(tikv.ClientConfig{})
			w.now += time.Duration(phase) * 2 * time.Second / 60
			w.seed += uint64(phase)
			w.orphan(c, "a", "b")
			start := w.now
			w.rpcs = map[tikv.Kind]int{}
			require.Equal(t, "", w.get(c, key), "a reader goes ahead of the lock")
			within(t, w.now-start, 0, 2*time.Millisecond)
			require.Equal(t, map[tikv.Kind]int{tikv.KindTSO: 1, tikv.KindGet: 2, tikv.KindCheckTxn: 1}, w.rpcs)

			w.put(c, "new", key)
			took = append(took, w.now-start)
			require.Equal(t, "new", w.get(c, key))
		}
		slices.Sort(took)
		// Its own time, and up to two seconds until the client learns that it is over.
		within(t, took[0], 3*time.Second, 3800*time.Millisecond)
		within(t, took[30], 3500*time.Millisecond, 4800*time.Millisecond)
		within(t, took[59], 4800*time.Millisecond, 5010*time.Millisecond)
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
	w.idle()
	require.Empty(t, w.engine.Locks(), "its own secondaries are cleaned up")
}

// A client that was refused cannot tell that from a lost request.
func TestCommitRefusedIsUndetermined(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	tx := w.buffer(c, "1", "a", "b")
	w.fault = only(tikv.KindCommit, refuse)
	isClass(t, env.ClassUndetermined, tx.Commit(context.Background()))
	require.Len(t, w.engine.Locks(), 2)
	require.Zero(t, w.rpcs[tikv.KindRollback])
}

// The commit timestamp has come, and the context ends before the commit is
// sent: the client has begun to commit, and does not look whether it was sent.
func TestContextEndedJustBeforeCommit(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	ctx, cancel := context.WithCancel(context.Background())
	w.arrived = func(req *tikv.Request) {
		if req.Kind == tikv.KindTSO {
			cancel()
		}
	}
	err := tx.Commit(ctx)
	isClass(t, env.ClassUndetermined, err)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, w.rpcs[tikv.KindCommit])
	require.Len(t, w.engine.Locks(), 1)
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
		w.idle()
		require.Empty(t, w.engine.Locks(), "cleaned up")
		require.Equal(t, 1, w.rpcs[tikv.KindRollback])
		w.fault = nil
		require.Equal(t, "", w.get(c, "a"))
	}
}

// A store that does not answer costs the whole time-out of every try, and only
// the pauses in between count against the budget.
func TestStoreSilentForEver(t *testing.T) {
	for _, c := range []struct {
		kind      tikv.Kind
		class     env.Class
		low, high time.Duration
	}{
		{tikv.KindPrewrite, env.ClassUnavailable, 26 * time.Minute, 29 * time.Minute},
		{tikv.KindCommit, env.ClassUndetermined, 26 * time.Minute, 29 * time.Minute},
		{tikv.KindGet, env.ClassUnavailable, 14 * time.Minute, 16*time.Minute + 30*time.Second},
		{tikv.KindScan, env.ClassUnavailable, 25 * time.Minute, 33 * time.Minute},
	} {
		w := newWorld(t)
		w.silent = true
		tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a", "b")
		w.fault = only(c.kind, lose)
		start := w.now
		var err error
		switch c.kind {
		case tikv.KindGet:
			_, err = tx.Get(context.Background(), "c")
		case tikv.KindScan:
			_, err = tx.Scan(context.Background(), "c", "", 1)
		default:
			err = tx.Commit(context.Background())
		}
		isClass(t, c.class, err)
		within(t, w.now-start, c.low, c.high)
	}
}

func TestCommitSilentOnce(t *testing.T) {
	w := newWorld(t)
	w.silent = true
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a", "b")
	w.once(only(tikv.KindCommit, lose))
	start := w.now
	require.NoError(t, tx.Commit(context.Background()))
	within(t, w.now-start, 30*time.Second, 30200*time.Millisecond)
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
			w.idle()
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
	w.idle()
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

// regional puts each key into a region of its own.
func regional(key string) int { return int(key[0]) }

// Once the primary's batch is committed, Commit returns; the others follow.
func TestCommitReturnsWithThePrimary(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{Region: regional})
	start := w.now
	w.put(c, "1", "a", "b", "c")
	require.Equal(t, 4*latency, w.now-start, "two timestamps, prewrites at once, the primary's commit")
	require.Equal(t, map[tikv.Kind]int{tikv.KindTSO: 2, tikv.KindPrewrite: 3, tikv.KindCommit: 1}, w.rpcs)
	require.Len(t, w.engine.Locks(), 2)
	w.idle()
	require.Empty(t, w.engine.Locks())
	require.Equal(t, 3, w.rpcs[tikv.KindCommit])
}

// The prewrite that fails first decides, and stops the others.
func TestOnePrewriteFails(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{Region: regional})
	loser := w.buffer(c, "loser", "a", "b", "c")
	w.put(c, "winner", "c")
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind == tikv.KindPrewrite && req.Mutations[0].Key == "b" {
			return lose
		}
		return deliver
	}
	start := w.now
	isClass(t, env.ClassConflict, loser.Commit(context.Background()))
	within(t, w.now-start, latency, latency)
	w.idle()
	require.Empty(t, w.engine.Locks())
	require.Equal(t, 3, w.rpcs[tikv.KindRollback])
	require.Equal(t, "winner", w.get(c, "c"))
}

// Nobody waits for a primary's batch to be prewritten before the others: a
// reader may meet a secondary's lock whose primary is not there yet.
func TestSecondaryOvertakesItsPrimary(t *testing.T) {
	w := newWorld(t)
	c, other := w.client(tikv.ClientConfig{Region: regional}), w.client(tikv.ClientConfig{})
	tries, read := 0, false
	w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if req.Kind != tikv.KindPrewrite || req.Mutations[0].Key != "a" {
			return deliver
		}
		if tries++; tries == 1 {
			w.group(context.Background()).Spawn("reader", func(context.Context) error {
				w.now += latency
				require.Len(t, w.engine.Locks(), 1)
				require.Equal(t, "", w.get(other, "b"))
				read = true
				return nil
			})
			return lose
		}
		return deliver
	}
	w.put(c, "1", "a", "b")
	w.idle()
	require.True(t, read)
	require.Equal(t, "1", w.get(other, "b"))
}

func TestSecondariesLeftBehind(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{Region: regional})
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
	start := w.now
	w.idle()
	within(t, w.now-start, 82*time.Second, 84*time.Second)
	require.Len(t, w.engine.Locks(), 2)
	w.fault = nil
	w.rpcs = map[tikv.Kind]int{}
	start = w.now
	reader := w.begin(c)
	for range 2 {
		page, err := reader.Scan(context.Background(), "", "", 10)
		require.NoError(t, err)
		require.Len(t, page, 3)
	}
	value, err := reader.Get(context.Background(), "b")
	require.NoError(t, err)
	require.Equal(t, "1", string(value))
	within(t, w.now-start, 0, 2*time.Millisecond)
	w.idle()
	require.Equal(t, map[tikv.Kind]int{
		tikv.KindTSO: 1, tikv.KindScan: 3, tikv.KindGet: 1, // the other lock's transaction is known
		tikv.KindCheckTxn: 1, tikv.KindResolve: 1,
	}, w.rpcs)
	require.Len(t, w.engine.Locks(), 1, "the lock that was met is removed behind the reader's back")
}

// A reader needs neither the oracle nor the removal of a lock to pass it.
func TestReaderPassesLocksAlone(t *testing.T) {
	for name, c := range map[string]struct {
		commits int // of the transaction that left the locks
		fault   func(*tikv.Request, *tikv.Response) fault
		want    string
	}{
		"orphan, oracle down":          {0, only(tikv.KindTSO, lose), ""},
		"committed, oracle down":       {1, only(tikv.KindTSO, lose), "orphan"},
		"committed, resolves lost":     {1, only(tikv.KindResolve, lose), "orphan"},
		"committed, resolver too busy": {1, region(tikv.KindResolve, tikv.RegionServerIsBusy), "orphan"},
	} {
		w := newWorld(t)
		client := w.client(tikv.ClientConfig{Region: regional})
		ctx, die := w.WithCancel(context.Background())
		commits := 0
		w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
			if req.Kind != tikv.KindCommit {
				return deliver
			}
			if commits++; commits > c.commits {
				die(nil)
				return lose
			}
			return deliver
		}
		_ = w.buffer(client, "orphan", "a", "b").Commit(ctx)
		w.idle()
		reader := w.begin(client)
		w.fault = c.fault
		start := w.now
		value, err := reader.Get(context.Background(), "b")
		within(t, w.now-start, 3*latency, 3*latency)
		if c.want == "" {
			isClass(t, env.ClassNotFound, err)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, string(value), name)
	}
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
				w.idle()
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
	w.idle()
	require.Equal(t, 1, w.rpcs[tikv.KindRollback])
	require.Empty(t, w.engine.Locks())
}

// The region committed and does not know: the rollback finds that out with the
// primary, and spares the rest.
func TestRegionUndeterminedCommitted(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{Region: regional})
	w.once(func(req *tikv.Request, resp *tikv.Response) fault {
		if req.Kind != tikv.KindCommit {
			return deliver
		}
		var handled tikv.Response
		w.engine.Handle(req, &handled)
		*resp = tikv.Response{Region: tikv.RegionUndetermined}
		return answered
	})
	isClass(t, env.ClassUndetermined, w.buffer(c, "1", "a", "b").Commit(context.Background()))
	w.idle()
	require.Equal(t, "1", w.get(c, "a"))
	require.Equal(t, "1", w.get(c, "b"))
}

// The locks of a large transaction stand longer.
func TestLockTTLBySize(t *testing.T) {
	for _, c := range []struct {
		size int
		ttl  uint64
	}{{2, 3000}, {16 << 10, 3000}, {256 << 10, 3000}, {1000 << 10, 5929}, {1 << 20, 6000}, {4 << 20, 12000}, {40 << 20, 20000}} {
		w := newWorld(t)
		var ttl uint64
		w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
			if req.Kind == tikv.KindPrewrite {
				ttl = req.TTLMS
			}
			return deliver
		}
		w.put(w.client(tikv.ClientConfig{}), string(make([]byte, c.size-1)), "a")
		require.Equal(t, c.ttl, ttl, "%d bytes", c.size)
	}
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
	w.idle()
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
	w.idle()
	require.Empty(t, w.engine.Locks())
}

func TestTransactionOlderThanADay(t *testing.T) {
	w := newWorld(t)
	tx := w.buffer(w.client(tikv.ClientConfig{}), "1", "a")
	w.now += 25 * time.Hour
	isClass(t, env.ClassUnavailable, tx.Commit(context.Background()))
	w.idle()
	require.Empty(t, w.engine.Locks())
}

func TestSnapshotBelowSafePoint(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.put(c, "1", "a", "b")
	old := w.begin(c)
	require.Equal(t, "1", w.read(old, "a"))
	w.engine.SetSafePoint(w.begin(c).StartTS())
	require.Equal(t, "1", w.read(old, "b"), "the client does not know yet")
	w.now += 10 * time.Second
	require.Equal(t, "1", w.read(old, "a"), "nobody is asked")
	_, err := old.Get(context.Background(), "c")
	isClass(t, env.ClassUnavailable, err)
	_, err = old.Scan(context.Background(), "", "", 10)
	isClass(t, env.ClassUnavailable, err)
	require.Equal(t, 1, w.rpcs[tikv.KindSafePoint])
	require.Equal(t, "1", w.get(c, "a"), "a newer snapshot")
	old.Put("a", []byte("2"))
	require.NoError(t, old.Commit(context.Background()), "a blind write still commits")
}

// Reads are refused once the safe point has been unknown for 90 s, and until PD
// tells it again. Fresh snapshots don't ask more often than that.
func TestSafePointUnknown(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	w.put(c, "1", "a")
	w.fault = only(tikv.KindSafePoint, lose)
	w.now += 89 * time.Second
	require.Equal(t, "1", w.get(c, "a"))
	require.Zero(t, w.rpcs[tikv.KindSafePoint])
	w.now += 2 * time.Second
	for range 3 { // asked once a second
		_, err := w.begin(c).Get(context.Background(), "a")
		isClass(t, env.ClassUnavailable, err)
	}
	require.Equal(t, 1, w.rpcs[tikv.KindSafePoint])
	w.put(c, "2", "a")
	w.fault = nil
	w.now += time.Second
	require.Equal(t, "2", w.get(c, "a"))
	require.Equal(t, 2, w.rpcs[tikv.KindSafePoint])
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
	within(t, w.now-began, 3*time.Second, 5100*time.Millisecond)
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
	c := w.client(tikv.ClientConfig{BatchBytes: 8, Region: regional})
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
	w.idle()
	require.Equal(t, [][]string{{"a1", "a2"}, {"a3"}, {"b1"}, {"a1", "a2", "a3"}, {"b1"}}, batches)
	require.Equal(t, []string{"a1", "a2", "a3", "b1"}, keysOf(w.engine.Ledger().Commits[0].Writes))
}

func keysOf(mutations []tikv.Mutation) (keys []string) {
	for _, m := range mutations {
		keys = append(keys, m.Key)
	}
	return keys
}
