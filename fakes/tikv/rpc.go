// Package tikv is an honest in-memory TiKV: an MVCC store with Percolator
// transactions at RPC granularity, and a thin blocking client over it. It has
// no clock, randomness, goroutines or faults of its own: the engine handles one
// request at a time, its only time is the TSO's, and whoever carries requests
// to it (a [Transport]) decides when, whether and how often they arrive.
package tikv

import (
	"context"
	"time"
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
	Keys       []string // Commit, Rollback, Resolve
	// RollbackIfMissing: CheckTxn writes a rollback record for a transaction
	// that left no lock.
	RollbackIfMissing bool
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
