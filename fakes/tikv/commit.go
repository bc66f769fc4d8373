package tikv

import (
	"context"
	"errors"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxTxnAge is the age at which the real client refuses to commit.
const maxTxnAge = 24 * time.Hour

// Commit runs the two-phase commit. The transaction is spent afterwards.
func (t *txn) Commit(ctx context.Context) error {
	err := t.commit(ctx)
	if told := t.c.cfg.Told; told != nil {
		told(t.startTS, err)
	}
	return err
}

func (t *txn) commit(ctx context.Context) error {
	if t.done {
		return &env.Error{Class: env.ClassInvalid, Op: "commit"}
	}
	t.done = true
	if len(t.buffer) == 0 {
		return nil
	}
	if key, why := t.refused(); why != nil {
		return &env.Error{Class: env.ClassInvalid, Op: "commit", Key: key, Err: why}
	}
	return t.twoPhase(ctx)
}

// What a transaction is refused for before anything is sent.
var (
	errEmptyValue = errors.New("empty value")
	errKeySize    = errors.New("key is too large")
	errEntrySize  = errors.New("entry is too large")
	errTxnSize    = errors.New("transaction is too large")
)

// refused returns the write that breaks a limit, and why.
func (t *txn) refused() (key string, why error) {
	cfg, total := &t.c.cfg, 0
	for i := range t.buffer {
		m := &t.buffer[i]
		size := len(m.Key) + len(m.Value)
		total += size
		switch {
		case m.Op == OpPut && len(m.Value) == 0:
			return m.Key, errEmptyValue
		case len(m.Key) > cfg.MaxKey:
			return m.Key[:64], errKeySize
		case cfg.MaxEntry > 0 && size > cfg.MaxEntry:
			return m.Key, errEntrySize
		case cfg.MaxTxn > 0 && total > cfg.MaxTxn:
			return m.Key, errTxnSize
		}
	}
	return "", nil
}

// primary is the key whose commit decides the transaction: the first, so that
// its batch is the first, too.
func (t *txn) primary() string { return t.buffer[0].Key }

func (t *txn) twoPhase(ctx context.Context) error {
	keys := make([]string, len(t.buffer))
	for i := range t.buffer {
		keys[i] = t.buffer[i].Key
	}
	if sent, err := t.prewrite(ctx); err != nil {
		t.cleanup(ctx, keys[:sent])
		return err
	}
	commitTS, err := t.commitTimestamp(ctx)
	if err != nil {
		t.cleanup(ctx, keys)
		return err
	}
	n := t.keyBatch(keys)
	commitTS, err = t.commitPrimary(ctx, keys[:n], commitTS)
	if err != nil {
		if env.ClassOf(err) != env.ClassUndetermined {
			t.cleanup(ctx, keys)
		}
		return err
	}
	t.commitSecondaries(ctx, keys[n:], commitTS)
	return nil
}

// prewrite locks all keys, the primary's batch first. On an error, sent is the
// number of keys on which the transaction may have left a lock, or may still.
func (t *txn) prewrite(ctx context.Context) (sent int, err error) {
	ttl := t.c.cfg.LockTTL + t.c.clock.Monotonic() - t.begun
	t.bo = backoff{budget: t.c.cfg.WriteBudget}
	for sent < len(t.buffer) {
		n := sent + t.mutationBatch(t.buffer[sent:])
		t.bo.maybe = false
		if err := t.prewriteBatch(ctx, t.buffer[sent:n:n], uint64(ttl.Milliseconds())); err != nil {
			if t.bo.maybe {
				sent = n
			}
			return sent, err
		}
		sent = n
	}
	return sent, nil
}

func (t *txn) prewriteBatch(ctx context.Context, batch []Mutation, ttlMS uint64) error {
	x := &t.main
	x.req = Request{
		Kind: KindPrewrite, StartTS: t.startTS, MinCommitTS: t.startTS + 1, Primary: t.primary(), TTLMS: ttlMS, Mutations: batch,
	}
	for {
		if err := t.c.send(ctx, x, &t.bo); err != nil {
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
		if err := t.waitLocks(ctx, x.resp.Locks); err != nil {
			return err
		}
	}
}

func conflict(op, key string) error {
	return &env.Error{Class: env.ClassConflict, Op: op, Key: key}
}

// commitTimestamp fetches a commit timestamp that makes sense for t.
func (t *txn) commitTimestamp(ctx context.Context) (uint64, error) {
	ts, err := t.c.timestamp(ctx, &t.main)
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
	t.bo = backoff{budget: t.c.cfg.WriteBudget}
	x := &t.main
	for {
		x.req = Request{Kind: KindCommit, StartTS: t.startTS, CommitTS: commitTS, Keys: keys}
		if err := t.c.send(ctx, x, &t.bo); err != nil {
			return 0, t.commitError(ctx, err)
		}
		// The store has handled this try. An earlier try that is still on its
		// way can only find the same: a commit, or no lock, or a timestamp that
		// is too old.
		t.bo.maybe = false
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
func (t *txn) commitError(ctx context.Context, err error) error {
	if !t.bo.maybe {
		return err
	}
	undetermined := &env.Error{Class: env.ClassUndetermined, Op: "commit", Key: t.primary()}
	if ctx.Err() != nil {
		undetermined.Err = context.Cause(ctx)
	}
	return undetermined
}

// commitSecondaries tries once to commit the other batches. What remains is
// committed by whoever meets the locks.
func (t *txn) commitSecondaries(ctx context.Context, keys []string, commitTS uint64) {
	x := &t.main
	for len(keys) > 0 && ctx.Err() == nil {
		n := t.keyBatch(keys)
		x.req = Request{Kind: KindCommit, StartTS: t.startTS, CommitTS: commitTS, Keys: keys[:n:n]}
		if t.c.transport.Send(ctx, &x.req, &x.resp, t.c.cfg.CleanupTimeout) != nil {
			return
		}
		keys = keys[n:]
	}
}

// cleanup tries once to roll back the given keys, the primary first, also when
// the context is what ended the transaction. What remains is rolled back by
// whoever meets the locks once their TTL is over.
func (t *txn) cleanup(ctx context.Context, keys []string) {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	x := &t.main
	for len(keys) > 0 {
		n := t.keyBatch(keys)
		x.req = Request{Kind: KindRollback, StartTS: t.startTS, Keys: keys[:n:n]}
		if t.c.transport.Send(ctx, &x.req, &x.resp, t.c.cfg.CleanupTimeout) != nil {
			return
		}
		keys = keys[n:]
	}
}

// mutationBatch returns how many of the mutations go into the next request.
func (t *txn) mutationBatch(mutations []Mutation) int {
	size := 0
	for i := range mutations {
		m := &mutations[i]
		size += len(m.Key) + len(m.Value)
		if i > 0 && t.endsBatch(mutations[0].Key, m.Key, size) {
			return i
		}
	}
	return len(mutations)
}

// keyBatch returns how many of the keys go into the next request.
func (t *txn) keyBatch(keys []string) int {
	size := 0
	for i, key := range keys {
		size += len(key)
		if i > 0 && t.endsBatch(keys[0], key, size) {
			return i
		}
	}
	return len(keys)
}

// endsBatch reports whether a batch that begins with first must end before
// key, which would bring it to size bytes.
func (t *txn) endsBatch(first, key string, size int) bool {
	cfg := &t.c.cfg
	return size > cfg.BatchBytes || cfg.Region != nil && cfg.Region(first) != cfg.Region(key)
}
