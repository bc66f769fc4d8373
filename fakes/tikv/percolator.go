package tikv

import (
	"math"
	"slices"
)

// txnState follows one transaction from its first lock to the removal of its
// last. It is bookkeeping for the ledger and for inspection: no answer to a
// request depends on it, except which keys "all keys of a transaction" are, and
// the other keys that the primary's lock names.
type txnState struct {
	startTS    uint64
	commitTS   uint64 // once it is committed
	primary    string
	primaryRow *row // while the primary's lock stands and decides
	// bound is the newest timestamp handed out when the primary was locked: the
	// commit timestamp of a two-phase commit, which is fetched later, is greater.
	bound     uint64
	mutations []Mutation  // what it locked, in that order
	shared    bool        // mutations is a request's memory
	rows      []*row      // of the first mutations, or none: where their locks were
	locks     int         // locks still standing
	async     *asyncState // once a lock of an async commit stood
}

// transaction returns the request's transaction, which is about to get locks.
func (e *Engine) transaction(req *Request) *txnState {
	t := e.txns[req.StartTS]
	if t == nil {
		t = e.newTxn(req)
	}
	return t
}

func (e *Engine) newTxn(req *Request) *txnState {
	var t *txnState
	if n := len(e.free); n > 0 {
		t, e.free = e.free[n-1], e.free[:n-1]
	} else {
		t = new(txnState)
	}
	*t = txnState{startTS: req.StartTS, primary: req.Primary, rows: t.rows}
	e.txns[req.StartTS] = t
	return t
}

// standPrimary notes that the primary's lock has been written to r.
func (e *Engine) standPrimary(t *txnState, r *row) {
	if t.commitTS != 0 {
		return
	}
	if t.primaryRow == nil {
		e.undecided = append(e.undecided, t)
	}
	t.primary, t.primaryRow, t.bound = r.lock.primary, r, e.oracle.last
}

// keep adds a mutation to what the transaction locked, or puts it in the place of
// what it held the key with.
func (t *txnState) keep(m *Mutation, held bool) {
	kept := Mutation{Op: m.stored(), Key: m.Key, Value: m.Value}
	if !held {
		t.mutations, t.shared = append(t.mutations, kept), false
		return
	}
	if t.shared {
		t.mutations, t.shared = slices.Clone(t.mutations), false
	}
	i := slices.IndexFunc(t.mutations, func(other Mutation) bool { return other.Key == m.Key })
	t.mutations[i] = kept
}

// commit turns all of the request's locks into records or, on any failure,
// none.
func (e *Engine) commit(req *Request, resp *Response) {
	t := e.txns[req.StartTS]
	if e.checkCommit(req, resp, t) && t != nil { // else no lock of it stands: everything was committed before
		e.commitRows(req, t)
	}
}

// rowOf returns the row of t's i-th mutation, if that is key's and holds t's lock:
// clients commit their keys in the order in which they have locked them. Else it
// returns nil, and the key is to be looked for.
func (t *txnState) rowOf(i int, key string) *row {
	if t == nil || i >= len(t.rows) || t.mutations[i].Key != key || t.rows[i].lock.startTS != t.startTS {
		return nil
	}
	return t.rows[i]
}

// checkCommit finds the request's rows and reports whether all of them hold
// the lock of its transaction t, or its commit.
func (e *Engine) checkCommit(req *Request, resp *Response, t *txnState) bool {
	e.found = e.found[:0]
	for i, key := range req.Keys {
		r := t.rowOf(i, key)
		if r == nil {
			r = e.rows.get(key)
		}
		e.found = append(e.found, r)
		if r != nil && r.lock.startTS == req.StartTS {
			if req.CommitTS < r.lock.minCommitTS {
				fail(resp, StatusCommitTSExpired, key)
				resp.MinCommitTS = r.lock.minCommitTS
				return false
			}
			continue
		}
		if r != nil {
			if w := r.record(req.StartTS); w != nil && w.op != rollbackOp {
				continue // an earlier arrival of this request
			}
		}
		fail(resp, StatusLockNotFound, key)
		return false
	}
	return true
}

func (e *Engine) commitRows(req *Request, t *txnState) {
	for i, r := range e.found {
		if r.lock.startTS != req.StartTS {
			continue
		}
		if r.lock.op == OpPessimisticLock { // left behind: it was never prewritten
			r.lock.op = OpLock
			t.keep(&Mutation{Op: OpLock, Key: req.Keys[i]}, true)
		}
		if r == t.primaryRow {
			e.recordCommit(t, req.CommitTS, false)
		}
		r.add(write{commitTS: req.CommitTS, startTS: req.StartTS, value: r.lock.value, op: r.lock.op})
		e.unlock(t, r)
	}
}

