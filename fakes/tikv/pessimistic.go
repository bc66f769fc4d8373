package tikv

import "math"

// pessimisticLock locks all of the request's keys or, on any failure, none. It
// never waits: a lock in the way is the answer.
func (e *Engine) pessimisticLock(req *Request, resp *Response) {
	if e.tooLarge(req, resp) {
		return
	}
	if req.LockOnlyIfExists && !req.ReturnValues {
		fail(resp, StatusInvalid, req.Primary)
		return
	}
	e.found = e.found[:0]
	keys := make([]LockedKey, len(req.Mutations))
	for i := range req.Mutations {
		r := e.rows.ensure(req.Mutations[i].Key)
		e.found = append(e.found, r)
		if !e.checkPessimisticLock(req, resp, &req.Mutations[i], r, &keys[i]) {
			return
		}
	}
	resp.LockedKeys = keys
	for i := range req.Mutations {
		m, r, k := &req.Mutations[i], e.found[i], &keys[i]
		_, exists := newestValue(r, math.MaxUint64)
		if r.lock.startTS == 0 && req.LockOnlyIfExists && !exists {
			continue
		}
		if forUpdateTS := max(req.ForUpdateTS, k.ConflictTS); r.lock.startTS == 0 || forUpdateTS > r.lock.forUpdateTS {
			e.lockPessimistically(req, m.Key, r, forUpdateTS, k.ConflictTS != 0)
		}
	}
}

// checkPessimisticLock looks for what forbids locking r, and fills in what the
// answer tells of the key.
func (e *Engine) checkPessimisticLock(req *Request, resp *Response, m *Mutation, r *row, k *LockedKey) bool {
	reads := req.ReturnValues || req.CheckExistence
	if reads || m.Assertion == AssertNotExist {
		e.raiseMaxTS(req.ForUpdateTS)
	}
	at := uint64(math.MaxUint64)
	switch l := &r.lock; {
	case l.startTS == req.StartTS && l.op != OpPessimisticLock:
		fail(resp, StatusLockTypeNotMatch, m.Key)
		return false
	case l.startTS == req.StartTS: // locked before: by this request or another
		at = req.ForUpdateTS
		if req.AllowLockWithConflict && at < l.forUpdateTS {
			at, k.ConflictTS = l.forUpdateTS, l.forUpdateTS
		}
		if w := r.at(at); !checkAbsent(req, resp, m, w, w != nil && w.commitTS > req.ForUpdateTS) {
			return false
		}
	case l.startTS != 0:
		fail(resp, StatusLocked, m.Key)
		resp.Locks = []Lock{e.describe(m.Key, r)}
		return false
	case !checkForUpdate(req, resp, m, r, k):
		return false
	}
	value, exists := newestValue(r, at)
	k.NotFound = !exists && (reads || k.ConflictTS != 0)
	if req.ReturnValues || k.ConflictTS != 0 {
		k.Value = value
	}
	return true
}

// checkForUpdate looks for records that forbid locking r, which is not locked.
func checkForUpdate(req *Request, resp *Response, m *Mutation, r *row, k *LockedKey) bool {
	w := r.newest()
	if w == nil {
		return true
	}
	if w.commitTS > req.ForUpdateTS {
		if !req.AllowLockWithConflict {
			failOver(resp, StatusWriteConflict, m.Key, w)
			return false
		}
		k.ConflictTS = w.commitTS
	}
	if r.rolledBack(req.StartTS) {
		fail(resp, StatusRolledBack, m.Key)
		return false
	}
	value := r.at(math.MaxUint64)
	if !checkAbsent(req, resp, m, value, k.ConflictTS != 0) {
		return false
	}
	if req.LockOnlyIfExists && k.ConflictTS != 0 && (value == nil || value.op != OpPut) {
		failOver(resp, StatusWriteConflict, m.Key, w)
		return false
	}
	return true
}

// checkAbsent refuses to lock a key that has a value, which w is, in spite of the
// mutation's assertion. A value that is newer than the statement is a conflict,
// since the next try may find the assertion true.
func checkAbsent(req *Request, resp *Response, m *Mutation, w *write, newer bool) bool {
	if m.Assertion != AssertNotExist || w == nil || w.op != OpPut {
		return true
	}
	status := StatusAlreadyExist
	if newer {
		status = StatusWriteConflict
	}
	failOver(resp, status, m.Key, w)
	return false
}

// newestValue returns r's value at ts.
func newestValue(r *row, ts uint64) (value []byte, exists bool) {
	if w := r.at(ts); w != nil && w.op == OpPut {
		return w.value, true
	}
	return nil, false
}

// lockPessimistically locks r, or renews the transaction's lock on it.
func (e *Engine) lockPessimistically(req *Request, key string, r *row, forUpdateTS uint64, inSpite bool) {
	t := e.transaction(req)
	if r.lock.startTS != 0 {
		inSpite = r.lock.inSpite
	} else {
		t.locks++
		t.keep(&Mutation{Op: OpPessimisticLock, Key: key}, false)
	}
	r.lock = lockState{
		startTS: req.StartTS, ttlMS: req.TTLMS, minCommitTS: req.MinCommitTS, forUpdateTS: forUpdateTS,
		primary: req.Primary, op: OpPessimisticLock, inSpite: inSpite,
	}
	if key == req.Primary {
		e.standPrimary(t, r)
	}
}

// pessimisticRollback removes pessimistic locks that are not newer than the
// request, the listed keys' or all, and leaves no records: the transaction may lock
// the keys again.
func (e *Engine) pessimisticRollback(req *Request) {
	for _, key := range e.keysOf(req) {
		r := e.rows.get(key)
		if r == nil || r.lock.startTS != req.StartTS || r.lock.op != OpPessimisticLock || r.lock.forUpdateTS > req.ForUpdateTS {
			continue
		}
		e.release(e.txns[req.StartTS], r, key)
	}
}
