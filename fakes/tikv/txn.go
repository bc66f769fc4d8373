package tikv

import (
	"context"
	"errors"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// txn is one optimistic transaction of a Client.
type txn struct {
	c       *Client
	startTS uint64
	begun   time.Duration // on the process's monotonic clock
	// buffer holds the writes and locks in key order. It becomes the request's
	// mutations as it is, so nothing touches it once done is set.
	buffer []Mutation
	size   int // of the keys and values in buffer
	// refused is why the first write that breaks a limit was not buffered. As
	// with the real client, the transaction cannot commit any more, whatever is
	// written later.
	refused error
	done    bool
	// resolved are transactions whose locks don't concern this snapshot;
	// committed those that are committed in it, locks or not.
	resolved, committed []uint64
	lane                *lane // nil once it is spent
}

var _ env.Txn = (*txn)(nil)

// StartTS returns the snapshot's timestamp.
func (t *txn) StartTS() uint64 { return t.startTS }

// search returns the place of key in the buffer.
func (t *txn) search(key string) (i int, found bool) {
	lo, hi := 0, len(t.buffer)
	if hi > 0 && t.buffer[hi-1].Key < key { // writes often come in key order
		return hi, false
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t.buffer[mid].Key < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(t.buffer) && t.buffer[lo].Key == key
}

// What is refused when it is written, before anything is sent.
var (
	errEmptyValue = errors.New("empty value")
	errKeySize    = errors.New("key is too large")
	errEntrySize  = errors.New("entry is too large")
	errTxnSize    = errors.New("transaction is too large")
)

// limit returns which limit m breaks, or nil.
func (t *txn) limit(m *Mutation) error {
	cfg, size := &t.c.cfg, len(m.Key)+len(m.Value)
	switch {
	case m.Op == OpPut && len(m.Value) == 0:
		return errEmptyValue
	case len(m.Key) > cfg.MaxKey:
		return errKeySize
	case cfg.MaxEntry > 0 && size > cfg.MaxEntry:
		return errEntrySize
	case cfg.MaxTxn > 0 && t.size+size > cfg.MaxTxn:
		return errTxnSize
	}
	return nil
}

func (t *txn) set(m Mutation) {
	if t.done {
		return
	}
	i, found := t.search(m.Key)
	if found {
		if m.Op == OpLock {
			return
		}
		t.size -= len(t.buffer[i].Key) + len(t.buffer[i].Value)
	}
	if why := t.limit(&m); why != nil {
		if t.refused == nil {
			t.refused = &env.Error{Class: env.ClassInvalid, Op: "commit", Key: m.Key[:min(len(m.Key), 64)], Err: why}
		}
		return
	}
	t.size += len(m.Key) + len(m.Value)
	if found {
		t.buffer[i] = m
		return
	}
	if t.buffer == nil {
		t.buffer = make([]Mutation, 0, 4)
	}
	t.buffer = append(t.buffer, Mutation{})
	copy(t.buffer[i+1:], t.buffer[i:])
	t.buffer[i] = m
}

// Put buffers a write.
func (t *txn) Put(key string, value []byte) { t.set(Mutation{Op: OpPut, Key: key, Value: value}) }

// Delete buffers a deletion.
func (t *txn) Delete(key string) { t.set(Mutation{Op: OpDelete, Key: key}) }

// Lock buffers locks.
func (t *txn) Lock(keys ...string) {
	for _, key := range keys {
		t.set(Mutation{Op: OpLock, Key: key})
	}
}

// Rollback drops the buffered writes.
func (t *txn) Rollback() {
	t.done = true
	t.spend()
}

// usable returns why the transaction takes no reads any more, or nil.
func (t *txn) usable(ctx context.Context, op, key string) error {
	if t.done {
		return spent(op, key)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// spent is the error of every call on a transaction after its Commit or
// Rollback.
func spent(op, key string) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: errSpent}
}

var errSpent = errors.New("the transaction is spent")

// Get returns key's value: the transaction's own, else the snapshot's.
func (t *txn) Get(ctx context.Context, key string) ([]byte, error) {
	if err := t.usable(ctx, "get", key); err != nil {
		return nil, err
	}
	if i, found := t.search(key); found && t.buffer[i].Op != OpLock {
		if t.buffer[i].Op == OpDelete {
			return nil, notFound(key)
		}
		return t.buffer[i].Value, nil
	}
	for i := range t.lane.seen {
		if seen := &t.lane.seen[i]; seen.Key == key {
			return found(key, seen.Value)
		}
	}
	value, err := t.get(ctx, key)
	if err != nil {
		return nil, err
	}
	t.lane.seen = append(t.lane.seen, env.Pair{Key: key, Value: value})
	return found(key, value)
}

// get returns the snapshot's value of key, nil if there is none.
func (t *txn) get(ctx context.Context, key string) ([]byte, error) {
	t.lane.bo = backoff{budget: t.c.cfg.ReadBudget}
	x := &t.lane.exchange
	x.req = Request{Kind: KindGet, StartTS: t.startTS, Key: key}
	if err := t.read(ctx); err != nil {
		return nil, err
	}
	for x.resp.Status == StatusLocked {
		if err := t.passLock(ctx, &x.resp.Locks[0]); err != nil {
			return nil, err
		}
		if err := t.read(ctx); err != nil {
			return nil, err
		}
	}
	if err := t.c.visible(ctx, t); err != nil {
		return nil, err
	}
	if x.resp.NotFound {
		return nil, nil
	}
	return x.resp.Value, nil
}

// found is what Get returns for a value, nil for none.
func found(key string, value []byte) ([]byte, error) {
	if value == nil {
		return nil, notFound(key)
	}
	return value, nil
}

func notFound(key string) error {
	return &env.Error{Class: env.ClassNotFound, Op: "get", Key: key}
}

// read sends the lane's read request. Its answer is StatusOK or StatusLocked.
func (t *txn) read(ctx context.Context) error {
	x := &t.lane.exchange
	x.req.Resolved, x.req.Committed = t.resolved, t.committed
	if err := t.c.send(ctx, x, &t.lane.bo); err != nil {
		return err
	}
	switch x.resp.Status {
	case StatusOK, StatusLocked:
		return nil
	case StatusInvalid:
		return &env.Error{Class: env.ClassInvalid, Op: x.req.Kind.String(), Key: x.req.Key}
	}
	return unavailable(&x.req) // the safe point has passed this snapshot
}

var errLimit = errors.New("the limit is below 1")

// Scan returns one page of the snapshot with the transaction's writes on top.
func (t *txn) Scan(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	if err := t.usable(ctx, "scan", from); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, &env.Error{Class: env.ClassInvalid, Op: "scan", Key: from, Err: errLimit}
	}
	own := t.written(from, to)
	if own == nil {
		return t.scanStore(ctx, from, to, limit)
	}
	var out []env.Pair
	for {
		page, err := t.scanStore(ctx, from, to, limit)
		if err != nil {
			return nil, err
		}
		last := len(page) < limit
		out, own = merge(out, page, own, last, limit)
		if last || len(out) == limit {
			return out, nil
		}
		from = page[len(page)-1].Key + "\x00"
	}
}

// written returns the part of the buffer in [from, to), or nil if nothing in
// it changes what a scan sees.
func (t *txn) written(from, to string) []Mutation {
	lo, _ := t.search(from)
	hi := len(t.buffer)
	if to != "" {
		hi, _ = t.search(to)
	}
	for i := lo; i < hi; i++ {
		if t.buffer[i].Op != OpLock {
			return t.buffer[lo:hi]
		}
	}
	return nil
}

// merge appends page with own's writes on top to out, up to limit pairs, and
// returns what is left of own. Unless page is the last one, writes behind its
// last key belong to the next.
func merge(out, page []env.Pair, own []Mutation, last bool, limit int) ([]env.Pair, []Mutation) {
	for len(out) < limit && (len(page) > 0 || last && len(own) > 0) {
		if len(own) == 0 || len(page) > 0 && page[0].Key < own[0].Key {
			out, page = append(out, page[0]), page[1:]
			continue
		}
		m := &own[0]
		own = own[1:]
		stored := len(page) > 0 && page[0].Key == m.Key
		switch {
		case m.Op == OpPut:
			out = append(out, env.Pair{Key: m.Key, Value: m.Value})
		case m.Op == OpLock && stored:
			out = append(out, page[0])
		}
		if stored {
			page = page[1:]
		}
	}
	return out, own
}

// scanStore returns one page of the snapshot.
func (t *txn) scanStore(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	t.lane.bo = backoff{budget: t.c.cfg.ReadBudget}
	x := &t.lane.exchange
	x.req = Request{Kind: KindScan, StartTS: t.startTS, Key: from, EndKey: to, Limit: limit}
	var out []env.Pair
	for {
		if err := t.read(ctx); err != nil {
			return nil, err
		}
		if err := t.c.visible(ctx, t); err != nil {
			return nil, err
		}
		if out == nil {
			out = x.resp.Pairs
		} else {
			out = append(out, x.resp.Pairs...)
		}
		if x.resp.Status == StatusOK {
			return out, nil
		}
		// The page ends before a lock: go on from there.
		x.req.Key, x.req.Limit = x.resp.Locks[0].Key, limit-len(out)
		if err := t.passLock(ctx, &x.resp.Locks[0]); err != nil {
			return nil, err
		}
	}
}
