package core

import (
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// finishBatch buffers the end of a batch whose row has just been given a
// terminal phase: the row, its place in the index of living batches, and the
// note of what is to be settled and collected after it, all in one transaction.
func finishBatch(tx env.Txn, clock env.Clock, id batchID, b *batchRow) {
	b.finishedMS = clock.Now().UnixMilli()
	sweep := sweepRow{state: sweepSettle, output: b.output, priority: b.priority, mergeGen: b.mergeGen, ttlMS: b.ttlMS}
	tx.Put(batchKey(id.name()), b.encode())
	tx.Delete(activeKey(id.name()))
	tx.Put(sweepKey(id), sweep.encode())
}
