package env

import "context"

// KV is a transactional store with snapshot isolation and optimistic
// conflicts, as TiKV's client shows it. Snapshot isolation admits write skew:
// lock the keys that a decision depends on (rule R3).
type KV interface {
	// Begin takes a start timestamp. Errors: ErrUnavailable, the context's.
	Begin(ctx context.Context) (Txn, error)
}

// Pair is one key with its value.
type Pair struct {
	Key   string
	Value []byte
}

// Txn is one optimistic transaction. Reads see the snapshot at StartTS with
// the transaction's own writes on top; writes are buffered until Commit. A Txn
// is used by one task. It is spent after Commit or Rollback: from then on Get,
// Scan and Commit fail with ErrInvalid, and the other calls do nothing. Values
// returned by reads and passed to Put must not be changed afterwards.
type Txn interface {
	// StartTS is the snapshot's timestamp, ordered with every commit's.
	StartTS() uint64
	// Get returns the value of key. A second Get of a key may be answered from
	// memory. Errors: ErrNotFound, ErrUnavailable, ErrInvalid (spent), the
	// context's.
	Get(ctx context.Context, key string) ([]byte, error)
	// Scan returns up to limit pairs with from <= key < to, in key order: one
	// page. limit is at least 1, else ErrInvalid; to == "" means no upper
	// bound. A page shorter than limit is the last. Errors: ErrUnavailable,
	// ErrInvalid, the context's.
	Scan(ctx context.Context, from, to string, limit int) ([]Pair, error)
	// Put buffers a write. value must hold at least one byte, and key and value
	// keep within the store's limits; else Commit fails with ErrInvalid, even if
	// a later Put of the key is in order.
	Put(key string, value []byte)
	// Delete buffers a deletion.
	Delete(key string)
	// Lock makes Commit conflict with every writer of these keys since the
	// snapshot, without changing them. A key also written needs no lock.
	Lock(keys ...string)
	// Commit applies all writes at once. Errors: ErrConflict (not applied:
	// another transaction won, or rolled this one back), ErrUnavailable (not
	// applied), ErrUndetermined (may have been applied, may still be),
	// ErrInvalid (not applied), or the context's (ended before the commit
	// point was attempted: not applied). A transaction without writes and
	// locks commits without a call.
	Commit(ctx context.Context) error
	// Rollback drops the buffered writes. It is harmless after Commit.
	Rollback()
}
