package wire

import (
	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

var lockTypes = map[tikv.Op]kvrpcpb.Op{
	tikv.OpPut: kvrpcpb.Op_Put, tikv.OpDelete: kvrpcpb.Op_Del, tikv.OpLock: kvrpcpb.Op_Lock,
	tikv.OpPessimisticLock: kvrpcpb.Op_PessimisticLock,
}

var actions = map[tikv.Action]kvrpcpb.Action{
	tikv.ActionNone:                       kvrpcpb.Action_NoAction,
	tikv.ActionMinCommitTSPush:            kvrpcpb.Action_MinCommitTSPushed,
	tikv.ActionExpiredRollback:            kvrpcpb.Action_TTLExpireRollback,
	tikv.ActionMissingRollback:            kvrpcpb.Action_LockNotExistRollback,
	tikv.ActionExpiredPessimisticRollback: kvrpcpb.Action_TTLExpirePessimisticRollback,
	tikv.ActionMissingDoNothing:           kvrpcpb.Action_LockNotExistDoNothing,
}

func locked(l *tikv.Lock) *kvrpcpb.KeyError {
	return &kvrpcpb.KeyError{Locked: &kvrpcpb.LockInfo{
		PrimaryLock: []byte(l.Primary), LockVersion: l.StartTS, Key: []byte(l.Key), LockTtl: l.TTLMS,
		LockType: lockTypes[l.Op], MinCommitTs: l.MinCommitTS, TxnSize: uint64(l.TxnSize), LockForUpdateTs: l.ForUpdateTS,
		UseAsyncCommit: l.UseAsyncCommit, Secondaries: bytesOf(l.Secondaries),
	}}
}

func lockInfos(locks []tikv.Lock) (infos []*kvrpcpb.LockInfo) {
	for i := range locks {
		infos = append(infos, locked(&locks[i]).Locked)
	}
	return infos
}

// aborted is a refusal that has no message of its own, or nil.
func aborted(resp *tikv.Response) *kvrpcpb.KeyError {
	if resp.Status == tikv.StatusOK {
		return nil
	}
	return &kvrpcpb.KeyError{Abort: resp.Status.String()}
}

// readError is what stood in the way of a read, or nil.
func readError(resp *tikv.Response) *kvrpcpb.KeyError {
	if resp.Status == tikv.StatusLocked {
		return locked(&resp.Locks[0])
	}
	return aborted(resp)
}

// writeErrors are the answer to a prewrite or a pessimistic lock that was refused.
func writeErrors(req *tikv.Request, resp *tikv.Response) (errs []*kvrpcpb.KeyError) {
	key := []byte(resp.Key)
	conflict := func(reason kvrpcpb.WriteConflict_Reason) []*kvrpcpb.KeyError {
		return []*kvrpcpb.KeyError{{Conflict: &kvrpcpb.WriteConflict{
			StartTs: req.StartTS, Key: key, Primary: []byte(req.Primary), Reason: reason,
			ConflictTs: resp.ConflictStartTS, ConflictCommitTs: resp.CommitTS,
		}}}
	}
	switch resp.Status {
	case tikv.StatusOK:
		return nil
	case tikv.StatusLocked:
		for i := range resp.Locks {
			errs = append(errs, locked(&resp.Locks[i]))
		}
		return errs
	case tikv.StatusRolledBack:
		return conflict(kvrpcpb.WriteConflict_SelfRolledBack)
	case tikv.StatusWriteConflict:
		return conflict(conflictReason(req))
	case tikv.StatusAlreadyExist:
		return []*kvrpcpb.KeyError{{AlreadyExist: &kvrpcpb.AlreadyExist{Key: key}}}
	case tikv.StatusAssertionFailed:
		return []*kvrpcpb.KeyError{{AssertionFailed: &kvrpcpb.AssertionFailed{
			StartTs: req.StartTS, Key: key, Assertion: assertionOf(req, resp.Key),
			ExistingStartTs: resp.ConflictStartTS, ExistingCommitTs: resp.CommitTS,
		}}}
	}
	return []*kvrpcpb.KeyError{aborted(resp)}
}

func conflictReason(req *tikv.Request) kvrpcpb.WriteConflict_Reason {
	switch {
	case req.Kind == tikv.KindPessimisticLock:
		return kvrpcpb.WriteConflict_PessimisticRetry
	case req.ForUpdateTS != 0:
		return kvrpcpb.WriteConflict_LazyUniquenessCheck
	}
	return kvrpcpb.WriteConflict_Optimistic
}

func assertionOf(req *tikv.Request, key string) kvrpcpb.Assertion {
	for i := range req.Mutations {
		if req.Mutations[i].Key == key {
			return kvrpcpb.Assertion(req.Mutations[i].Assertion)
		}
	}
	return kvrpcpb.Assertion_None
}

// commitError is the answer to a commit that was refused, or nil.
func commitError(resp *tikv.Response, startTS, commitTS uint64) *kvrpcpb.KeyError {
	key := []byte(resp.Key)
	switch resp.Status {
	case tikv.StatusCommitTSExpired:
		return &kvrpcpb.KeyError{CommitTsExpired: &kvrpcpb.CommitTsExpired{
			StartTs: startTS, AttemptedCommitTs: commitTS, Key: key, MinCommitTs: resp.MinCommitTS,
		}}
	case tikv.StatusLockNotFound:
		return &kvrpcpb.KeyError{
			Retryable:       "the transaction's lock is not found",
			TxnLockNotFound: &kvrpcpb.TxnLockNotFound{Key: key},
		}
	}
	return aborted(resp)
}
