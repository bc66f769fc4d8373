package tikv

import (
	"context"
	"sync/atomic"
	"time"

	tikverr "github.com/tikv/client-go/v2/error"
	clientkv "github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// txn is one optimistic transaction.
type txn struct {
	store *tikv.KVStore
	inner *transaction.KVTxn
	err   error // the first write that the client refused to buffer
	// spent: Commit or Rollback was called. The client itself panics when a
	// committed transaction is read.
	spent bool
}

var _ env.Txn = (*txn)(nil)

// StartTS returns the snapshot's timestamp.
func (t *txn) StartTS() uint64 { return t.inner.StartTS() }

// usable returns why the transaction takes no reads, or nil.
func (t *txn) usable(ctx context.Context, op, key string) error {
	if t.spent {
		return spent(op, key)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func spent(op, key string) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: opaque{"the transaction is spent"}}
}

// Get returns the value of key.
func (t *txn) Get(ctx context.Context, key string) ([]byte, error) {
	if err := t.usable(ctx, "get", key); err != nil {
		return nil, err
	}
	entry, err := t.inner.Get(ctx, []byte(key))
	if err != nil {
		return nil, readError(ctx, "get", key, err)
	}
	return entry.Value, nil
}

// Put buffers a write.
func (t *txn) Put(key string, value []byte) {
	if !t.spent {
		t.buffered(key, t.inner.Set([]byte(key), value))
	}
}

// Delete buffers a deletion.
func (t *txn) Delete(key string) {
	if !t.spent {
		t.buffered(key, t.inner.Delete([]byte(key)))
	}
}

// Lock buffers locks. In an optimistic transaction this calls nobody.
func (t *txn) Lock(keys ...string) {
	if t.spent {
		return
	}
	for _, key := range keys {
		lock := clientkv.NewLockCtx(t.inner.StartTS(), clientkv.LockNoWait, time.Time{})
		t.buffered(key, t.inner.LockKeys(context.Background(), lock, []byte(key)))
	}
}

// buffered remembers that the client refused a write: an empty value, or one
// that is too large. Commit reports it.
func (t *txn) buffered(key string, err error) {
	if err != nil && t.err == nil {
		t.err = &env.Error{Class: env.ClassInvalid, Op: "commit", Key: key, Err: opaque{err.Error()}}
	}
}

// Commit applies all writes.
func (t *txn) Commit(ctx context.Context) error {
	if t.spent {
		return spent("commit", "")
	}
	if t.err != nil {
		t.Rollback()
		return t.err
	}
	if ctx.Err() != nil && t.inner.Len() > 0 {
		t.Rollback()
		return context.Cause(ctx)
	}
	t.spent = true
	if err := t.inner.Commit(ctx); err != nil {
		return commitError(ctx, err)
	}
	return nil
}

// Rollback drops the buffered writes.
func (t *txn) Rollback() {
	t.spent = true
	if t.inner.Valid() {
		_ = t.inner.Rollback() // nothing but memory is given back: it has no error
	}
}

// Scan returns one page of the snapshot with the transaction's writes on top.
func (t *txn) Scan(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	if err := t.usable(ctx, "scan", from); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, &env.Error{Class: env.ClassInvalid, Op: "scan", Key: from, Err: opaque{"the limit is below 1"}}
	}
	own, err := t.own(from, to)
	if err != nil {
		return nil, readError(ctx, "scan", from, err)
	}
	s := &scan{store: t.store, startTS: t.inner.StartTS(), from: from, to: to, limit: limit, own: own}
	return s.run(ctx)
}

// own returns the transaction's writes in [from, to), deletions without value.
func (t *txn) own(from, to string) ([]env.Pair, error) {
	it, err := t.inner.GetMemBuffer().Iter([]byte(from), bound(to))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var own []env.Pair
	for it.Valid() {
		own = append(own, env.Pair{Key: string(it.Key()), Value: it.Value()})
		if err := it.Next(); err != nil {
			return nil, err
		}
	}
	return own, nil
}

// bound turns an upper bound into the client's form: nil for none.
func bound(to string) []byte {
	if to == "" {
		return nil
	}
	return []byte(to)
}

// scan is one page. It has a snapshot of its own, since the client's scanner
// takes no context: when that ends, the scanner is told to stop and left alone.
type scan struct {
	store    *tikv.KVStore
	startTS  uint64
	from, to string
	limit    int
	own      []env.Pair
}

func (s *scan) run(ctx context.Context) ([]env.Pair, error) {
	type result struct {
		pairs []env.Pair
		err   error
	}
	killed := new(uint32)
	done := make(chan result, 1)
	go func() {
		pairs, err := s.collect(killed)
		done <- result{pairs, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, readError(ctx, "scan", s.from, r.err)
		}
		return r.pairs, nil
	case <-ctx.Done():
		atomic.StoreUint32(killed, 1)
		return nil, context.Cause(ctx)
	}
}

func (s *scan) collect(killed *uint32) ([]env.Pair, error) {
	snapshot := s.store.GetSnapshot(s.startTS)
	snapshot.SetVars(clientkv.NewVariables(killed))
	snapshot.SetScanBatchSize(min(max(s.limit+len(s.own), 2), 256))
	it, err := snapshot.Iter([]byte(s.from), bound(s.to))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var pairs []env.Pair
	own := s.own
	for len(pairs) < s.limit {
		stored := it.Valid()
		var key string
		if stored {
			key = string(it.Key())
		}
		switch {
		case len(own) > 0 && (!stored || own[0].Key <= key):
			stored = stored && own[0].Key == key
			if len(own[0].Value) > 0 {
				pairs = append(pairs, own[0])
			}
			own = own[1:]
		case stored:
			pairs = append(pairs, env.Pair{Key: key, Value: it.Value()})
		default:
			return pairs, nil
		}
		if !stored || len(pairs) == s.limit {
			continue
		}
		if err := it.Next(); err != nil && !tikverr.IsErrNotFound(err) {
			return nil, err
		}
	}
	return pairs, nil
}