// recordCommit decides t: it is committed.
func (e *Engine) recordCommit(t *txnState, commitTS uint64, computed bool) {
	e.decide(t)
	t.commitTS = commitTS
	writes := slices.Clip(t.mutations)
	for i := range writes {
		if writes[i].Op == OpPessimisticLock { // never prewritten, so not its business
			writes = slices.DeleteFunc(slices.Clone(writes), func(m Mutation) bool { return m.Op == OpPessimisticLock })
			break
		}
	}
	e.ledger.Commits = append(e.ledger.Commits, Commit{
		StartTS: t.startTS, CommitTS: commitTS, Primary: t.primary, Computed: computed, Writes: writes,
	})
}

// decide takes t out of the undecided.
func (e *Engine) decide(t *txnState) {
	i := slices.Index(e.undecided, t)
	last := len(e.undecided) - 1
	e.undecided[i] = e.undecided[last]
	e.undecided[last] = nil
	e.undecided = e.undecided[:last]
	t.primaryRow = nil
}

// unlock removes t's lock from r, and forgets t with its last lock.
func (e *Engine) unlock(t *txnState, r *row) {
	r.lock = lockState{}
	t.locks--
	if t.locks == 0 {
		e.forget(t)
	}
}

func (e *Engine) forget(t *txnState) {
	delete(e.txns, t.startTS)
	clear(t.rows)
	*t = txnState{rows: t.rows[:0]}
	e.free = append(e.free, t)
}

// rollback removes the transaction's locks and leaves records that keep it
// out. It refuses as a whole if one of the keys is committed.
func (e *Engine) rollback(req *Request, resp *Response) {
	e.found = e.found[:0]
	for _, key := range req.Keys {
		r := e.rows.get(key)
		e.found = append(e.found, r)
		if r == nil || r.lock.startTS == req.StartTS {
			continue
		}
		if w := r.record(req.StartTS); w != nil && w.op != rollbackOp {
			fail(resp, StatusCommitted, key)
			resp.CommitTS = w.commitTS
			return
		}
	}
	for i, key := range req.Keys {
		r := e.found[i]
		if r == nil {
			r = e.rows.ensure(key)
		}
		e.rollbackRow(r, key, req.StartTS)
	}
}

// rollbackRow rolls the transaction back on one key on which it is not
// committed.
func (e *Engine) rollbackRow(r *row, key string, startTS uint64) {
	if r.lock.startTS == startTS {
		t := e.txns[startTS]
		if r == t.primaryRow || t.commitTS != 0 && key == t.primary {
			e.ledger.Rollbacks = append(e.ledger.Rollbacks, startTS)
		}
		e.release(t, r, key)
	}
	if !r.rolledBack(startTS) {
		r.add(write{commitTS: startTS, startTS: startTS, op: rollbackOp})
	}
}

// release removes t's lock from r without committing it there.
func (e *Engine) release(t *txnState, r *row, key string) {
	primary := r == t.primaryRow
	if primary {
		e.decide(t)
	}
	if t.commitTS == 0 && (!primary || r.lock.op == OpPessimisticLock) {
		t.drop(key)
	}
	if r.lock.async {
		t.async.locks--
	}
	e.unlock(t, r)
}

// drop takes one key out of the write set of an undecided transaction.
func (t *txnState) drop(key string) {
	kept := make([]Mutation, 0, len(t.mutations))
	for _, m := range t.mutations {
		if m.Key != key {
			kept = append(kept, m)
		}
	}
	t.mutations, t.rows = kept, t.rows[:0]
}

// checkTxn tells the fate of a transaction from its primary, and decides it if
// its time is over.
func (e *Engine) checkTxn(req *Request, resp *Response) {
	e.raiseMaxTS(req.StartTS)
	e.raiseMaxTS(req.CurrentTS)
	e.raiseMaxTS(req.CallerTS)
	r := e.rows.get(req.Primary)
	if r == nil || r.lock.startTS != req.StartTS {
		e.checkUnlocked(req, resp, r)
		return
	}
	l := &r.lock
	switch {
	case req.VerifyPrimary && l.primary != req.Primary:
		if l.op == OpPessimisticLock && !req.ResolvingPessimisticLock {
			e.checkStray(req, resp, r)
			return
		}
		fail(resp, StatusPrimaryMismatch, req.Primary)
	case l.inSpite && l.op == OpPessimisticLock && r.record(req.StartTS) != nil: // a late request locked it again
		e.checkStray(req, resp, r)
		return
	case l.async && !req.ForceSyncCommit: // only all of its locks together tell
	case l.expired(req.CurrentTS):
		if req.ResolvingPessimisticLock && l.op == OpPessimisticLock {
			e.release(e.txns[req.StartTS], r, req.Primary)
			resp.Action = ActionExpiredPessimisticRollback
			return
		}
		e.rollbackRow(r, req.Primary, req.StartTS)
		resp.Action = ActionExpiredRollback
		return
	default:
		l.push(req)
		if req.CallerTS != 0 && l.minCommitTS > req.CallerTS || req.CallerTS == math.MaxUint64 {
			resp.Action = ActionMinCommitTSPush
		}
	}
	resp.Locks = []Lock{e.describe(req.Primary, r)}
	if resp.Status == StatusOK {
		resp.LockTTLMS = l.ttlMS
		resp.MinCommitTS = l.minCommitTS
	}
}

