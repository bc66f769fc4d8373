package sim

import (
	"context"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Told is what the clients of TiKV told the system in this universe: what the
// store answered them is only half of it.
type Told struct {
	Reads   tikv.List[TxnRead]
	Scans   tikv.List[TxnScan]
	Commits tikv.List[TxnCommit]
}

// TxnRead is one Get of a key that the transaction had not written.
type TxnRead struct {
	StartTS uint64
	Key     string
	Value   []byte // nil: there is none
}

// TxnScan is one page.
type TxnScan struct {
	StartTS  uint64
	From, To string
	Limit    int
	Pairs    []env.Pair
	Own      []tikv.Mutation // what the transaction had written before, in that order
}

// TxnCommit is how the commit of a transaction ended that wrote or locked
// something.
type TxnCommit struct {
	StartTS uint64
	Writes  []tikv.Mutation // in the order of the calls: the last of a key counts
	Class   env.Class
}

// Told returns what the system was told so far.
func (w *World) Told() *Told { return &w.u.told }

// Recorded is an env.KV whose transactions are remembered for the judge: what
// they were told, and how they ended. guard, if it is not nil, is held meanwhile.
func (c *Court) Recorded(kv env.KV, guard sync.Locker) env.KV {
	return &recordedKV{KV: kv, told: &c.u.told, guard: guard}
}

// recordedKV is an env.KV that remembers what it tells.
type recordedKV struct {
	env.KV
	told  *Told
	guard sync.Locker
	// ended, if set, is shown how each commit ended.
	ended func(startTS uint64, err error)
}

func (k *recordedKV) Begin(ctx context.Context) (env.Txn, error) {
	tx, err := k.KV.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedTxn{Txn: tx, by: k, startTS: tx.StartTS()}, nil
}

// note changes what is remembered.
func (k *recordedKV) note(change func(*Told)) {
	if k.guard != nil {
		k.guard.Lock()
		defer k.guard.Unlock()
	}
	change(k.told)
}

// recordedTxn is one transaction of a recordedKV.
type recordedTxn struct {
	env.Txn
	by      *recordedKV
	startTS uint64
	writes  []tikv.Mutation // only ever appended to
	over    bool
}

func (t *recordedTxn) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := t.Txn.Get(ctx, key)
	if err != nil && env.ClassOf(err) != env.ClassNotFound || t.wrote(key) {
		return value, err
	}
	t.by.note(func(told *Told) { told.Reads.Add(TxnRead{t.startTS, key, value}) })
	return value, err
}

func (t *recordedTxn) wrote(key string) bool {
	for i := range t.writes {
		if t.writes[i].Key == key && writes(&t.writes[i]) {
			return true
		}
	}
	return false
}

func (t *recordedTxn) Scan(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	pairs, err := t.Txn.Scan(ctx, from, to, limit)
	if err == nil {
		own := t.writes[:len(t.writes):len(t.writes)]
		t.by.note(func(told *Told) {
			told.Scans.Add(TxnScan{t.startTS, from, to, limit, pairs, own})
		})
	}
	return pairs, err
}

func (t *recordedTxn) write(m tikv.Mutation) {
	if t.writes == nil {
		t.writes = make([]tikv.Mutation, 0, 4) // most have no more
	}
	t.writes = append(t.writes, m)
}

func (t *recordedTxn) Put(key string, value []byte) {
	t.write(tikv.Mutation{Op: tikv.OpPut, Key: key, Value: value})
	t.Txn.Put(key, value)
}

func (t *recordedTxn) Delete(key string) {
	t.write(tikv.Mutation{Op: tikv.OpDelete, Key: key})
	t.Txn.Delete(key)
}

func (t *recordedTxn) Lock(keys ...string) {
	for _, key := range keys {
		t.write(tikv.Mutation{Op: tikv.OpLock, Key: key})
	}
	t.Txn.Lock(keys...)
}

func (t *recordedTxn) Rollback() {
	t.over = true
	t.Txn.Rollback()
}

func (t *recordedTxn) Commit(ctx context.Context) error {
	over := t.over
	t.over = true
	err := t.Txn.Commit(ctx)
	if over {
		return err
	}
	if len(t.writes) > 0 {
		t.by.note(func(told *Told) {
			told.Commits.Add(TxnCommit{t.startTS, t.writes, env.ClassOf(err)})
		})
	}
	if t.by.ended != nil {
		t.by.ended(t.startTS, err)
	}
	return err
}
