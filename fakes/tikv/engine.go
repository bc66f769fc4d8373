package tikv

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Options configure an Engine. The zero value is ready for use.
type Options struct {
	// RecordReads makes the ledger keep every read.
	RecordReads bool
}

// Engine is the store and the timestamp oracle. It handles one request at a
// time and must not be used by two goroutines at once.
type Engine struct {
	opts      Options
	rows      table
	lastTS    uint64
	safePoint uint64
	ledger    Ledger

	txns      map[uint64]*txnState // transactions with locks, by start_ts
	undecided []*txnState          // those whose primary lock stands
	free      []*txnState

	pairs []env.Pair // of the latest pages, which share their memory
	seen  []Read     // of all pages, with RecordReads
	found []*row     // scratch of the write commands
}

// New returns an empty store.
func New(opts Options) *Engine {
	return &Engine{opts: opts, txns: map[uint64]*txnState{}}
}

// Handle executes one request and overwrites *resp with the answer.
func (e *Engine) Handle(req *Request, resp *Response) {
	*resp = Response{}
	switch req.Kind {
	case KindTSO:
		resp.TS = e.timestamp(req.PhysicalMS)
	case KindGet:
		e.get(req, resp)
	case KindScan:
		e.scan(req, resp)
	case KindPrewrite:
		e.prewrite(req, resp)
	case KindCommit:
		e.commit(req, resp)
	case KindRollback:
		e.rollback(req, resp)
	case KindCheckTxn:
		e.checkTxn(req, resp)
	case KindResolve:
		e.resolve(req, resp)
	default:
		resp.Status = StatusInvalid
	}
}

// Ledger returns the engine's ledger. It stays the same object.
func (e *Engine) Ledger() *Ledger { return &e.ledger }

// LogicalBits is how many bits of a timestamp are its logical part.
const LogicalBits = 18

// PhysicalMS returns the physical part of a timestamp, in milliseconds.
func PhysicalMS(ts uint64) int64 { return int64(ts >> LogicalBits) }

// timestamp returns a timestamp greater than all before it, also when the
// physical time repeats or goes back.
func (e *Engine) timestamp(physicalMS int64) uint64 {
	e.lastTS = max(uint64(physicalMS)<<LogicalBits, e.lastTS+1)
	return e.lastTS
}

func (e *Engine) get(req *Request, resp *Response) {
	if req.StartTS < e.safePoint {
		resp.Status, resp.Key = StatusTooOld, req.Key
		return
	}
	r := e.rows.get(req.Key)
	if r == nil {
		resp.NotFound = true
		e.recordRead(req, nil)
		return
	}
	if r.blocks(req) {
		resp.Status, resp.Key = StatusLocked, req.Key
		resp.Locks = []Lock{r.lock.describe(req.Key)}
		return
	}
	w := r.at(req.StartTS)
	e.recordRead(req, w)
	if w == nil || w.op == OpDelete {
		resp.NotFound = true
		return
	}
	resp.Value = w.value
}

func (e *Engine) recordRead(req *Request, w *write) {
	if !e.opts.RecordReads {
		return
	}
	read := Read{StartTS: req.StartTS, Key: req.Key}
	if w != nil {
		read.Version = w.commitTS
	}
	e.ledger.Reads = append(e.ledger.Reads, read)
}

// blocks reports whether r's lock hides what a reader at req.StartTS should
// see: its transaction may commit, or have committed, at or before that.
func (r *row) blocks(req *Request) bool {
	l := &r.lock
	if l.startTS == 0 || l.startTS > req.StartTS || l.op == OpLock || l.minCommitTS > req.StartTS {
		return false
	}
	return len(req.Resolved) == 0 || !slices.Contains(req.Resolved, l.startTS)
}

func (l *lockState) describe(key string) Lock {
	return Lock{Key: key, Primary: l.primary, StartTS: l.startTS, TTLMS: l.ttlMS, MinCommitTS: l.minCommitTS, Op: l.op}
}

func (e *Engine) scan(req *Request, resp *Response) {
	if req.StartTS < e.safePoint {
		resp.Status, resp.Key = StatusTooOld, req.Key
		return
	}
	if req.Limit < 1 {
		resp.Status = StatusInvalid
		return
	}
	if len(e.pairs) > pagesTogether {
		e.pairs = make([]env.Pair, 0, 2*pagesTogether)
	}
	page, seen := len(e.pairs), len(e.seen)
	e.scanRows(req, resp)
	if end := len(e.pairs); end > page {
		resp.Pairs = e.pairs[page:end:end]
	}
	if e.opts.RecordReads {
		end := len(e.seen)
		e.ledger.Scans = append(e.ledger.Scans, ScanRead{
			StartTS: req.StartTS, From: req.Key, To: req.EndKey,
			Partial: resp.Status != StatusOK || len(resp.Pairs) == req.Limit,
			Seen:    e.seen[seen:end:end],
		})
	}
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
			key, r := chunk[i].key, chunk[i].row
			if len(e.pairs)-page == req.Limit || req.EndKey != "" && key >= req.EndKey {
				return
			}
			if r.lock.startTS != 0 && r.blocks(req) {
				resp.Status, resp.Key = StatusLocked, key
				resp.Locks = []Lock{r.lock.describe(key)}
				return
			}
			w := r.at(req.StartTS)
			if w == nil || w.op == OpDelete {
				continue
			}
			e.pairs = append(e.pairs, env.Pair{Key: key, Value: w.value})
			if e.opts.RecordReads {
				e.seen = append(e.seen, Read{StartTS: req.StartTS, Key: key, Version: w.commitTS})
			}
		}
	}
}
