package main

import (
	"context"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// cost is what one universe came to, and the meter that counts it, from the
// beginning to the publication.
type cost struct {
	workers, units int
	config         core.Config
	failure        string // why it counts for nothing, or ""

	requests  int // of any kind to TiKV
	scanned   int // rows that scans returned
	commits   int // transactions with an effect or a lock
	conflicts int
	claims    int
	// largestKeys and largestBytes are those of the largest transactions that
	// were tried: keys written or locked, and their bytes with the values.
	largestKeys, largestBytes int
	// waits is the time, all together, from the end of a process's unit to its
	// next claim; worstWait is the longest.
	waits, worstWait time.Duration
	waited           int

	virtual time.Duration
	events  uint64
	over    bool
}

// rowRoom bounds the rows of a transaction beside those of its page, in bytes.
const rowRoom = 1 << 10

func (c *cost) perUnit(n int) float64 { return float64(n) / float64(c.units) }

func (c *cost) conflictsPerClaim() float64 { return float64(c.conflicts) / float64(max(c.claims, 1)) }

func (c *cost) meanWait() time.Duration { return c.waits / time.Duration(max(c.waited, 1)) }

// Name makes the meter an invariant, which never objects.
func (c *cost) Name() string { return "scale" }

// Observe ends the count with the publication.
func (c *cost) Observe(w *sim.World, e *sim.Effect) error {
	for _, row := range e.Writes("batch/") {
		if strings.Contains(string(row), " phase=complete ") {
			c.over, c.virtual = true, e.At
		}
	}
	return nil
}

// ObserveCall counts requests.
func (c *cost) ObserveCall(_ *sim.World, call *sim.Call) {
	switch call.Op {
	case ops.TSO, ops.KVGet, ops.KVScan, ops.Prewrite, ops.Commit, ops.Rollback, ops.CheckTxn, ops.Resolve:
		if !c.over {
			c.requests++
		}
	}
}

// kv counts what one process asks of the store.
type kv struct {
	env.KV
	env  *env.Env
	cost *cost
	// free is when the process's last unit ended; 0 before the first, and while
	// it has one.
	free time.Duration
}

func (s *kv) Begin(ctx context.Context) (env.Txn, error) {
	tx, err := s.KV.Begin(ctx)
	return &txn{Txn: tx, kv: s, keys: map[string]int{}}, err
}

// txn counts one transaction.
type txn struct {
	env.Txn
	kv   *kv
	keys map[string]int // bytes of what is written or locked, by key
}

func (t *txn) Scan(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	pairs, err := t.Txn.Scan(ctx, from, to, limit)
	if !t.kv.cost.over {
		t.kv.cost.scanned += len(pairs)
	}
	return pairs, err
}

func (t *txn) Put(key string, value []byte) {
	t.keys[key] = len(key) + len(value)
	t.Txn.Put(key, value)
}

func (t *txn) Delete(key string) {
	t.keys[key] = len(key)
	t.Txn.Delete(key)
}

func (t *txn) Lock(keys ...string) {
	for _, key := range keys {
		t.keys[key] = max(t.keys[key], len(key))
	}
	t.Txn.Lock(keys...)
}

func (t *txn) Commit(ctx context.Context) error {
	err := t.Txn.Commit(ctx)
	if len(t.keys) > 0 && !t.kv.cost.over {
		t.kv.count(ctx, t.keys, err)
	}
	return err
}

// count counts a transaction that was tried.
func (s *kv) count(ctx context.Context, keys map[string]int, err error) {
	c, bytes := s.cost, 0
	for _, size := range keys {
		bytes += size
	}
	c.largestKeys, c.largestBytes = max(c.largestKeys, len(keys)), max(c.largestBytes, bytes)
	if env.ClassOf(err) == env.ClassConflict {
		c.conflicts++
	}
	if err != nil {
		return
	}
	c.commits++
	now := s.env.Clock.Monotonic()
	switch env.StepOf(ctx) {
	case core.StepClaimUnit:
		c.claims++
		if s.free > 0 {
			c.waits, c.waited = c.waits+now-s.free, c.waited+1
			c.worstWait = max(c.worstWait, now-s.free)
		}
		s.free = 0
	case core.StepCompleteUnit:
		s.free = now
	}
}
