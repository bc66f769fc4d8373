package tikv

import (
	"math"
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

func (e *Engine) get(req *Request, resp *Response) {
	if e.tooOld(req, resp) {
		return
	}
	e.raiseMaxTS(req.StartTS)
	r := e.rows.get(req.Key)
	var w *write
	if r != nil && r.lock.startTS == 0 {
		w = r.at(req.StartTS)
	} else if r != nil {
		var free bool
		if w, free = e.lookPast(req, req.Key, r); !free {
			resp.Status, resp.Key = StatusLocked, req.Key
			resp.Locks = []Lock{e.describe(req.Key, r)}
			return
		}
	}
	if e.opts.RecordReads {
		e.recordRead(req, req.Key, w)
	}
	if w == nil || w.op == OpDelete {
		resp.NotFound = true
		return
	}
	resp.Value = w.value
	if req.ReturnCommitTS {
		resp.CommitTS = w.commitTS
	}
}

// tooOld refuses a read below the safe point.
func (e *Engine) tooOld(req *Request, resp *Response) bool {
	if req.StartTS >= e.safePoint || !e.opts.CheckSafePoint {
		return false
	}
	resp.Status, resp.Key = StatusTooOld, req.Key
	return true
}

func (e *Engine) batchGet(req *Request, resp *Response) {
	if e.tooOld(req, resp) {
		return
	}
	e.raiseMaxTS(req.StartTS)
	for _, key := range req.Keys {
		r := e.rows.get(key)
		var w *write
		if r != nil && r.lock.startTS == 0 {
			w = r.at(req.StartTS)
		} else if r != nil {
			var free bool
			if w, free = e.lookPast(req, key, r); !free {
				resp.Status, resp.Key = StatusLocked, key
				resp.Locks = append(resp.Locks, e.describe(key, r))
				continue
			}
		}
		if e.opts.RecordReads {
			e.recordRead(req, key, w)
		}
		if w != nil && w.op == OpPut {
			resp.Pairs = append(resp.Pairs, env.Pair{Key: key, Value: w.value})
		}
	}
}

// bufferBatchGet reads what the transaction's own locks hold.
func (e *Engine) bufferBatchGet(req *Request, resp *Response) {
	for _, key := range req.Keys {
		if r := e.rows.get(key); r != nil && r.lock.startTS == req.StartTS && r.lock.op <= OpDelete {
			resp.Pairs = append(resp.Pairs, env.Pair{Key: key, Value: r.lock.value})
		}
	}
}

// lookPast returns the put or delete of r that the request sees, nil if there is
// none, and whether the lock on r is not in the way. The record is overwritten by
// the next call.
func (e *Engine) lookPast(req *Request, key string, r *row) (w *write, free bool) {
	if !r.blocks(req, key) {
		return r.at(req.StartTS), true
	}
	if req.ReturnCommitTS || !slices.Contains(req.Committed, r.lock.startTS) {
		return nil, false
	}
	commitTS := e.txns[r.lock.startTS].commitTS
	if commitTS == 0 {
		commitTS = math.MaxUint64 // the reader is mistaken, and the ledger tells
	}
	e.through = write{commitTS: commitTS, startTS: r.lock.startTS, value: r.lock.value, op: r.lock.op}
	return &e.through, true
}

// records reports whether the ledger keeps what the request reads.
func (e *Engine) records(req *Request) bool {
	return e.opts.RecordReads && !req.IsolationRC && req.StartTS != math.MaxUint64
}

func (e *Engine) recordRead(req *Request, key string, w *write) {
	if !e.records(req) {
		return
	}
	read := Read{StartTS: req.StartTS, Key: key}
	if w != nil {
		read.Version = w.commitTS
	}
	e.ledger.Reads.Add(read)
}

// blocks reports whether the lock on r hides what a reader at req.StartTS should
// see: its transaction may commit, or have committed, at or before that.
func (r *row) blocks(req *Request, key string) bool {
	l := &r.lock
	if l.startTS > req.StartTS || l.op > OpDelete || l.minCommitTS > req.StartTS || req.IsolationRC {
		return false
	}
	// The primary of a two-phase commit is not committed while its lock stands,
	// so that the newest value is the one below.
	if req.StartTS == math.MaxUint64 && key == l.primary && !l.async {
		return false
	}
	return len(req.Resolved) == 0 || !slices.Contains(req.Resolved, l.startTS)
}

// describe returns the lock on r, which is locked.
func (e *Engine) describe(key string, r *row) Lock {
	l := &r.lock
	lock := Lock{
		Key: key, Primary: l.primary, StartTS: l.startTS, TTLMS: l.ttlMS, MinCommitTS: l.minCommitTS,
		ForUpdateTS: l.forUpdateTS, TxnSize: l.txnSize, Op: l.op, UseAsyncCommit: l.async,
	}
	if l.async && key == l.primary {
		lock.Secondaries = e.txns[l.startTS].async.secondaries
	}
	return lock
}

func (e *Engine) scan(req *Request, resp *Response) {
	if e.tooOld(req, resp) {
		return
	}
	if req.Limit < 1 {
		resp.Status = StatusInvalid
		return
	}
	e.raiseMaxTS(req.StartTS)
	if len(e.pairs) > pagesTogether {
		e.pairs = make([]env.Pair, 0, 2*pagesTogether)
	}
	if len(e.seen) > pagesTogether {
		e.seen = make([]Read, 0, 2*pagesTogether)
	}
	page, seen := len(e.pairs), len(e.seen)
	e.scanRows(req, resp)
	if end := len(e.pairs); end > page {
		resp.Pairs = e.pairs[page:end:end]
	}
	if e.records(req) {
		end := len(e.seen)
		e.recordScan(req, resp, e.seen[seen:end:end])
	}
	if req.KeyOnly {
		for i := range resp.Pairs {
			resp.Pairs[i].Value = nil
		}
	}
}

// recordScan keeps one page. A page that was read from its end is kept as one
// that covers what it came to.
func (e *Engine) recordScan(req *Request, resp *Response, seen []Read) {
	scan := ScanRead{StartTS: req.StartTS, From: req.Key, To: req.EndKey, Seen: seen}
	full := len(resp.Pairs) == req.Limit
	if req.Reverse {
		slices.Reverse(seen)
		scan.From, scan.To = req.EndKey, req.Key
		switch {
		case full:
			scan.From = seen[0].Key
		case resp.Status == StatusLocked:
			scan.From = resp.Key + "\x00"
		}
	} else {
		scan.Partial = full || resp.Status != StatusOK
	}
	e.ledger.Scans.Add(scan)
}

// pagesTogether is how many pairs of pages share their memory, about: most pages
// are short.
const pagesTogether = 64

// scanRows appends the page to e.pairs.
func (e *Engine) scanRows(req *Request, resp *Response) {
	page, recording := len(e.pairs), e.records(req)
	way := e.rows.walk(req.Key, req.EndKey)
	next := way.next
	if req.Reverse {
		way = e.rows.walk(req.EndKey, req.Key)
		next = way.last
	}
	for rows := next(); rows != nil; rows = next() {
		for n := range rows {
			if len(e.pairs)-page == req.Limit {
				return
			}
			at := &rows[n]
			if req.Reverse {
				at = &rows[len(rows)-1-n]
			}
			var w *write
			if at.row.lock.startTS == 0 {
				w = at.row.at(req.StartTS)
			} else {
				var free bool
				if w, free = e.lookPast(req, at.key, at.row); !free {
					resp.Status, resp.Key = StatusLocked, at.key
					resp.Locks = []Lock{e.describe(at.key, at.row)}
					return
				}
			}
			if w == nil || w.op == OpDelete {
				continue
			}
			e.pairs = append(e.pairs, env.Pair{Key: at.key, Value: w.value})
			if recording {
				e.seen = append(e.seen, Read{StartTS: req.StartTS, Key: at.key, Version: w.commitTS})
			}
		}
	}
}

// scanLock lists the locks of transactions that began at or before StartTS.
func (e *Engine) scanLock(req *Request, resp *Response) {
	e.raiseMaxTS(req.StartTS)
	way := e.rows.walk(req.Key, req.EndKey)
	for rows := way.next(); rows != nil; rows = way.next() {
		for i := range rows {
			l := &rows[i].row.lock
			if l.startTS == 0 || l.startTS > req.StartTS {
				continue
			}
			if resp.Locks = append(resp.Locks, e.describe(rows[i].key, rows[i].row)); len(resp.Locks) == req.Limit {
				return
			}
		}
	}
}
