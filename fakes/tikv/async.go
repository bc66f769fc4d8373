package tikv

import "slices"

// Async commit: the transaction is committed as soon as all of its locks stand,
// each with the least timestamp at which its key allows the commit. The commit
// timestamp is the greatest of them. The primary's lock names the other keys, so
// that whoever finds the locks can tell. No lock's minimum may be at or below a
// snapshot that its key was read at: hence MaxTS.
//
// One-phase commit: the same, if one request holds the whole transaction. Then
// there are no locks at all.

// asyncState is what is known of a transaction's locks in async commit.
type asyncState struct {
	secondaries []string // as the primary's lock names them
	locks       int      // those that stand
	minCommitTS uint64   // the greatest of their minimums
	twoPhase    bool     // it has fallen back to a two-phase commit
}

// standAsync notes a lock that is about to be written.
func (t *txnState) standAsync(req *Request, key string, l *lockState) {
	if !l.async {
		return
	}
	a := t.inAsync()
	a.locks++
	a.minCommitTS = max(a.minCommitTS, l.minCommitTS)
	if key == req.Primary {
		a.secondaries = req.Secondaries
	}
}

func (t *txnState) inAsync() *asyncState {
	if t.async == nil {
		t.async = new(asyncState)
	}
	return t.async
}

// twoPhase reports whether t is a two-phase commit.
func (t *txnState) twoPhase() bool { return t.async == nil || t.async.twoPhase }

// prewriteAsync applies a prewrite that nothing forbids. If the commit timestamp
// would be too late on one key, this and the following ones are locked for a
// two-phase commit, and the answer says so.
func (e *Engine) prewriteAsync(req *Request, resp *Response, fresh int) {
	e.opts.AsyncCommit = true
	e.minimum = e.minimum[:0]
	latest := uint64(0)
	for i := range req.Mutations {
		ts := e.minimumOf(req, i)
		if ts == 0 {
			e.lockKeys(req, fresh, i)
			t := e.txns[req.StartTS]
			t.bound, t.inAsync().twoPhase = e.oracle.last, true
			return
		}
		e.minimum = append(e.minimum, ts)
		latest = max(latest, ts)
	}
	if req.UseAsyncCommit {
		resp.MinCommitTS = latest
	}
	if req.TryOnePC {
		resp.CommitTS = latest
		e.commitAtOnce(req, latest)
		return
	}
	e.lockKeys(req, fresh, len(req.Mutations))
	e.decideAsync(e.txns[req.StartTS])
}

// minimumOf returns the least timestamp at which the request's mutation i allows
// the commit, 0 if it demands a two-phase commit.
func (e *Engine) minimumOf(req *Request, i int) uint64 {
	m, r := &req.Mutations[i], e.found[i]
	if m.Op == OpCheckNotExists { // has been read, and is not written
		return max(req.MinCommitTS, req.StartTS+1)
	}
	ts := max(req.MinCommitTS, max(e.maxTS, req.StartTS, req.ForUpdateTS)+1)
	if r != nil && r.lock.startTS == req.StartTS {
		switch {
		case r.lock.op == OpPessimisticLock:
			ts = max(ts, r.lock.minCommitTS)
		case r.lock.async:
			return r.lock.minCommitTS
		default:
			return 0
		}
	}
	if req.MaxCommitTS != 0 && ts > req.MaxCommitTS {
		return 0
	}
	return ts
}

// decideAsync records the commit of a transaction once all of its locks stand.
func (e *Engine) decideAsync(t *txnState) {
	if t == nil || t.primaryRow == nil || !t.primaryRow.lock.async || t.twoPhase() || t.async.locks <= len(t.async.secondaries) {
		return
	}
	e.recordCommit(t, t.async.minCommitTS, true)
}

// commitAtOnce commits all of the request's mutations.
func (e *Engine) commitAtOnce(req *Request, commitTS uint64) {
	t := e.txns[req.StartTS] // with pessimistic locks only
	c := Commit{StartTS: req.StartTS, CommitTS: commitTS, Primary: req.Primary, Computed: true}
	if plain(req.Mutations) {
		c.Writes = slices.Clip(req.Mutations)
	}
	whole := c.Writes != nil
	for i := range req.Mutations {
		m := &req.Mutations[i]
		if m.Op == OpCheckNotExists {
			continue
		}
		r := e.found[i]
		if r == nil {
			r = e.rows.ensure(m.Key)
		}
		r.add(write{commitTS: commitTS, startTS: req.StartTS, value: m.Value, op: m.stored()})
		if r.lock.startTS == req.StartTS {
			e.release(t, r, m.Key)
		}
		if !whole {
			c.Writes = append(c.Writes, Mutation{Op: m.stored(), Key: m.Key, Value: m.Value})
		}
	}
	if t = e.txns[req.StartTS]; t != nil {
		t.commitTS = commitTS
	}
	e.ledger.Commits = append(e.ledger.Commits, c)
}

// checkSecondaryLocks tells whether all of the keys hold the transaction's locks.
// If one does not, and was never committed, it never will: a rollback record
// keeps the transaction out.
func (e *Engine) checkSecondaryLocks(req *Request, resp *Response) {
	e.raiseMaxTS(req.StartTS)
	for _, key := range req.Keys {
		r := e.rows.ensure(key)
		if r.lock.startTS == req.StartTS && r.lock.op != OpPessimisticLock {
			resp.Locks = append(resp.Locks, e.describe(key, r))
			continue
		}
		resp.Locks = nil
		if w := r.record(req.StartTS); w != nil && w.op != rollbackOp {
			resp.CommitTS = w.commitTS
			return
		}
		e.rollbackRow(r, key, req.StartTS)
		return
	}
}
