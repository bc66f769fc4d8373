package tikv

import (
	"math"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Options configure an Engine. The zero value is ready for use.
type Options struct {
	// RecordReads makes the ledger keep every read that snapshot isolation says
	// something of: none at math.MaxUint64, and none with IsolationRC.
	RecordReads bool
	// AsyncCommit tells that transactions may commit in other ways than with two
	// phases: LowWater never exceeds MaxTS then. The first request for such a
	// commit sets it as well, which is too late for who asked before.
	AsyncCommit bool
	// CheckSafePoint makes reads below the safe point fail with StatusTooOld. TiKV
	// leaves the check to its client, which asks PD for the safe point (SafePoint)
	// every 10 s: a read that slips through finds what is left.
	CheckSafePoint bool
	// MaxKeySize bounds a key that is prewritten or locked, in bytes. 0 means no
	// limit; TiKV's storage.max-key-size is 8192.
	MaxKeySize int
	// RaftEntryMaxSize bounds the keys and values of one prewrite together, in
	// bytes. 0 means no limit; TiKV's raft-entry-max-size is 8 MiB.
	RaftEntryMaxSize int
}

// Engine is the store and the timestamp oracle. It handles one request at a
// time and must not be used by two goroutines at once.
type Engine struct {
	opts      Options
	rows      table
	oracle    Oracle
	regions   *Regions // nil until somebody asks for them
	safePoint uint64
	maxTS     uint64 // the newest snapshot that anything was read at
	ledger    Ledger

	txns      map[uint64]*txnState // transactions with locks, by start_ts
	undecided []*txnState          // those whose primary lock stands
	free      []*txnState

	pairs   []env.Pair // of the latest pages, which share their memory
	seen    []Read     // of the last pages, with RecordReads
	found   []*row     // scratch of the write commands
	minimum []uint64   // scratch of prewriteAsync
	refuted *Mutation  // of a prewrite: the first whose assertion is false
	through write      // scratch of lookPast
}

// New returns an empty store.
func New(opts Options) *Engine {
	return &Engine{opts: opts, txns: map[uint64]*txnState{}}
}

// Handle executes one request and overwrites *resp with the answer.
func (e *Engine) Handle(req *Request, resp *Response) {
	*resp = Response{}
	if req.Region != nil {
		e.handleInRegion(req, resp)
		return
	}
	switch req.Kind {
	case KindTSO:
		resp.TS = e.oracle.timestamp(req.PhysicalMS)
	case KindGet:
		e.get(req, resp)
	case KindBatchGet:
		e.batchGet(req, resp)
	case KindScan:
		e.scan(req, resp)
	case KindScanLock:
		e.scanLock(req, resp)
	case KindBufferBatchGet:
		e.bufferBatchGet(req, resp)
	case KindPrewrite, KindFlush:
		e.prewrite(req, resp)
	case KindCommit:
		e.commit(req, resp)
	case KindRollback:
		e.rollback(req, resp)
	case KindCheckTxn:
		e.checkTxn(req, resp)
	case KindResolve:
		e.resolve(req, resp)
	case KindTxnHeartBeat:
		e.txnHeartBeat(req, resp)
	case KindCheckSecondaryLocks:
		e.checkSecondaryLocks(req, resp)
	case KindPessimisticLock:
		e.pessimisticLock(req, resp)
	case KindPessimisticRollback:
		e.pessimisticRollback(req)
	case KindCleanup:
		e.cleanup(req, resp)
	case KindDeleteRange:
		e.deleteRange(req)
	case KindSafePoint:
		resp.TS = e.safePoint
	default:
		resp.Status = StatusInvalid
	}
}

// Ledger returns the engine's ledger. It stays the same object.
func (e *Engine) Ledger() *Ledger { return &e.ledger }

// Oracle returns the engine's timestamp oracle. It stays the same object.
func (e *Engine) Oracle() *Oracle { return &e.oracle }

// MaxTS returns the newest timestamp at which the store was read. A transaction
// that commits without asking the oracle commits later.
func (e *Engine) MaxTS() uint64 { return e.maxTS }

// SyncMaxTS makes MaxTS the newest timestamp that was handed out, as the store
// does for itself every 20 s (resolved-ts.advance-ts-interval) and after a
// region has got a new leader.
func (e *Engine) SyncMaxTS() {
	e.raiseMaxTS(e.oracle.last)
	if e.regions != nil {
		e.regions.synced()
	}
}

func (e *Engine) raiseMaxTS(ts uint64) {
	if ts > e.maxTS && ts != math.MaxUint64 {
		e.maxTS = ts
	}
}
