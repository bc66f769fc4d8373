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
	w, free := e.look(req, req.Key, e.rows.get(req.Key))
	if !free {
		resp.Status, resp.Key = StatusLocked, req.Key
		resp.Locks = []Lock{e.describe(req.Key, e.rows.get(req.Key))}
		return
	}
	e.recordRead(req, req.Key, w)
	if w == nil || w.op == OpDelete {
		resp.NotFound = true
		return
	}
	resp.Value = w.value
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
		w, free := e.look(req, key, r)
		if !free {
			resp.Status, resp.Key = StatusLocked, key
			resp.Locks = append(resp.Locks, e.describe(key, r))
			continue
		}
		e.recordRead(req, key, w)
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

// look returns the put or delete of r that the request sees, nil if there is
// none, and whether no lock is in the way. r may be nil. The record is overwritten
// by the next call.
func (e *Engine) look(req *Request, key string, r *row) (w *write, free bool) {
	switch {
	case r == nil:
		return nil, true
	case r.lock.startTS == 0 || !r.blocks(req, key):
		return r.at(req.StartTS), true
	case !slices.Contains(req.Committed, r.lock.startTS):
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
	e.ledger.Reads = append(e.ledger.Reads, read)
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
	page, seen := len(e.pairs), len(e.seen)
	if req.Reverse {
		e.scanBack(req, resp)
	} else {
		e.scanRows(req, resp)
	}
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
	e.ledger.Scans = append(e.ledger.Scans, scan)
}

// pagesTogether is how many pairs of pages share their memory, about: most pages
// are short.
const pagesTogether = 64

// scanRows appends the page to e.pairs.
func (e *Engine) scanRows(req *Request, resp *Response) {
	page := len(e.pairs)
	c, i := e.rows.place(req.Key)
	for ; c < len(e.rows.chunks); c, i = c+1, 0 {
		chunk := e.rows.chunks[c]
		for ; i < len(chunk); i++ {
			if len(e.pairs)-page == req.Limit || req.EndKey != "" && chunk[i].key >= req.EndKey {
				return
			}
			if !e.scanRow(req, resp, &chunk[i]) {
				return
			}
		}
	}
}

// scanBack appends the page of a reverse scan to e.pairs.
func (e *Engine) scanBack(req *Request, resp *Response) {
	page := len(e.pairs)
	c, i := len(e.rows.chunks), 0
	if req.Key != "" {
		c, i = e.rows.place(req.Key)
	}
	for {
		if i == 0 {
			if c == 0 {
				return
			}
			c--
			i = len(e.rows.chunks[c])
		}
		i--
		at := &e.rows.chunks[c][i]
		if len(e.pairs)-page == req.Limit || at.key < req.EndKey || !e.scanRow(req, resp, at) {
			return
		}
	}
}

// scanRow appends what the request sees of one row to the page. It reports false
// if a lock ends the page.
func (e *Engine) scanRow(req *Request, resp *Response, at *entry) bool {
	var w *write
	if at.row.lock.startTS == 0 {
		w = at.row.at(req.StartTS)
	} else {
		var free bool
		if w, free = e.look(req, at.key, at.row); !free {
			resp.Status, resp.Key = StatusLocked, at.key
			resp.Locks = []Lock{e.describe(at.key, at.row)}
			return false
		}
	}
	if w == nil || w.op == OpDelete {
		return true
	}
	e.pairs = append(e.pairs, env.Pair{Key: at.key, Value: w.value})
	if e.records(req) {
		e.seen = append(e.seen, Read{StartTS: req.StartTS, Key: at.key, Version: w.commitTS})
	}
	return true
}

// scanLock lists the locks of transactions that began at or before StartTS.
func (e *Engine) scanLock(req *Request, resp *Response) {
	e.raiseMaxTS(req.StartTS)
	c, i := e.rows.place(req.Key)
	for ; c < len(e.rows.chunks); c, i = c+1, 0 {
		for chunk := e.rows.chunks[c]; i < len(chunk); i++ {
			at := &chunk[i]
			if req.EndKey != "" && at.key >= req.EndKey || req.Limit > 0 && len(resp.Locks) == req.Limit {
				return
			}
			if l := &at.row.lock; l.startTS != 0 && l.startTS <= req.StartTS {
				resp.Locks = append(resp.Locks, e.describe(at.key, at.row))
			}
		}
	}
}
