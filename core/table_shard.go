package core

import (
	"context"
	"math/bits"
	"slices"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// shardRow is shard/<bid>/<n>: what has become of the units of one shard, and
// the guard of their edges. A batch has as many shards as its row says, and a
// unit belongs to one of them for good. Whatever moves a unit writes its shard
// in the same transaction, and whatever ends a batch, or begins its merge,
// locks them all: so the one conflicts with the other (R3, R16), and two units
// of different shards with nothing. The row is missing until its first unit
// moves.
//
// Pending units are not counted: they are those that discovery found and that
// are in no other state. So to create units writes no shard.
type shardRow struct {
	processing int
	complete   int
	failed     int
	dead       int
	cancelled  int
	failures   int    // attempts that have failed, see unitRow.failures
	taken      int    // of the shard's share of the batch's parallelism
	digest     uint64 // of the complete units, in any order
	frames     int64  // of the complete units
}

const (
	shardPrefix = "shard/"
	shardDigits = 4 // of a shard's number in keys
	maxShards   = 1000
)

func shardsPrefix(id batchID) string { return shardPrefix + string(id) + "/" }

func shardKey(id batchID, shard int) string {
	return shardPrefix + string(id) + "/" + pad(uint64(shard), shardDigits)
}

// splitShardKey is shardKey's inverse within a batch.
func splitShardKey(id batchID, key string) (shard int, ok bool) {
	shard, err := strconv.Atoi(key[len(shardPrefix)+len(id)+1:])
	return shard, err == nil
}

func (s *shardRow) fields(f *fields) {
	f.int("processing", &s.processing)
	f.int("complete", &s.complete)
	f.int("failed", &s.failed)
	f.int("dead", &s.dead)
	f.int("cancelled", &s.cancelled)
	f.int("failures", &s.failures)
	f.int("taken", &s.taken)
	f.uint("digest", &s.digest)
	f.int64("frames", &s.frames)
}

func (s *shardRow) encode() []byte {
	f := writeRow("h1")
	s.fields(&f)
	return f.row
}

func decodeShard(key string, row []byte) (shardRow, error) {
	var s shardRow
	f := readRow(key, row, "h1")
	s.fields(&f)
	return s, f.end()
}

// count adds n units that are like u.
func (s *shardRow) count(uid string, u *unitRow, n int) {
	s.failures += n * u.failures()
	switch u.state {
	case UnitProcessing:
		s.processing += n
	case UnitComplete:
		s.complete += n
		s.digest ^= u.fingerprint(uid) // which is its own inverse
		s.frames += int64(n) * u.frames
	case UnitFailed:
		s.failed += n
	case UnitDead:
		s.dead += n
	case UnitCancelled:
		s.cancelled += n
	}
}

// add adds another shard's counts.
func (s *shardRow) add(other *shardRow) {
	s.processing += other.processing
	s.complete += other.complete
	s.failed += other.failed
	s.dead += other.dead
	s.cancelled += other.cancelled
	s.failures += other.failures
	s.taken += other.taken
	s.digest ^= other.digest
	s.frames += other.frames
}

// counts is the number of units in each state, if found were discovered.
func (s *shardRow) counts(found int) Counts {
	return Counts{
		Pending:    found - s.processing - s.complete - s.failed - s.dead - s.cancelled,
		Processing: s.processing, Complete: s.complete, Failed: s.failed, Dead: s.dead, Cancelled: s.cancelled,
	}
}

// shardOf is the shard of a unit: an equal share of all ids, so that the units
// of one shard are neighbours among the keys.
func shardOf(uid string, shards int) int {
	h, _ := strconv.ParseUint(uid, 16, 64)
	high, _ := bits.Mul64(h, uint64(shards))
	return int(high)
}

// tally is what one transaction changes of a batch's shards.
type tally struct {
	id    batchID
	rows  map[int]*shardRow
	order []int // in which the rows were read
}

func newTally(id batchID) *tally { return &tally{id: id, rows: make(map[int]*shardRow, 2)} }

// row reads a shard, once.
func (t *tally) row(ctx context.Context, tx env.Txn, shard int) (*shardRow, error) {
	if s := t.rows[shard]; s != nil {
		return s, nil
	}
	var s shardRow
	key := shardKey(t.id, shard)
	row, ok, err := get(ctx, tx, key)
	if err == nil && ok {
		s, err = decodeShard(key, row)
	}
	if err != nil {
		return nil, err
	}
	t.rows[shard] = &s
	t.order = append(t.order, shard)
	return &s, nil
}

// drop forgets a row that was read and is not changed.
func (t *tally) drop(shard int) {
	delete(t.rows, shard)
	t.order = slices.DeleteFunc(t.order, func(other int) bool { return other == shard })
}

// move counts a unit's edge, and buffers its place in the index of the units
// that have failed.
func (t *tally) move(ctx context.Context, tx env.Txn, uid string, from, to *unitRow) error {
	s, err := t.row(ctx, tx, to.shard)
	if err != nil {
		return err
	}
	s.count(uid, from, -1)
	s.count(uid, to, +1)
	if from.slot != to.slot {
		if err := t.moveSlot(ctx, tx, from.slot, to.slot); err != nil {
			return err
		}
	}
	indexFailure(tx, t.id, uid, from, to)
	return nil
}

// moveSlot gives one shard's slot back and takes another's; 0 is none.
func (t *tally) moveSlot(ctx context.Context, tx env.Txn, from, to int) error {
	for _, m := range [...]struct{ slot, n int }{{from, -1}, {to, +1}} {
		if m.slot == 0 {
			continue
		}
		s, err := t.row(ctx, tx, m.slot-1)
		if err != nil {
			return err
		}
		s.taken += m.n
	}
	return nil
}

// put buffers the rows.
func (t *tally) put(tx env.Txn) {
	for _, shard := range t.order {
		tx.Put(shardKey(t.id, shard), t.rows[shard].encode())
	}
}

// moveUnit buffers one unit's edge: its row, its shard, and its place in the
// index of the units that have failed.
func moveUnit(ctx context.Context, tx env.Txn, id batchID, uid string, from, to *unitRow) error {
	t := newTally(id)
	if err := t.move(ctx, tx, uid, from, to); err != nil {
		return err
	}
	t.put(tx)
	tx.Put(unitKey(id, uid), to.encode())
	return nil
}

// readCounts returns the number of a batch's units in each state.
func readCounts(ctx context.Context, tx env.Txn, id batchID, b *batchRow, page int) (Counts, error) {
	sum, err := readShards(ctx, tx, id, page)
	if err != nil {
		return Counts{}, err
	}
	found, err := readFound(ctx, tx, id, b, page)
	return sum.counts(found), err
}

// readShards sums up the shards of a batch.
func readShards(ctx context.Context, tx env.Txn, id batchID, page int) (shardRow, error) {
	var sum shardRow
	err := scanShards(ctx, tx, id, page, func(_ int, s *shardRow) { sum.add(s) })
	return sum, err
}

// scanShards calls visit with every shard of a batch that has a row.
func scanShards(ctx context.Context, tx env.Txn, id batchID, page int, visit func(shard int, s *shardRow)) error {
	return scan(ctx, tx, shardsPrefix(id), page, func(p env.Pair) (bool, error) {
		s, err := decodeShard(p.Key, p.Value)
		if err != nil {
			return false, err
		}
		shard, ok := splitShardKey(id, p.Key)
		if !ok {
			return false, invalid("read shard", p.Key, "not a shard key")
		}
		visit(shard, &s)
		return true, nil
	})
}

// lockShards makes the transaction conflict with every edge of a unit of the
// batch (R3, R16).
func lockShards(tx env.Txn, id batchID, b *batchRow) {
	for shard := range b.shards {
		tx.Lock(shardKey(id, shard))
	}
}
