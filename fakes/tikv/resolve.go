package tikv

import (
	"context"
	"time"
)

// fate is what a primary tells of its transaction.
type fate struct {
	commitTS uint64 // 0: rolled back, or undecided
	ttlMS    uint64 // > 0: undecided, the primary's lock stands
	pushed   bool   // it will commit after the snapshot of who asked
}

// fates remembers transactions that are decided, the last maxFates of them.
type fates struct {
	commitTS map[uint64]uint64 // by start timestamp; 0: rolled back
	order    []uint64          // a ring
	next     int
}

const maxFates = 2048

func (f *fates) add(startTS, commitTS uint64) {
	if f.commitTS == nil {
		f.commitTS = make(map[uint64]uint64)
	}
	if _, known := f.commitTS[startTS]; known {
		return
	}
	f.commitTS[startTS] = commitTS
	if len(f.order) < maxFates {
		f.order = append(f.order, startTS)
		return
	}
	delete(f.commitTS, f.order[f.next])
	f.order[f.next] = startTS
	f.next = (f.next + 1) % maxFates
}

// passLock finds out what a lock in a reader's way means for its snapshot, and
// returns when the read is worth repeating. If the lock's transaction is decided,
// the reader ignores the lock or reads through it, and the lock is removed behind
// its back.
func (t *txn) passLock(ctx context.Context, lock *Lock) error {
	f, err := t.fateOf(ctx, t.lane, lock)
	if err != nil {
		return err
	}
	switch {
	case f.ttlMS > 0 && !f.pushed:
		return t.c.wait(ctx, t.lane, reasonTxnLockFast, t.c.untilExpired(lock.StartTS, f.ttlMS))
	case f.ttlMS == 0 && f.commitTS > 0 && f.commitTS <= t.startTS:
		t.committed = append(t.committed, lock.StartTS)
	default:
		t.resolved = append(t.resolved, lock.StartTS)
	}
	if f.ttlMS == 0 && lock.Key != lock.Primary {
		t.c.sendBehind(ctx, jobResolve, resolveBudget, f.resolve(lock))
	}
	return nil
}

// resolve is the request that removes a lock of a decided transaction. The
// primary's is gone once its transaction is decided.
func (f fate) resolve(lock *Lock) Request {
	return Request{Kind: KindResolve, StartTS: lock.StartTS, CommitTS: f.commitTS, Keys: []string{lock.Key}}
}

// waitLocks removes the locks in a prewrite's way whose transactions are
// decided, or waits for the one that expires first.
func (t *txn) waitLocks(ctx context.Context, l *lane) error {
	var shortest time.Duration
	waiting := false
	for i := range l.resp.Locks {
		lock := &l.resp.Locks[i]
		f, err := t.fateOf(ctx, l, lock)
		if err != nil {
			return err
		}
		if f.ttlMS > 0 {
			d := t.c.untilExpired(lock.StartTS, f.ttlMS)
			if !waiting || d < shortest {
				waiting, shortest = true, d
			}
			continue
		}
		if lock.Key == lock.Primary {
			continue
		}
		x := l.sideExchange()
		x.req = f.resolve(lock)
		if err := t.c.send(ctx, x, &l.bo); err != nil {
			return err
		}
	}
	if !waiting {
		return nil
	}
	return t.c.wait(ctx, l, reasonTxnLock, shortest)
}

// wait pauses until a lock may have expired, for at most d. If by the client's
// own time it has, the store will say so once that time has reached it.
func (c *Client) wait(ctx context.Context, l *lane, why reason, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	defer c.keepFresh(ctx)()
	return c.pause(ctx, &l.bo, why, d, &l.req)
}

// fateOf asks a lock's primary for the fate of its transaction. Whoever asks, an
// undecided one will commit after the snapshot of the one that asks; a writer
// has to wait for it all the same.
func (t *txn) fateOf(ctx context.Context, l *lane, lock *Lock) (fate, error) {
	c := t.c
	c.mu.Lock()
	commitTS, known := c.fates.commitTS[lock.StartTS]
	c.mu.Unlock()
	if known {
		return fate{commitTS: commitTS}, nil
	}
	x := l.sideExchange()
	check := Request{
		Kind: KindCheckTxn, StartTS: lock.StartTS, Primary: lock.Primary,
		CallerTS: t.startTS, CurrentTS: c.lowResolution(),
	}
	for {
		x.req = check
		if err := c.send(ctx, x, &l.bo); err != nil {
			return fate{}, err
		}
		if x.resp.Status != StatusTxnNotFound {
			break
		}
		// A secondary's prewrite may have overtaken its primary's: only an
		// expired lock proves that nobody will come any more.
		if c.untilExpired(lock.StartTS, lock.TTLMS) <= 0 {
			check.RollbackIfMissing = true
			continue
		}
		waited := c.keepFresh(ctx)
		err := c.pause(ctx, &l.bo, reasonTxnNotFound, 0, &x.req)
		waited()
		if err != nil {
			return fate{}, err
		}
	}
	f := fate{commitTS: x.resp.CommitTS, ttlMS: x.resp.LockTTLMS, pushed: x.resp.Action == ActionMinCommitTSPush}
	if f.ttlMS == 0 {
		c.mu.Lock()
		c.fates.add(lock.StartTS, f.commitTS)
		c.mu.Unlock()
	}
	return f, nil
}

// untilExpired returns the time after which the store regards a lock as
// expired, as far as the client knows; it is not positive once that is so.
func (c *Client) untilExpired(startTS, ttlMS uint64) time.Duration {
	return time.Duration(PhysicalMS(startTS)+int64(ttlMS)+1-PhysicalMS(c.lowResolution())) * time.Millisecond
}
