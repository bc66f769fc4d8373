package tikv

import (
	"math"
	"slices"
)

// prewrite locks all of the request's keys or, on any failure, none. A flush is
// the prewrite of a part of an optimistic two-phase commit, whose locks later ones
// may replace.
func (e *Engine) prewrite(req *Request, resp *Response) {
	if e.tooLarge(req, resp) {
		return
	}
	e.found, e.refuted = e.found[:0], nil
	fresh := 0 // keys that the transaction doesn't hold yet
	for i := range req.Mutations {
		m := &req.Mutations[i]
		if !m.makesSense(req) {
			fail(resp, StatusInvalid, m.Key)
			return
		}
		r := e.rows.get(m.Key)
		e.found = append(e.found, r)
		if r == nil || r.lock.startTS != req.StartTS {
			fresh++
		}
		if r == nil {
			r = &noRow
		}
		if r.mayTake(req, m) {
			continue
		}
		if e.checkMutation(req, resp, i, r) {
			return
		}
	}
	switch {
	case e.refuted != nil:
		e.failAssertion(resp, e.refuted)
	case resp.Status != StatusOK:
	case req.UseAsyncCommit || req.TryOnePC:
		e.prewriteAsync(req, resp, fresh)
	case fresh > 0 || req.ForUpdateTS != 0 || req.Generation != 0:
		e.lockKeys(req, fresh, 0)
	}
}

// noRow stands for the row of a key that never had one. Nothing changes it.
var noRow row

func (m *Mutation) makesSense(req *Request) bool {
	if (req.Kind == KindFlush) != (req.Generation != 0) {
		return false
	}
	switch m.Op {
	case OpPut, OpInsert:
		return len(m.Value) > 0
	case OpDelete, OpLock:
		return true
	}
	return m.Op == OpCheckNotExists && req.ForUpdateTS == 0
}

// mayTake is the short cut for most mutations: no lock and no newer record is in
// the way of an optimistic transaction, and nothing else is to be checked.
func (r *row) mayTake(req *Request, m *Mutation) bool {
	if r.lock.startTS != 0 || req.ForUpdateTS != 0 || m.Op > OpLock || m.Assertion != AssertNone {
		return false
	}
	n := len(r.writes)
	return n == 0 || r.writes[n-1].commitTS < req.StartTS
}

// fail sets the answer. Locks that were collected before don't matter then.
func fail(resp *Response, status Status, key string) {
	resp.Status, resp.Key, resp.Locks = status, key, nil
}

// checkMutation looks for what forbids the request's mutation i on r. It collects
// foreign locks and false assertions, and reports whether the answer is final.
func (e *Engine) checkMutation(req *Request, resp *Response, i int, r *row) (final bool) {
	m := &req.Mutations[i]
	pessimistic := req.ForUpdateTS != 0
	holds := pessimistic && m.Pessimistic == DoPessimisticCheck
	switch l := &r.lock; {
	case l.startTS == req.StartTS:
		return e.checkOwnLock(req, resp, i, r)
	case l.startTS != 0 && holds:
		return failUnlessCommitted(req, resp, m.Key, r)
	case l.startTS != 0:
		return e.checkForeignLock(req, resp, m.Key, r)
	case holds:
		// The lock is lost. That does no harm if nothing has happened since the
		// transaction began, and so since it locked the key.
		if w := r.newest(); w != nil && w.commitTS >= req.StartTS {
			return failUnlessCommitted(req, resp, m.Key, r)
		}
	case pessimistic && m.Pessimistic == SkipPessimisticCheck:
		e.checkAssertion(req, m, r, AssertionStrict)
		return req.UseAsyncCommit && committedBefore(req, resp, r)
	default:
		if checkNewest(req, resp, m, r) {
			return true
		}
		if m.Op == OpCheckNotExists {
			e.raiseMaxTS(req.StartTS)
		}
	}
	e.checkAssertion(req, m, r, AssertionFast)
	return false
}

// checkOwnLock looks at r, which the transaction has locked. A lock of an earlier
// arrival of this request is what it wants; a pessimistic lock is to be replaced.
func (e *Engine) checkOwnLock(req *Request, resp *Response, i int, r *row) (final bool) {
	m := &req.Mutations[i]
	if r.lock.op != OpPessimisticLock {
		return false
	}
	if req.ForUpdateTS == 0 {
		fail(resp, StatusLockTypeNotMatch, m.Key)
		return true
	}
	if req.ExpectedForUpdateTS != nil && req.ExpectedForUpdateTS[i] != 0 && r.lock.forUpdateTS > req.ExpectedForUpdateTS[i] {
		return failUnlessCommitted(req, resp, m.Key, r)
	}
	e.checkAssertion(req, m, r, AssertionStrict)
	return false
}

// checkForeignLock collects another transaction's lock.
func (e *Engine) checkForeignLock(req *Request, resp *Response, key string, r *row) (final bool) {
	if committedBefore(req, resp, r) {
		return true
	}
	if resp.Status == StatusOK {
		fail(resp, StatusLocked, key)
	}
	lock := e.describe(key, r)
	if req.ForUpdateTS != 0 {
		lock.TTLMS = 0 // the transaction's other locks guard it: nobody need wait
	}
	resp.Locks = append(resp.Locks, lock)
	return false
}

