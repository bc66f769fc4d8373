// Package tikv is an honest in-memory TiKV: an MVCC store with Percolator
// transactions at RPC granularity, and a thin blocking client over it. It has
// no clock, randomness, goroutines or faults of its own: the engine handles one
// request at a time, its only time is the oracle's, and whoever carries requests
// to it (a [Transport]) decides when, whether and how often they arrive.
//
// The engine knows optimistic and pessimistic transactions, two-phase, async and
// one-phase commit. The thin client's transactions are optimistic two-phase
// commits, and it shows its caller what the real client shows: the same errors,
// as late, and as much done behind the caller's back. Its time for judging locks
// may be up to two seconds old, so that an orphan lock stands for three to five.
package tikv

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Kind is the kind of an RPC.
type Kind uint8

const (
	KindTSO Kind = iota + 1 // to PD, as SafePoint; all others to the store
	KindGet
	KindScan
	KindPrewrite
	KindCommit
	KindRollback // BatchRollback
	KindCheckTxn // CheckTxnStatus
	KindResolve  // ResolveLock
	KindBatchGet
	KindScanLock
	KindTxnHeartBeat
	KindCheckSecondaryLocks
	KindPessimisticLock
	KindPessimisticRollback
	KindCleanup
	KindDeleteRange
	KindFlush          // a part of a transaction that is too large to be held by its client
	KindBufferBatchGet // reads what the transaction itself has flushed
	KindSafePoint      // the safe point of garbage collection, as PD keeps it
)

var kindNames = [...]string{
	"", "tso", "get", "scan", "prewrite", "commit", "rollback", "check_txn", "resolve",
	"batch_get", "scan_lock", "txn_heart_beat", "check_secondary_locks",
	"pessimistic_lock", "pessimistic_rollback", "cleanup", "delete_range", "flush", "buffer_batch_get", "safe_point",
}

// String returns the kind's name as traces print it.
func (k Kind) String() string { return kindNames[k] }

// Op is what a transaction does to one key.
type Op uint8

const (
	OpPut Op = iota + 1
	OpDelete
	OpLock            // conflicts like a write, changes nothing
	OpInsert          // Prewrite: a put that fails if the key has a value
	OpCheckNotExists  // Prewrite: fails if the key has a value, locks nothing
	OpPessimisticLock // the lock of a pessimistic transaction, before its prewrite
)

// Assertion is what a mutation says of its key's value before the transaction.
// A false one fails the request, see StatusAssertionFailed.
type Assertion uint8

const (
	AssertNone Assertion = iota
	AssertExist
	AssertNotExist
)

// AssertionLevel is how far assertions are checked.
type AssertionLevel uint8

const (
	AssertionOff    AssertionLevel = iota
	AssertionFast                  // where the newest version is read anyway
	AssertionStrict                // always
)

// PessimisticAction is what the prewrite of a pessimistic transaction expects of
// one key.
type PessimisticAction uint8

const (
	// SkipPessimisticCheck: the key was not locked before, and nothing of it is
	// checked but foreign locks.
	SkipPessimisticCheck PessimisticAction = iota
	// DoPessimisticCheck: the transaction holds the key's pessimistic lock.
	DoPessimisticCheck
	// DoConstraintCheck: the key was not locked before, and is checked as in an
	// optimistic transaction.
	DoConstraintCheck
)

// Mutation is one buffered write of a transaction, or one key to be locked.
type Mutation struct {
	Op        Op
	Assertion Assertion
	// Pessimistic counts in prewrites with a ForUpdateTS only.
	Pessimistic PessimisticAction
	Key         string
	Value       []byte
}

