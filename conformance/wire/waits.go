package wire

import (
	"context"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/deadlock"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TiKV makes a request for a pessimistic lock wait for a lock in its way. The engine
// answers at once, so that the store looks again and again whether the lock stands.
const (
	// mostWait is how long it waits, also if the request does not say
	// (pessimistic-txn.wait-for-lock-timeout).
	mostWait = time.Second
	// waitStep is how often it looks, which TiKV does not: it is woken up.
	waitStep = 5 * time.Millisecond
)

// Waits are the pessimistic transactions of a cluster that wait for locks. All
// stores of the cluster have the same, as they have one deadlock detector. The zero
// value is ready for use.
type Waits struct {
	mu sync.Mutex
	of map[uint64][]*deadlock.WaitForEntry // by who waits
}

// enter notes that somebody waits. If the one that is waited for waits for him in
// turn, it notes nothing and returns the circle, the new one last.
func (w *Waits) enter(e *deadlock.WaitForEntry) (circle []*deadlock.WaitForEntry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if path := w.path(e.WaitForTxn, e.Txn); path != nil {
		return append(path, e)
	}
	if w.of == nil {
		w.of = map[uint64][]*deadlock.WaitForEntry{}
	}
	w.of[e.Txn] = append(w.of[e.Txn], e)
	return nil
}

// path returns who waits for whom between two transactions, nil if nobody does.
func (w *Waits) path(from, to uint64) []*deadlock.WaitForEntry {
	for _, e := range w.of[from] {
		if e.WaitForTxn == to {
			return []*deadlock.WaitForEntry{e}
		}
		if rest := w.path(e.WaitForTxn, to); rest != nil {
			return append([]*deadlock.WaitForEntry{e}, rest...)
		}
	}
	return nil
}

func (w *Waits) leave(e *deadlock.WaitForEntry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.of[e.Txn][:0]
	for _, other := range w.of[e.Txn] {
		if other != e {
			kept = append(kept, other)
		}
	}
	if w.of[e.Txn] = kept; len(kept) == 0 {
		delete(w.of, e.Txn)
	}
}

// lock lets the engine handle a request for pessimistic locks, and waits for a lock
// in its way. Once that is gone, the answer is a conflict; a request that locks in
// spite of conflicts is handled again. dead is the answer in place of got, if
// waiting would never end.
func (s *Store) lock(
	ctx context.Context, req *tikv.Request, real *kvrpcpb.PessimisticLockRequest,
) (got tikv.Response, dead *kvrpcpb.Deadlock, err error) {
	limit := mostWait.Milliseconds() // what 0 means
	if real.WaitTimeout != 0 {
		limit = min(limit, max(real.WaitTimeout, 0))
	}
	for end := time.Now().Add(time.Duration(limit) * time.Millisecond); ; {
		if got, err = s.one(req); err != nil || got.Status != tikv.StatusLocked || !time.Now().Before(end) {
			return got, nil, err
		}
		blocker := &got.Locks[0]
		entry := &deadlock.WaitForEntry{
			Txn: req.StartTS, WaitForTxn: blocker.StartTS, Key: []byte(blocker.Key),
			ResourceGroupTag: real.Context.GetResourceGroupTag(),
		}
		if circle := s.Waits.enter(entry); circle != nil {
			return got, deadlocked(circle), nil
		}
		released, err := s.wait(ctx, blocker, end)
		s.Waits.leave(entry)
		if err != nil || !released {
			return got, nil, err
		}
		if !req.AllowLockWithConflict {
			return s.released(req, blocker)
		}
	}
}

// wait waits until a lock is gone. It reports false if it still stands at the end.
func (s *Store) wait(ctx context.Context, lock *tikv.Lock, end time.Time) (released bool, err error) {
	for {
		got, err := s.one(&tikv.Request{
			Kind: tikv.KindScanLock, StartTS: lock.StartTS, Key: lock.Key, EndKey: lock.Key + "\x00", Limit: 1,
		})
		if err != nil {
			return false, err
		}
		if len(got.Locks) == 0 || got.Locks[0].StartTS != lock.StartTS {
			return true, nil
		}
		step := min(waitStep, time.Until(end))
		if step <= 0 {
			return false, nil
		}
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return false, nil
		}
	}
}

// released is the answer to a request that has waited for a lock that is gone: its
// transaction is to look again what there is.
func (s *Store) released(req *tikv.Request, lock *tikv.Lock) (got tikv.Response, dead *kvrpcpb.Deadlock, err error) {
	newest, err := s.one(&tikv.Request{
		Kind: tikv.KindGet, StartTS: ^uint64(0), Key: lock.Key, IsolationRC: true, ReturnCommitTS: true,
	})
	got = tikv.Response{Status: tikv.StatusWriteConflict, Key: lock.Key, ConflictStartTS: lock.StartTS}
	if newest.CommitTS > req.ForUpdateTS {
		got.CommitTS = newest.CommitTS
	}
	return got, nil, err
}

// deadlocked describes a circle whose last is the transaction that is told.
func deadlocked(circle []*deadlock.WaitForEntry) *kvrpcpb.Deadlock {
	last := circle[len(circle)-1]
	return &kvrpcpb.Deadlock{
		LockTs: last.WaitForTxn, LockKey: last.Key, DeadlockKey: circle[len(circle)-2].Key, WaitChain: circle,
	}
}
