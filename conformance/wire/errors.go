package wire

import (
	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

var lockTypes = map[tikv.Op]kvrpcpb.Op{
	tikv.OpPut: kvrpcpb.Op_Put, tikv.OpDelete: kvrpcpb.Op_Del, tikv.OpLock: kvrpcpb.Op_Lock,
}

var actions = map[tikv.Action]kvrpcpb.Action{
	tikv.ActionNone:            kvrpcpb.Action_NoAction,
	tikv.ActionMinCommitTSPush: kvrpcpb.Action_MinCommitTSPushed,
	tikv.ActionExpiredRollback: kvrpcpb.Action_TTLExpireRollback,
	tikv.ActionMissingRollback: kvrpcpb.Action_LockNotExistRollback,
}

func locked(l *tikv.Lock) *kvrpcpb.KeyError {
	return &kvrpcpb.KeyError{Locked: &kvrpcpb.LockInfo{
		PrimaryLock: []byte(l.Primary), LockVersion: l.StartTS, Key: []byte(l.Key), LockTtl: l.TTLMS,
		LockType: lockTypes[l.Op], MinCommitTs: l.MinCommitTS,
	}}
}

// readError is what stood in the way of a read, or nil.
func readError(resp *tikv.Response) *kvrpcpb.KeyError {
	switch resp.Status {
	case tikv.StatusOK:
		return nil
	case tikv.StatusLocked:
		return locked(&resp.Locks[0])
	}
	return &kvrpcpb.KeyError{Abort: resp.Status.String()}
}

func prewriteErrors(req *tikv.Request, resp *tikv.Response) (errs []*kvrpcpb.KeyError) {
	conflict := kvrpcpb.WriteConflict{
		StartTs: req.StartTS, Key: []byte(resp.Key), Primary: []byte(req.Primary),
		ConflictTs: resp.CommitTS, ConflictCommitTs: resp.CommitTS, Reason: kvrpcpb.WriteConflict_Optimistic,
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
		conflict.ConflictTs, conflict.ConflictCommitTs = req.StartTS, 0
		conflict.Reason = kvrpcpb.WriteConflict_SelfRolledBack
	case tikv.StatusWriteConflict:
	default:
		return []*kvrpcpb.KeyError{{Abort: resp.Status.String()}}
	}
	return []*kvrpcpb.KeyError{{Conflict: &conflict}}
}

// commitError is the answer to a commit that was refused.
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
	return &kvrpcpb.KeyError{Abort: resp.Status.String()}
}

// RegionError is what a store answers instead of handling a request, without what
// it would tell of the region as it is. It is nil for RegionOK.
func RegionError(e tikv.RegionError) *errorpb.Error {
	switch e {
	case tikv.RegionNotLeader:
		return &errorpb.Error{NotLeader: &errorpb.NotLeader{}}
	case tikv.RegionEpochNotMatch:
		return &errorpb.Error{EpochNotMatch: &errorpb.EpochNotMatch{}}
	case tikv.RegionNotFound:
		return &errorpb.Error{RegionNotFound: &errorpb.RegionNotFound{}}
	case tikv.RegionStaleCommand:
		return &errorpb.Error{StaleCommand: &errorpb.StaleCommand{}}
	case tikv.RegionServerIsBusy:
		return &errorpb.Error{ServerIsBusy: &errorpb.ServerIsBusy{Reason: "busy"}}
	case tikv.RegionDiskFull:
		return &errorpb.Error{DiskFull: &errorpb.DiskFull{}}
	case tikv.RegionMaxTSNotSynced:
		return &errorpb.Error{MaxTimestampNotSynced: &errorpb.MaxTimestampNotSynced{}}
	case tikv.RegionUndetermined:
		return &errorpb.Error{UndeterminedResult: &errorpb.UndeterminedResult{}}
	}
	return nil
}
