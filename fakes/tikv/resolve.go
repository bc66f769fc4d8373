package tikv

import (
	"context"
	"time"
)

// passLock finds out what a lock in a reader's way means for its snapshot, and
// returns when the read is worth repeating.
func (t *txn) passLock(ctx context.Context, lock *Lock) error {
	x := t.sideExchange()
	now, err := t.c.timestamp(ctx, x)
	if err != nil {
		return err
	}
	wait, err := t.settle(ctx, lock, t.startTS, now)
	if err != nil || wait == 0 {
		return err
	}
	return t.c.pause(ctx, &t.bo, reasonTxnLockFast, wait, &t.main.req)
}

// waitLocks settles the locks in a prewrite's way, or waits for the one that
// expires first.
func (t *txn) waitLocks(ctx context.Context, locks []Lock) error {
	x := t.sideExchange()
	now, err := t.c.timestamp(ctx, x)
	if err != nil {
		return err
	}
	var shortest time.Duration
	for i := range locks {
		wait, err := t.settle(ctx, &locks[i], 0, now)
		if err != nil {
			return err
		}
		if wait > 0 && (shortest == 0 || wait < shortest) {
			shortest = wait
		}
	}
	if shortest == 0 {
		return nil
	}
	return t.c.pause(ctx, &t.bo, reasonTxnLock, shortest, &t.main.req)
}

func (t *txn) sideExchange() *exchange {
	if t.side == nil {
		t.side = new(exchange)
	}
	return t.side
}

// settle asks the lock's primary for its transaction's fate and clears the
// lock if that is decided. A reader (caller is its snapshot, 0 for a writer)
// then ignores the lock if its transaction doesn't concern it. wait is the time
// until the lock expires; 0 means that it is no longer in the way.
func (t *txn) settle(ctx context.Context, lock *Lock, caller, now uint64) (wait time.Duration, err error) {
	x := t.side
	if err := t.checkTxn(ctx, lock, caller, now); err != nil {
		return 0, err
	}
	if x.resp.LockTTLMS > 0 {
		if x.resp.Action == ActionMinCommitTSPush {
			t.resolved = append(t.resolved, lock.StartTS)
			return 0, nil
		}
		return untilExpired(lock.StartTS, x.resp.LockTTLMS, now), nil
	}
	commitTS := x.resp.CommitTS
	if caller != 0 && (commitTS == 0 || commitTS > caller) {
		t.resolved = append(t.resolved, lock.StartTS)
	}
	if lock.Key == lock.Primary {
		return 0, nil // its primary being decided, the lock is gone
	}
	x.req = Request{Kind: KindResolve, StartTS: lock.StartTS, CommitTS: commitTS, Keys: []string{lock.Key}}
	return 0, t.c.send(ctx, x, &t.bo)
}

// checkTxn leaves the answer about the lock's transaction in t.side.
func (t *txn) checkTxn(ctx context.Context, lock *Lock, caller, now uint64) error {
	x := t.side
	rollbackIfMissing := false
	for {
		x.req = Request{
			Kind: KindCheckTxn, StartTS: lock.StartTS, Primary: lock.Primary,
			CallerTS: caller, CurrentTS: now, RollbackIfMissing: rollbackIfMissing,
		}
		if err := t.c.send(ctx, x, &t.bo); err != nil {
			return err
		}
		if x.resp.Status != StatusTxnNotFound {
			return nil
		}
		// A secondary's prewrite may have overtaken its primary's: only an
		// expired lock proves that nobody will come any more.
		if untilExpired(lock.StartTS, lock.TTLMS, now) <= 0 {
			rollbackIfMissing = true
			continue
		}
		err := t.c.pause(ctx, &t.bo, reasonTxnNotFound, 0, &x.req)
		if err != nil {
			return err
		}
		if now, err = t.c.timestamp(ctx, x); err != nil {
			return err
		}
	}
}

// untilExpired returns the time after which the store regards a lock as
// expired; it is not positive once that is so.
func untilExpired(startTS, ttlMS, now uint64) time.Duration {
	return time.Duration(PhysicalMS(startTS)+int64(ttlMS)+1-PhysicalMS(now)) * time.Millisecond
}
