// Package tikv is an honest in-memory TiKV: an MVCC store with Percolator
// transactions at RPC granularity, and a thin blocking client over it. It has
// no clock, randomness, goroutines or faults of its own: the engine handles one
// request at a time, its only time is the TSO's, and whoever carries requests
// to it (a [Transport]) decides when, whether and how often they arrive.
//
// Transactions are optimistic two-phase commits. The client's lock resolution
// asks the oracle for the current time where the real client uses a timestamp
// that may be up to two seconds old: an orphan lock is removed as soon as its
// TTL is over, not up to two seconds later.
package tikv

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Kind is the kind of an RPC.
type Kind uint8

const (
	KindTSO Kind = iota + 1 // to PD, all others to the store
	KindGet
	KindScan
	KindPrewrite
	KindCommit
	KindRollback
	KindCheckTxn
	KindResolve
)

var kindNames = [...]string{"", "tso", "get", "scan", "prewrite", "commit", "rollback", "check_txn", "resolve"}

// String returns the kind's name as traces print it.
func (k Kind) String() string { return kindNames[k] }

// Op is what a transaction does to one key.
type Op uint8

const (
	OpPut Op = iota + 1
	OpDelete
	OpLock // conflicts like a write, changes nothing
)

// Mutation is one buffered write of a transaction.
type Mutation struct {
	Op    Op
	Key   string
	Value []byte
}

// Request is one RPC. Which fields count depends on Kind. The slices are owned
// by the request once it is sent and never change: it may be handled late.
type Request struct {
	Kind    Kind
	StartTS uint64 // the transaction, or the snapshot for reads
	// CommitTS: Commit; Resolve (0 rolls back).
	CommitTS uint64
	// CurrentTS, CallerTS: CheckTxn's time and the reader it is asked for (0:
	// a writer, which pushes no minimum).
	CurrentTS uint64
	CallerTS  uint64
	// PhysicalMS: TSO. The oracle's physical time in milliseconds, filled in by
	// the Transport when the request is handled.
	PhysicalMS int64
	Primary    string // Prewrite, CheckTxn
	Key        string // Get; Scan: inclusive lower bound
	EndKey     string // Scan: exclusive upper bound, "" for none
	Limit      int    // Scan
	TTLMS      uint64 // Prewrite
	Mutations  []Mutation
	Keys       []string // Commit, Rollback, Resolve (none: all keys of StartTS)
	// Resolved: Get and Scan. Transactions whose locks don't concern this
	// snapshot: rolled back, or bound to commit after it.
	Resolved []uint64
	// RollbackIfMissing: CheckTxn writes a rollback record for a transaction
	// that left no lock.
	RollbackIfMissing bool
}

// Status is the store's answer to a request that it handled.
type Status uint8

const (
	// StatusOK: done, or already done by an earlier arrival of this request.
	StatusOK Status = iota
	// StatusLocked (Get, Scan, Prewrite): another transaction's locks are in
	// the way; see Response.Locks. A Scan's Pairs end before the lock.
	StatusLocked
	// StatusWriteConflict (Prewrite): Key has a record newer than the snapshot,
	// at CommitTS.
	StatusWriteConflict
	// StatusRolledBack (Prewrite): this transaction was rolled back on Key.
	StatusRolledBack
	// StatusLockNotFound (Commit, Resolve): Key holds neither the
	// transaction's lock nor its commit: it was rolled back or never there.
	StatusLockNotFound
	// StatusCommitTSExpired (Commit): CommitTS is below MinCommitTS, which a
	// reader has pushed. Try again with a newer timestamp.
	StatusCommitTSExpired
	// StatusCommitted (Rollback): the transaction is committed, at CommitTS.
	StatusCommitted
	// StatusTxnNotFound (CheckTxn): the primary knows nothing of it.
	StatusTxnNotFound
	// StatusTooOld (Get, Scan): the snapshot is older than the safe point.
	StatusTooOld
	// StatusInvalid: an empty value, or a request that makes no sense.
	StatusInvalid
)

var statusNames = [...]string{
	"ok", "locked", "write conflict", "rolled back", "lock not found",
	"commit ts expired", "committed", "txn not found", "too old", "invalid",
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
)

// RegionError tells that the store did not handle a request because of the
// state of the key's region. The engine never returns one: a Transport may put
// one into a response instead of handling the request.
type RegionError uint8

const (
	RegionOK RegionError = iota
	RegionNotLeader
	RegionEpochNotMatch
	RegionNotFound
	RegionStaleCommand
	RegionServerIsBusy
	RegionDiskFull
	RegionMaxTSNotSynced
	// RegionUndetermined: the store cannot tell whether the request took
	// effect.
	RegionUndetermined
)

// Lock describes a lock that stands on a key.
type Lock struct {
	Key         string
	Primary     string
	StartTS     uint64
	TTLMS       uint64 // from StartTS's physical time on
	MinCommitTS uint64
	Op          Op
}

// Response is the answer to one Request. Which fields count depends on Kind
// and Status. Values and slices belong to the receiver, except that the bytes
// of values are shared with the store and must not be changed.
type Response struct {
	Region RegionError
	Status Status
	// Action, LockTTLMS: CheckTxn. LockTTLMS > 0: undecided, the primary's lock
	// stands; else CommitTS > 0: committed; else rolled back.
	Action    Action
	NotFound  bool   // Get
	TS        uint64 // TSO
	LockTTLMS uint64
	// CommitTS: CheckTxn; StatusWriteConflict, StatusCommitted.
	CommitTS    uint64
	MinCommitTS uint64     // StatusCommitTSExpired
	Key         string     // the key that a failure is about
	Value       []byte     // Get
	Pairs       []env.Pair // Scan
	Locks       []Lock     // StatusLocked: at least one
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