// Request is one RPC. Which fields count depends on Kind. The slices are owned
// by the request once it is sent and never change: it may be handled late.
type Request struct {
	Kind Kind
	// RollbackIfMissing: CheckTxn writes a rollback record for a transaction
	// that left no lock.
	RollbackIfMissing bool
	// ForceSyncCommit: CheckTxn treats the transaction as a two-phase commit,
	// since one of its locks is known to be.
	ForceSyncCommit bool
	// ResolvingPessimisticLock: CheckTxn is asked for a pessimistic lock, which
	// may be removed without deciding the transaction.
	ResolvingPessimisticLock bool
	// VerifyPrimary: CheckTxn refuses a key whose lock has another primary.
	VerifyPrimary bool
	// UseAsyncCommit: Prewrite. The locks decide the transaction by themselves.
	UseAsyncCommit bool
	// TryOnePC: Prewrite. The request holds all of the transaction: commit it at
	// once.
	TryOnePC bool
	// ReturnCommitTS: Get. The answer tells when the value was committed; locks are
	// not read through then, whatever Committed says.
	ReturnCommitTS bool
	// IsolationRC: Get, BatchGet, Scan. Read what is committed, past all locks.
	IsolationRC bool
	// KeyOnly, Reverse: Scan. A reverse scan goes from Key, exclusive, down to
	// EndKey, inclusive; "" is the end of all keys and their beginning.
	KeyOnly, Reverse bool
	// ReturnValues, CheckExistence, LockOnlyIfExists, AllowLockWithConflict:
	// PessimisticLock. LockOnlyIfExists demands ReturnValues.
	ReturnValues, CheckExistence, LockOnlyIfExists, AllowLockWithConflict bool
	AssertionLevel                                                        AssertionLevel // Prewrite
	// TxnSize: Prewrite. How many keys the transaction has, about; whoever
	// meets a lock learns it.
	TxnSize uint32
	// Generation: Flush. It replaces the transaction's locks of those before; from
	// 1 on.
	Generation uint64
	StartTS    uint64 // the transaction, or the snapshot for reads
	// CommitTS: Commit; Resolve (0 rolls back).
	CommitTS uint64
	// CurrentTS, CallerTS: CheckTxn's time and the reader it is asked for (0:
	// a writer, which pushes no minimum; math.MaxUint64: a reader of the newest
	// values, which need not push it). CurrentTS: Cleanup's time, 0 for one at
	// which every TTL is over.
	CurrentTS uint64
	CallerTS  uint64
	// PhysicalMS: TSO. The oracle's physical time in milliseconds, filled in by
	// the Transport when the request is handled.
	PhysicalMS int64
	// MinCommitTS: Prewrite, PessimisticLock, Flush; TxnHeartBeat of a transaction
	// that flushes. The least commit timestamp. Readers push it, but not from 0.
	MinCommitTS uint64
	// MaxCommitTS: Prewrite with UseAsyncCommit or TryOnePC. If the commit
	// timestamp would exceed it, the locks are those of a two-phase commit. 0
	// means no bound.
	MaxCommitTS uint64
	// ForUpdateTS: PessimisticLock: the snapshot of the statement that locks;
	// PessimisticRollback: the newest lock to be removed; Prewrite: not 0 in a
	// pessimistic transaction.
	ForUpdateTS uint64
	Primary     string // Prewrite, PessimisticLock, Flush, CheckTxn, TxnHeartBeat
	// Key: Get, Cleanup; Scan, ScanLock, DeleteRange, Resolve, PessimisticRollback:
	// inclusive lower bound. EndKey: their exclusive upper bound, "" for none.
	Key, EndKey string
	Limit       int    // Scan; ScanLock (0: no limit)
	TTLMS       uint64 // Prewrite, PessimisticLock, Flush; TxnHeartBeat: what it shall be at least
	// Mutations: Prewrite, Flush; PessimisticLock (Op is OpPessimisticLock, and
	// AssertNotExist fails on a key that has a value).
	Mutations []Mutation
	// ExpectedForUpdateTS: Prewrite. For each mutation, in their order, how new
	// its pessimistic lock may be; 0 for any. Nil means no such check.
	ExpectedForUpdateTS []uint64
	// Secondaries: Prewrite of the primary with UseAsyncCommit: all of the
	// transaction's other keys that are locked.
	Secondaries []string
	// Keys: BatchGet, BufferBatchGet, Commit, Rollback, CheckSecondaryLocks; Resolve
	// and PessimisticRollback (none: all keys of StartTS, within Key and EndKey).
	Keys []string
	// Resolved and Committed: Get, BatchGet and Scan. Transactions whose locks
	// don't concern this snapshot: rolled back, or bound to commit after it; and
	// those that are committed at or before it, so that the locks' values count.
	Resolved, Committed []uint64
	// Region is where the client takes the keys to be. Nil is checked by nobody.
	Region *RegionContext
}

// Status is the store's answer to a request that it handled.
type Status uint8

const (
	// StatusOK: done, or already done by an earlier arrival of this request.
	StatusOK Status = iota
	// StatusLocked (Get, BatchGet, Scan, Prewrite, PessimisticLock, Cleanup):
	// locks are in the way; see Response.Locks. A Scan's Pairs end before the
	// lock; a BatchGet's leave the locked keys out.
	StatusLocked
	// StatusWriteConflict (Prewrite, PessimisticLock): Key has a record newer
	// than the snapshot, of ConflictStartTS, at CommitTS.
	StatusWriteConflict
	// StatusRolledBack (Prewrite, PessimisticLock): this transaction was rolled
	// back on Key.
	StatusRolledBack
	// StatusLockNotFound (Commit, Resolve): Key holds neither the
	// transaction's lock nor its commit: it was rolled back or never there.
	StatusLockNotFound
	// StatusCommitTSExpired (Commit): CommitTS is below MinCommitTS, which a
	// reader has pushed. Try again with a newer timestamp.
	StatusCommitTSExpired
	// StatusCommitted (Rollback, Cleanup): the transaction is committed, at
	// CommitTS.
	StatusCommitted
	// StatusTxnNotFound (CheckTxn, TxnHeartBeat): the primary knows nothing of it.
	StatusTxnNotFound
	// StatusTooOld (Get, BatchGet, Scan): the snapshot is older than the safe
	// point; with Options.CheckSafePoint only.
	StatusTooOld
	// StatusInvalid: an empty value, or a request that makes no sense.
	StatusInvalid
	// StatusAlreadyExist (Prewrite, PessimisticLock): Key has a value, of
	// ConflictStartTS at CommitTS.
	StatusAlreadyExist
	// StatusAssertionFailed (Prewrite): Key's newest version, of ConflictStartTS
	// at CommitTS (0: none), is not as asserted.
	StatusAssertionFailed
	// StatusPessimisticLockNotFound (Prewrite): the transaction has lost its lock
	// on Key.
	StatusPessimisticLockNotFound
	// StatusLockTypeNotMatch (Prewrite, PessimisticLock): the transaction's lock
	// on Key is of the other kind.
	StatusLockTypeNotMatch
	// StatusPrimaryMismatch (CheckTxn, TxnHeartBeat): the lock on Key has another
	// primary; see Response.Locks.
	StatusPrimaryMismatch
	// StatusKeyTooLarge: Key is longer than Options.MaxKeySize.
	StatusKeyTooLarge
)

