package core

import "github.com/gauntlet-dst/gauntlet/core/env"

// queueRow is queue/<priority>/<bid>/<uid>: present exactly while the unit is
// pending (R13).
type queueRow struct{ epoch uint64 } // the unit's, when it was queued

const (
	queuePrefix    = "queue/"
	maxPriority    = 999
	priorityDigits = 3
)

// queuePrefixOf is the part of the queue that holds one batch's units.
func queuePrefixOf(priority int, id batchID) string {
	return queuePrefix + pad(uint64(maxPriority-priority), priorityDigits) + "/" + string(id) + "/"
}

// queueKey sorts the queue by priority, highest first.
func queueKey(priority int, id batchID, uid string) string {
	return queuePrefixOf(priority, id) + uid
}

// splitQueueKey is queueKey's inverse, the priority aside.
func splitQueueKey(key string) (id batchID, uid string, ok bool) {
	const batchAt = len(queuePrefix) + priorityDigits + 1
	if len(key) < batchAt {
		return "", "", false
	}
	return splitUnit(key[batchAt:])
}

// enqueue buffers the queue row of a unit that is being made pending (R13).
func enqueue(tx env.Txn, priority int, id batchID, uid string, u *unitRow) {
	row := queueRow{epoch: u.epoch}
	tx.Put(queueKey(priority, id, uid), row.encode())
}

func (q *queueRow) fields(f *fields) { f.uint("epoch", &q.epoch) }

func (q *queueRow) encode() []byte {
	f := writeRow("q1")
	q.fields(&f)
	return f.row
}
