package tikv

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxTxnAge is the age at which the real client refuses to commit.
const maxTxnAge = 24 * time.Hour

// Commit runs the two-phase commit. The transaction is spent afterwards.
func (t *txn) Commit(ctx context.Context) error {
	if t.done {
		return spent("commit", "")
	}
	t.done = true
	defer t.spend()
	switch {
	case t.refused != nil:
		return t.refused
	case len(t.buffer) == 0:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return t.twoPhase(ctx)
}

// primary is the key whose commit decides the transaction: the first, so that
// its batch is the first, too.
func (t *txn) primary() string { return t.buffer[0].Key }

func (t *txn) twoPhase(ctx context.Context) error {
	keys := make([]string, len(t.buffer))
	for i := range t.buffer {
		keys[i] = t.buffer[i].Key
	}
	if err := t.prewrite(ctx); err != nil {
		t.rollBack(ctx, keys)
		return err
	}
	commitTS, err := t.commitTimestamp(ctx)
	if err != nil {
		t.rollBack(ctx, keys)
		return err
	}
	n := t.keyBatch(keys)
	commitTS, err = t.commitPrimary(ctx, keys[:n], commitTS)
	if err != nil {
		if !t.lane.bo.maybe {
			t.rollBack(ctx, keys)
		}
		return err
	}
	t.commitOthers(ctx, keys[n:], commitTS)
	return nil
}

// prewrite locks all keys: the primary's batch in the caller's task, the others
// at the same time in tasks of their own. The first that fails stops the rest.
func (t *txn) prewrite(ctx context.Context) error {
	ttl := uint64((t.lockTTL() + t.c.clock.Monotonic() - t.begun).Milliseconds())
	t.lane.bo = backoff{budget: t.c.cfg.WriteBudget}
	n := t.mutationBatch(t.buffer)
	if n == len(t.buffer) {
		return t.prewriteBatch(ctx, t.lane, t.buffer, ttl)
	}
	ctx, stop := t.c.clock.WithCancel(ctx)
	defer stop(nil)
	g := t.c.group(ctx)
	for rest := t.buffer[n:]; len(rest) > 0; {
		batch := rest[:t.mutationBatch(rest)]
		rest = rest[len(batch):]
		t.c.spawn(g, jobPrewrite, func(ctx context.Context) error {
			err := t.prewriteBatch(ctx, &lane{bo: backoff{budget: t.c.cfg.WriteBudget}}, slices.Clip(batch), ttl)
			if err != nil {
				stop(err)
			}
			return nil
		})
	}
	if err := t.prewriteBatch(ctx, t.lane, t.buffer[:n:n], ttl); err != nil {
		stop(err)
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// lockTTL is how long the locks protect a transaction of this size: the square
// root of its MiB times six seconds, but not less than the configured time and
// not more than twenty seconds.
func (t *txn) lockTTL() time.Duration {
	ttl := t.c.cfg.LockTTL
	if t.size < t.c.cfg.BatchBytes {
		return ttl
	}
	bySize := time.Duration(6000*math.Sqrt(float64(t.size)/(1<<20))) * time.Millisecond
	return max(ttl, min(bySize, maxLockTTL))
}

// maxLockTTL bounds what a transaction's size adds to its locks' time.
const maxLockTTL = 20 * time.Second

func (t *txn) prewriteBatch(ctx context.Context, l *lane, batch []Mutation, ttlMS uint64) error {
	x := &l.exchange
	x.req = Request{
		Kind: KindPrewrite, StartTS: t.startTS, MinCommitTS: t.startTS + 1, Primary: t.primary(), TTLMS: ttlMS, Mutations: batch,
	}
	for {
		if err := t.c.send(ctx, x, &l.bo); err != nil {
			return err
		}
		switch x.resp.Status {
		case StatusOK:
			return nil
		case StatusLocked:
		case StatusWriteConflict, StatusRolledBack:
			return conflict("prewrite", x.resp.Key)
		default:
			return &env.Error{Class: env.ClassInvalid, Op: "prewrite", Key: x.resp.Key}
		}
		for i := range x.resp.Locks {
			// If that transaction commits, it commits after our snapshot.
			if lock := &x.resp.Locks[i]; lock.StartTS > t.startTS {
				return conflict("prewrite", lock.Key)
			}
		}
		if err := t.waitLocks(ctx, l); err != nil {
			return err
		}
	}
}

func conflict(op, key string) error {
	return &env.Error{Class: env.ClassConflict, Op: op, Key: key}
}

// commitTimestamp fetches a commit timestamp that makes sense for t.
func (t *txn) commitTimestamp(ctx context.Context) (uint64, error) {
	ts, err := t.c.timestamp(ctx, &t.lane.exchange)
	if err != nil {
		return 0, err
	}
	age := time.Duration(PhysicalMS(ts)-PhysicalMS(t.startTS)) * time.Millisecond
	if ts <= t.startTS || age > maxTxnAge {
		return 0, &env.Error{Class: env.ClassUnavailable, Op: "commit", Key: t.primary()}
	}
	return ts, nil
}

// commitPrimary commits the batch that begins with the primary, and thereby
// decides the transaction. ErrUndetermined is the only error after which it may
// be committed. It returns the timestamp that the store accepted.
func (t *txn) commitPrimary(ctx context.Context, keys []string, commitTS uint64) (uint64, error) {
	t.lane.bo = backoff{budget: t.c.cfg.WriteBudget}
	x := &t.lane.exchange
	for {
		x.req = Request{Kind: KindCommit, StartTS: t.startTS, CommitTS: commitTS, Keys: keys}
		if err := t.c.send(ctx, x, &t.lane.bo); err != nil {
			return 0, t.commitError(ctx, err)
		}
		// The store has handled this try. An earlier try that is still on its
		// way can only find the same: a commit, or no lock, or a timestamp that
		// is too old.
		t.lane.bo.maybe = false
		switch x.resp.Status {
		case StatusOK:
			return commitTS, nil
		case StatusCommitTSExpired:
			// A reader went ahead of us: commit after it.
			var err error
			if commitTS, err = t.commitTimestamp(ctx); err != nil {
				return 0, err
			}
		default:
			return 0, conflict("commit", x.resp.Key) // rolled back by another
		}
	}
}

// commitError classifies the failure to get an answer to the primary's commit.
// With the last try unanswered the outcome is undetermined, and the locks stay.
func (t *txn) commitError(ctx context.Context, err error) error {
	if !t.lane.bo.maybe {
		return err
	}
	undetermined := &env.Error{Class: env.ClassUndetermined, Op: "commit", Key: t.primary()}
	if ctx.Err() != nil {
		undetermined.Err = context.Cause(ctx)
	}
	return undetermined
}

// commitOthers commits the batches behind the primary's, behind the caller's
// back. What remains is committed by whoever meets the locks.
func (t *txn) commitOthers(ctx context.Context, keys []string, commitTS uint64) {
	for len(keys) > 0 {
		n := t.keyBatch(keys)
		t.c.sendBehind(ctx, jobCommit, commitBudget, Request{Kind: KindCommit, StartTS: t.startTS, CommitTS: commitTS, Keys: keys[:n:n]})
		keys = keys[n:]
	}
}

// rollBack rolls all keys back behind the caller's back: the primary's batch
// first, and the others only if that was done. It may be committed, if a region
// did not know it. What remains is rolled back by whoever meets the locks once
// their TTL is over.
func (t *txn) rollBack(ctx context.Context, keys []string) {
	rollback := func(keys []string) Request {
		return Request{Kind: KindRollback, StartTS: t.startTS, Keys: slices.Clip(keys)}
	}
	t.c.behind(ctx, jobRollback, func(ctx context.Context) {
		n := t.keyBatch(keys)
		if !t.c.sent(ctx, rollbackBudget, rollback(keys[:n])) {
			return
		}
		for rest := keys[n:]; len(rest) > 0; rest = rest[n:] {
			n = t.keyBatch(rest)
			t.c.sendBehind(ctx, jobRollback, rollbackBudget, rollback(rest[:n]))
		}
	})
}

// mutationBatch returns how many of the mutations go into the next request.
func (t *txn) mutationBatch(mutations []Mutation) int {
	size := 0
	for i := range mutations {
		m := &mutations[i]
		if i > 0 && t.endsBatch(mutations[0].Key, m.Key, size) {
			return i
		}
		size += len(m.Key) + len(m.Value)
	}
	return len(mutations)
}

// keyBatch returns how many of the keys go into the next request.
func (t *txn) keyBatch(keys []string) int {
	size := 0
	for i, key := range keys {
		if i > 0 && t.endsBatch(keys[0], key, size) {
			return i
		}
		size += len(key)
	}
	return len(keys)
}

// endsBatch reports whether a batch that begins with first and holds size bytes
// must end before key.
func (t *txn) endsBatch(first, key string, size int) bool {
	cfg := &t.c.cfg
	return size >= cfg.BatchBytes || cfg.Region != nil && cfg.Region(first) != cfg.Region(key)
}
