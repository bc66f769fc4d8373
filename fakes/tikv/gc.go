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
		if len(status.Locks) > 0 {
			e.settleAsync(&status)
		}
		if e.txns[startTS] != nil {
			e.resolve(&Request{StartTS: startTS, CommitTS: status.CommitTS}, &done)
		}
		n++
	}
	return n
}

// settleAsync finds out what became of a transaction in async commit whose
// primary's lock stands, as whoever meets such a lock does: if a key holds none,
// it is rolled back; if one is not in async commit, so is none; else it is
// committed at the greatest of the minimums.
func (e *Engine) settleAsync(status *Response) {
	primary := status.Locks[0]
	var others Response
	e.checkSecondaryLocks(&Request{StartTS: primary.StartTS, Keys: primary.Secondaries}, &others)
	if len(others.Locks) < len(primary.Secondaries) {
		status.CommitTS = others.CommitTS
		return
	}
	commitTS := primary.MinCommitTS
	for i := range others.Locks {
		if !others.Locks[i].UseAsyncCommit {
			e.checkTxn(&Request{
				StartTS: primary.StartTS, Primary: primary.Key, CurrentTS: math.MaxUint64, ForceSyncCommit: true,
			}, status)
			return
		}
		commitTS = max(commitTS, others.Locks[i].MinCommitTS)
	}
	status.CommitTS = commitTS
}

// Locked returns how many transactions have locks.
func (e *Engine) Locked() int { return len(e.txns) }

// deleteRange drops all that there is in a range, locks included, behind the back
// of transactions. The ledger does not tell.
func (e *Engine) deleteRange(req *Request) {
	e.rows.cut(req.Key, req.EndKey, func(key string, r *row) {
		if r.lock.startTS != 0 {
			e.release(e.txns[r.lock.startTS], r, key)
		}
	})
}