// checkStray is checkTxn for a primary with a pessimistic lock that tells nothing
// of the transaction. The lock is removed once something else does.
func (e *Engine) checkStray(req *Request, resp *Response, r *row) {
	if req.RollbackIfMissing || r.record(req.StartTS) != nil {
		e.release(e.txns[req.StartTS], r, req.Primary)
	}
	e.checkUnlocked(req, resp, r)
}

// expired reports whether the lock's time to live is over.
func (l *lockState) expired(now uint64) bool {
	return uint64(PhysicalMS(l.startTS))+l.ttlMS < uint64(PhysicalMS(now))
}

// push makes the transaction commit after the caller's snapshot, if it has one
// and the transaction takes part in that. A reader of the newest values needs no
// push: the transaction is not committed yet.
func (l *lockState) push(req *Request) {
	if l.minCommitTS != 0 && req.CallerTS >= l.minCommitTS && req.CallerTS != math.MaxUint64 {
		l.minCommitTS = max(req.CallerTS+1, req.CurrentTS)
	}
}

// checkUnlocked is checkTxn for a primary without the transaction's lock. r
// may be nil.
func (e *Engine) checkUnlocked(req *Request, resp *Response, r *row) {
	if r != nil {
		if w := r.record(req.StartTS); w != nil {
			if w.op != rollbackOp {
				resp.CommitTS = w.commitTS
			}
			return
		}
	}
	if !req.RollbackIfMissing {
		fail(resp, StatusTxnNotFound, req.Primary)
		return
	}
	if req.ResolvingPessimisticLock {
		resp.Action = ActionMissingDoNothing
		return
	}
	e.rollbackRow(e.rows.ensure(req.Primary), req.Primary, req.StartTS)
	e.ledger.Rollbacks = append(e.ledger.Rollbacks, req.StartTS)
	resp.Action = ActionMissingRollback
}

// txnHeartBeat makes the primary's lock live at least as long as asked.
func (e *Engine) txnHeartBeat(req *Request, resp *Response) {
	r := e.rows.get(req.Primary)
	if r == nil || r.lock.startTS != req.StartTS {
		fail(resp, StatusTxnNotFound, req.Primary)
		return
	}
	if r.lock.primary != req.Primary {
		fail(resp, StatusPrimaryMismatch, req.Primary)
		resp.Locks = []Lock{e.describe(req.Primary, r)}
		return
	}
	r.lock.ttlMS = max(r.lock.ttlMS, req.TTLMS)
	if r.lock.generation != 0 {
		r.lock.minCommitTS = max(r.lock.minCommitTS, req.MinCommitTS)
	}
	resp.LockTTLMS = r.lock.ttlMS
}

// cleanup rolls the transaction back on one key if its time is over.
func (e *Engine) cleanup(req *Request, resp *Response) {
	r := e.rows.get(req.Key)
	if r != nil && r.lock.startTS == req.StartTS && req.CurrentTS != 0 && !r.lock.expired(req.CurrentTS) {
		fail(resp, StatusLocked, req.Key)
		resp.Locks = []Lock{e.describe(req.Key, r)}
		return
	}
	work := *req
	work.Keys = []string{req.Key}
	e.rollback(&work, resp)
}

// resolve finishes a decided transaction's locks: the listed keys', or all.
func (e *Engine) resolve(req *Request, resp *Response) {
	work := *req
	work.Keys = e.keysOf(req)
	if work.CommitTS == 0 {
		e.rollback(&work, resp)
		return
	}
	e.commit(&work, resp)
}

// keysOf returns the request's keys; if it lists none, those on which the
// transaction's locks stand, within the request's bounds.
func (e *Engine) keysOf(req *Request) []string {
	if len(req.Keys) > 0 {
		return req.Keys
	}
	keys := e.lockedKeys(req.StartTS)
	if req.Key != "" || req.EndKey != "" { // the bounds of a region
		keys = slices.DeleteFunc(keys, func(key string) bool {
			return key < req.Key || req.EndKey != "" && key >= req.EndKey
		})
	}
	return keys
}

// lockedKeys returns the keys on which the transaction's locks stand.
func (e *Engine) lockedKeys(startTS uint64) []string {
	t := e.txns[startTS]
	if t == nil {
		return nil
	}
	keys := make([]string, 0, t.locks)
	for _, m := range t.mutations {
		if r := e.rows.get(m.Key); r != nil && r.lock.startTS == startTS {
			keys = append(keys, m.Key)
		}
	}
	return keys
}