// checkNewest refuses a mutation that a newer record forbids, or a value.
func checkNewest(req *Request, resp *Response, m *Mutation, r *row) (final bool) {
	w := r.newest()
	if w == nil {
		return false
	}
	switch {
	case w.commitTS > req.StartTS:
		if committedBefore(req, resp, r) {
			return true
		}
		failOver(resp, StatusWriteConflict, m.Key, w)
		return true
	case w.commitTS == req.StartTS && r.rolledBack(req.StartTS):
		fail(resp, StatusRolledBack, m.Key)
		return true
	case m.Op != OpInsert && m.Op != OpCheckNotExists:
		return false
	}
	if w := r.at(math.MaxUint64); w != nil && w.op == OpPut {
		failOver(resp, StatusAlreadyExist, m.Key, w)
		return true
	}
	return false
}

// failOver sets an answer that is about a record.
func failOver(resp *Response, status Status, key string, w *write) {
	fail(resp, status, key)
	resp.CommitTS, resp.ConflictStartTS = w.commitTS, w.startTS
}

// committedBefore reports whether the transaction is committed on r, so that the
// request is a late repetition, and answers it. A client of a two-phase commit
// has had its answer before it committed: to that, it is a conflict like any.
func committedBefore(req *Request, resp *Response, r *row) bool {
	if !req.UseAsyncCommit && !req.TryOnePC && req.ForUpdateTS == 0 {
		return false
	}
	w := r.record(req.StartTS)
	if w == nil || w.op == rollbackOp {
		return false
	}
	fail(resp, StatusOK, "")
	if req.UseAsyncCommit {
		resp.MinCommitTS = w.commitTS
	}
	if req.TryOnePC {
		resp.CommitTS = w.commitTS
	}
	return true
}

// failUnlessCommitted answers a prewrite whose pessimistic lock is not there.
func failUnlessCommitted(req *Request, resp *Response, key string, r *row) (final bool) {
	if !committedBefore(req, resp, r) {
		fail(resp, StatusPessimisticLockNotFound, key)
	}
	return true
}

// checkAssertion keeps the first mutation whose assertion is false, if the
// request's level is at least the given one.
func (e *Engine) checkAssertion(req *Request, m *Mutation, r *row, least AssertionLevel) {
	if m.Assertion == AssertNone || req.AssertionLevel < least || e.refuted != nil {
		return
	}
	w := r.at(math.MaxUint64)
	if exists := w != nil && w.op == OpPut; exists != (m.Assertion == AssertExist) {
		e.refuted = m
	}
}

func (e *Engine) failAssertion(resp *Response, m *Mutation) {
	fail(resp, StatusAssertionFailed, m.Key)
	if r := e.rows.get(m.Key); r != nil {
		if w := r.at(math.MaxUint64); w != nil {
			resp.CommitTS, resp.ConflictStartTS = w.commitTS, w.startTS
		}
	}
}

// lockKeys applies a prewrite that nothing forbids. fresh is the number of keys
// that the transaction doesn't hold yet. The locks of the first async mutations
// get the minimum commit timestamps in e.minimum.
func (e *Engine) lockKeys(req *Request, fresh, async int) {
	t := e.transaction(req)
	whole := len(t.mutations) == 0 && fresh == len(req.Mutations) && plain(req.Mutations)
	if whole {
		t.mutations, t.shared = slices.Clip(req.Mutations), true
	}
	for i := range req.Mutations {
		m := &req.Mutations[i]
		if m.Op == OpCheckNotExists {
			continue
		}
		r := e.found[i]
		if r == nil {
			r = e.rows.ensure(m.Key)
		}
		if whole {
			t.rows = append(t.rows, r)
		}
		held := r.lock.startTS == req.StartTS
		if held && r.lock.op != OpPessimisticLock && r.lock.generation >= req.Generation {
			continue
		}
		lock := lockState{
			startTS: req.StartTS, ttlMS: req.TTLMS, minCommitTS: req.MinCommitTS, forUpdateTS: req.ForUpdateTS,
			generation: req.Generation, primary: req.Primary, value: m.Value, txnSize: req.TxnSize, op: m.stored(),
		}
		if held {
			lock.ttlMS, lock.minCommitTS = max(lock.ttlMS, r.lock.ttlMS), max(lock.minCommitTS, r.lock.minCommitTS)
		} else {
			t.locks++
		}
		if i < async {
			lock.minCommitTS, lock.async = e.minimum[i], req.UseAsyncCommit
			t.standAsync(req, m.Key, &lock)
		}
		r.lock = lock
		if !whole {
			t.keep(m, held)
		}
		if m.Key == req.Primary {
			e.standPrimary(t, r)
		}
	}
	if t.locks == 0 { // there were only checks
		e.forget(t)
	}
}

// plain reports whether the mutations are locked as they are.
func plain(mutations []Mutation) bool {
	for i := range mutations {
		if mutations[i].Op > OpLock {
			return false
		}
	}
	return true
}

// stored is the op that the lock of a mutation has.
func (m *Mutation) stored() Op {
	if m.Op == OpInsert {
		return OpPut
	}
	return m.Op
}