var statusNames = [...]string{
	"ok", "locked", "write conflict", "rolled back", "lock not found",
	"commit ts expired", "committed", "txn not found", "too old", "invalid",
	"already exist", "assertion failed", "pessimistic lock not found", "lock type not match",
	"primary mismatch", "key too large",
}

// String returns the status's name as traces print it.
func (s Status) String() string { return statusNames[s] }

// Action is what CheckTxn did.
type Action uint8

const (
	ActionNone            Action = iota
	ActionMinCommitTSPush        // alive, and will commit after CallerTS
	ActionExpiredRollback        // its TTL was over: rolled back now
	ActionMissingRollback        // it was not there: a rollback record keeps it out
	// ActionExpiredPessimisticRollback: the pessimistic primary's TTL was over.
	// It is unlocked, and the transaction undecided.
	ActionExpiredPessimisticRollback
	// ActionMissingDoNothing: the primary is not there, which says nothing of a
	// transaction that is still locking.
	ActionMissingDoNothing
)

// Lock describes a lock that stands on a key.
type Lock struct {
	Key            string
	Primary        string
	StartTS        uint64
	TTLMS          uint64 // from StartTS's physical time on
	MinCommitTS    uint64
	ForUpdateTS    uint64 // of a pessimistic transaction
	TxnSize        uint32
	Op             Op
	UseAsyncCommit bool
	Secondaries    []string // on the primary, with UseAsyncCommit
}

// LockedKey is what PessimisticLock tells of a key that it locked.
type LockedKey struct {
	Value    []byte // with ReturnValues
	NotFound bool   // with ReturnValues or CheckExistence
	// ConflictTS: with AllowLockWithConflict: the newer commit in spite of which
	// the key was locked, and whose value this is; 0 if there was none.
	ConflictTS uint64
}

// Response is the answer to one Request. Which fields count depends on Kind
// and Status. Values and slices belong to the receiver, except that the bytes
// of values are shared with the store and must not be changed.
type Response struct {
	Region RegionError
	Status Status
	// Action, LockTTLMS: CheckTxn. LockTTLMS > 0 or Locks: undecided, the
	// primary's lock stands; else CommitTS > 0: committed; else rolled back, or
	// undecided (see Action). LockTTLMS: TxnHeartBeat.
	Action    Action
	NotFound  bool   // Get
	TS        uint64 // TSO, SafePoint
	LockTTLMS uint64
	// CommitTS: Get with ReturnCommitTS; CheckTxn, CheckSecondaryLocks (0 without
	// Locks: rolled back);
	// Prewrite: of a transaction that is committed in one phase;
	// StatusWriteConflict, StatusCommitted and others.
	CommitTS uint64
	// MinCommitTS: Prewrite with UseAsyncCommit: at which these keys allow the
	// commit, 0 if it has become a two-phase commit; StatusCommitTSExpired.
	MinCommitTS     uint64
	ConflictStartTS uint64
	Key             string     // the key that a failure is about
	Value           []byte     // Get
	Pairs           []env.Pair // Scan, BatchGet, BufferBatchGet (a nil value: deleted)
	// Locks: StatusLocked: at least one; ScanLock; CheckSecondaryLocks: all, if
	// no key is without one; CheckTxn: the primary's, if it stands.
	Locks      []Lock
	LockedKeys []LockedKey // PessimisticLock, in the order of the mutations
	// Regions: RegionEpochNotMatch: those that are there now; RegionNotLeader:
	// the region with its leader, if it has one.
	Regions []Region
}

// Transport carries one request to the engine and its response back. On a nil
// error *resp is the engine's response. A non-nil error means that no response
// came: the request may not have been handled, may have been, and may still be
// (lost, timed out after timeout, the context ended: then the error satisfies
// errors.Is for context.Cause(ctx)); an error of class env.ErrUnavailable means
// that it was refused and will never be handled. req is not retained by the
// caller's reuse: a Transport copies the struct (not the slices).
type Transport interface {
	Send(ctx context.Context, req *Request, resp *Response, timeout time.Duration) error
}
