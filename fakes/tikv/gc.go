package tikv

import (
	"maps"
	"math"
	"slices"
)

// CollectLocks resolves every lock of the transactions that began before ts, as
// TiDB's garbage collector does before it moves the safe point: who has not
// committed by then is rolled back, whatever its TTL. It returns how many
// transactions it decided or cleaned up. Without it, a lock on a row that nobody
// reads again stays for ever.
func (e *Engine) CollectLocks(before uint64) int {
	n := 0
	for _, startTS := range slices.Sorted(maps.Keys(e.txns)) {
		if startTS >= before {
			break
		}
		t := e.txns[startTS]
		var status, done Response
		e.checkTxn(&Request{StartTS: startTS, Primary: t.primary, CurrentTS: math.MaxUint64, RollbackIfMissing: true}, &status)
		if e.txns[startTS] != nil {
			e.resolve(&Request{StartTS: startTS, CommitTS: status.CommitTS}, &done)
		}
		n++
	}
	return n
}

// Locked returns how many transactions have locks.
func (e *Engine) Locked() int { return len(e.txns) }
