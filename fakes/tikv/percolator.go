package tikv

import "slices"

// txnState follows one transaction from its first lock to the removal of its
// last. It is bookkeeping for the ledger and for inspection: no answer to a
// request depends on it, except which keys "all keys of a transaction" are.
type txnState struct {
	startTS    uint64
	commitTS   uint64 // once its primary is committed
	primary    string
	primaryRow *row // while the primary's lock stands
	// bound is the newest timestamp handed out when the primary was locked: the
	// commit timestamp, which is fetched later, is greater.
	bound     uint64
	mutations []Mutation // what it locked, in that order; may share a request's memory
	locks     int        // locks still standing
}

// prewrite locks all of the request's keys or, on any failure, none.
func (e *Engine) prewrite(req *Request, resp *Response) {
	e.found = e.found[:0]
	fresh := 0
	for i := range req.Mutations {
		m := &req.Mutations[i]
		if m.Op == OpPut && len(m.Value) == 0 || m.Op < OpPut || m.Op > OpLock {
			fail(resp, StatusInvalid, m.Key)
			return
		}
		r := e.rows.get(m.Key)
		e.found = append(e.found, r)
		if r == nil || r.lock.startTS != req.StartTS {
			fresh++
		}
		if r == nil || !e.checkPrewrite(req, resp, m.Key, r) {
			continue
		}
		return
	}
	if resp.Status != StatusOK || fresh == 0 {
		return
	}
	e.lockKeys(req, fresh)
}

// checkPrewrite looks for what forbids locking r. It collects foreign locks
// and reports whether it found something final.
func (e *Engine) checkPrewrite(req *Request, resp *Response, key string, r *row) (final bool) {
	switch r.lock.startTS {
	case req.StartTS: // an earlier arrival of this request
		return false
	case 0:
	default:
		if resp.Status == StatusOK {
			fail(resp, StatusLocked, key)
		}
		resp.Locks = append(resp.Locks, r.lock.describe(key))
		return false
	}
	w := r.newest()
	if w == nil || w.commitTS < req.StartTS {
		return false
	}
	if w.commitTS == req.StartTS && w.op == rollbackOp {
		fail(resp, StatusRolledBack, key)
		return true
	}
	fail(resp, StatusWriteConflict, key)
	resp.CommitTS = w.commitTS
	return true
}

// fail sets the answer. Locks that were collected before don't matter then.
func fail(resp *Response, status Status, key string) {
	resp.Status, resp.Key, resp.Locks = status, key, nil
}

// lockKeys applies a prewrite that nothing forbids. fresh is the number of
// keys that the transaction doesn't hold yet.
func (e *Engine) lockKeys(req *Request, fresh int) {
	t := e.txns[req.StartTS]
	if t == nil {
		t = e.newTxn(req)
	}
	whole := len(t.mutations) == 0 && fresh == len(req.Mutations)
	if whole {
		t.mutations = slices.Clip(req.Mutations)
	}
	for i := range req.Mutations {
		m := &req.Mutations[i]
		r := e.found[i]
		if r == nil {
			r = e.rows.ensure(m.Key)
		}
		if r.lock.startTS == req.StartTS {
			continue
		}
		r.lock = lockState{
			startTS: req.StartTS, ttlMS: req.TTLMS, minCommitTS: req.StartTS + 1,
			primary: req.Primary, value: m.Value, op: m.Op,
		}
		t.locks++
		if !whole {
			t.mutations = append(t.mutations, *m)
		}
		if m.Key == req.Primary {
			t.primaryRow, t.bound = r, e.lastTS
			e.undecided = append(e.undecided, t)
		}
	}
}

func (e *Engine) newTxn(req *Request) *txnState {
	var t *txnState
	if n := len(e.free); n > 0 {
		t, e.free = e.free[n-1], e.free[:n-1]
	} else {
		t = new(txnState)
	}
	*t = txnState{startTS: req.StartTS, primary: req.Primary}
	e.txns[req.StartTS] = t
	return t
}

// commit turns all of the request's locks into records or, on any failure,
// none.
func (e *Engine) commit(req *Request, resp *Response) {
	if e.checkCommit(req, resp) {
		e.commitRows(req)
	}
}

