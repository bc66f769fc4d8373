package core

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// queueRow is queue/<priority>/<bid>/<uid>: present exactly while the unit is
// pending (R13).
type queueRow struct{ epoch uint64 } // the unit's, when it was queued

const (
	queuePrefix    = "queue/"
	maxPriority    = 999
	priorityDigits = 3
	queueBandEnd   = len(queuePrefix) + priorityDigits + 1
)

// queueKey sorts the queue by priority, highest first.
func queueKey(priority int, id batchID, uid string) string {
	return queuePrefix + pad(uint64(maxPriority-priority), priorityDigits) + "/" + string(id) + "/" + uid
}

// splitQueueKey is queueKey's inverse, the priority aside.
func splitQueueKey(key string) (id batchID, uid string, ok bool) {
	if len(key) < queueBandEnd {
		return "", "", false
	}
	return splitUnit(key[queueBandEnd:])
}

// queueBehindBatch is where the queue goes on behind the entries of the key's
// batch.
func queueBehindBatch(key string) string {
	_, uid, ok := splitQueueKey(key)
	if !ok {
		return key + "\x00"
	}
	return prefixEnd(strings.TrimSuffix(key, uid))
}

// queueBand is the part of a queue key that all units of its priority share.
func queueBand(key string) string { return key[:queueBandEnd] }

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