// checkCommit finds the request's rows and reports whether all of them hold
// the transaction's lock or its commit.
func (e *Engine) checkCommit(req *Request, resp *Response) bool {
	e.found = e.found[:0]
	for _, key := range req.Keys {
		r := e.rows.get(key)
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

func (e *Engine) commitRows(req *Request) {
	t := e.txns[req.StartTS]
	if t == nil {
		return // no lock of it stands: everything was committed before
	}
	for _, r := range e.found {
		if r.lock.startTS != req.StartTS {
			continue
		}
		if r == t.primaryRow {
			e.decide(t)
			t.commitTS = req.CommitTS
			e.ledger.Commits = append(e.ledger.Commits, Commit{
				StartTS: t.startTS, CommitTS: t.commitTS, Primary: t.primary, Writes: slices.Clip(t.mutations),
			})
		}
		r.add(write{commitTS: req.CommitTS, startTS: req.StartTS, value: r.lock.value, op: r.lock.op})
		e.unlock(t, r)
	}
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
		delete(e.txns, t.startTS)
		*t = txnState{}
		e.free = append(e.free, t)
	}
}

// rollback removes the transaction's locks and leaves records that keep it
// out. It refuses as a whole if one of the keys is committed.
func (e *Engine) rollback(req *Request, resp *Response) {
	for _, key := range req.Keys {
		r := e.rows.get(key)
		if r == nil || r.lock.startTS == req.StartTS {
			continue
		}
		if w := r.record(req.StartTS); w != nil && w.op != rollbackOp {
			fail(resp, StatusCommitted, key)
			resp.CommitTS = w.commitTS
			return
		}
	}
	for _, key := range req.Keys {
		e.rollbackRow(e.rows.ensure(key), key, req.StartTS)
	}
}

// rollbackRow rolls the transaction back on one key on which it is not
// committed.
func (e *Engine) rollbackRow(r *row, key string, startTS uint64) {
	if r.lock.startTS != startTS {
		if r.record(startTS) == nil {
			r.add(write{commitTS: startTS, startTS: startTS, op: rollbackOp})
		}
		return
	}
	t := e.txns[startTS]
	switch {
	case r == t.primaryRow:
		e.decide(t)
		e.ledger.Rollbacks = append(e.ledger.Rollbacks, startTS)
	case t.commitTS == 0:
		t.drop(key)
	}
	r.add(write{commitTS: startTS, startTS: startTS, op: rollbackOp})
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
	t.mutations = kept
}

// checkTxn tells the fate of a transaction from its primary, and decides it if
// its time is over.
func (e *Engine) checkTxn(req *Request, resp *Response) {
	r := e.rows.get(req.Primary)
	if r == nil || r.lock.startTS != req.StartTS {
		e.checkUnlocked(req, resp, r)
		return
	}
	l := &r.lock
	if uint64(PhysicalMS(l.startTS))+l.ttlMS < uint64(PhysicalMS(req.CurrentTS)) {
		e.rollbackRow(r, req.Primary, req.StartTS)
		resp.Action = ActionExpiredRollback
		return
	}
	if req.CallerTS >= l.minCommitTS {
		l.minCommitTS = max(req.CallerTS+1, req.CurrentTS)
	}
	if req.CallerTS != 0 {
		resp.Action = ActionMinCommitTSPush
	}
	resp.LockTTLMS = l.ttlMS
	resp.MinCommitTS = l.minCommitTS
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
	e.rollbackRow(e.rows.ensure(req.Primary), req.Primary, req.StartTS)
	e.ledger.Rollbacks = append(e.ledger.Rollbacks, req.StartTS)
	resp.Action = ActionMissingRollback
}

// resolve finishes a decided transaction's locks: the listed keys', or all.
func (e *Engine) resolve(req *Request, resp *Response) {
	work := *req
	if len(work.Keys) == 0 {
		work.Keys = e.lockedKeys(req.StartTS)
	}
	if work.CommitTS == 0 {
		e.rollback(&work, resp)
		return
	}
	e.commit(&work, resp)
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
