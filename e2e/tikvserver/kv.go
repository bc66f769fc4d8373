package tikvserver

import (
	"context"
	"math"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// kv is the store's service. Commands that are not methods of it are answered
// with Unimplemented.
type kv struct {
	tikvpb.UnimplementedTikvServer
	*Server
}

func unimplemented(what string) error {
	return status.Errorf(codes.Unimplemented, "tikv-server: no %s: it has plain optimistic transactions only", what)
}

func (s kv) KvGet(_ context.Context, req *kvrpcpb.GetRequest) (*kvrpcpb.GetResponse, error) {
	resp := &kvrpcpb.GetResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Key); resp.RegionError != nil {
		return resp, nil
	}
	got, err := s.one(tikv.Request{
		Kind: tikv.KindGet, Key: string(req.Key), StartTS: req.Version, Resolved: req.Context.GetResolvedLocks(),
	})
	if err != nil {
		return nil, err
	}
	resp.Value, resp.NotFound, resp.Error = got.Value, got.NotFound, readError(&got)
	return resp, nil
}

func (s kv) KvBatchGet(_ context.Context, req *kvrpcpb.BatchGetRequest) (*kvrpcpb.BatchGetResponse, error) {
	resp := &kvrpcpb.BatchGetResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Keys...); resp.RegionError != nil {
		return resp, nil
	}
	reqs, got := make([]tikv.Request, len(req.Keys)), make([]tikv.Response, len(req.Keys))
	for i, key := range req.Keys {
		reqs[i] = tikv.Request{
			Kind: tikv.KindGet, Key: string(key), StartTS: req.Version, Resolved: req.Context.GetResolvedLocks(),
		}
	}
	if err := s.handle(reqs, got); err != nil {
		return nil, err
	}
	for i, key := range req.Keys {
		if e := readError(&got[i]); e != nil {
			resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: key, Error: e})
		} else if !got[i].NotFound {
			resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: key, Value: got[i].Value})
		}
	}
	return resp, nil
}

// KvScan reads a page. A locked row takes a place in it, with the lock instead of
// a value, and the page goes on behind it.
func (s kv) KvScan(_ context.Context, req *kvrpcpb.ScanRequest) (*kvrpcpb.ScanResponse, error) {
	if req.Reverse || req.SampleStep > 0 {
		return nil, unimplemented("reverse or sampled scan")
	}
	resp := &kvrpcpb.ScanResponse{}
	r, failed := s.admit(req.Context, req.StartKey)
	if failed != nil {
		resp.RegionError = failed
		return resp, nil
	}
	end := string(req.EndKey)
	if r.end != "" && (end == "" || r.end < end) {
		end = r.end
	}
	for from := string(req.StartKey); len(resp.Pairs) < int(req.Limit); {
		page, err := s.one(tikv.Request{
			Kind: tikv.KindScan, Key: from, EndKey: end, Limit: int(req.Limit) - len(resp.Pairs),
			StartTS: req.Version, Resolved: req.Context.GetResolvedLocks(),
		})
		if err != nil {
			return nil, err
		}
		for _, p := range page.Pairs {
			pair := &kvrpcpb.KvPair{Key: []byte(p.Key), Value: p.Value}
			if req.KeyOnly {
				pair.Value = nil
			}
			resp.Pairs = append(resp.Pairs, pair)
		}
		if page.Status == tikv.StatusOK {
			break
		}
		if page.Status != tikv.StatusLocked {
			resp.Error = readError(&page)
			return resp, nil
		}
		resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(page.Key), Error: readError(&page)})
		from = page.Key + "\x00"
	}
	return resp, nil
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

var lockTypes = map[tikv.Op]kvrpcpb.Op{
	tikv.OpPut: kvrpcpb.Op_Put, tikv.OpDelete: kvrpcpb.Op_Del, tikv.OpLock: kvrpcpb.Op_Lock,
}

func locked(l *tikv.Lock) *kvrpcpb.KeyError {
	return &kvrpcpb.KeyError{Locked: &kvrpcpb.LockInfo{
		PrimaryLock: []byte(l.Primary), LockVersion: l.StartTS, Key: []byte(l.Key), LockTtl: l.TTLMS,
		LockType: lockTypes[l.Op], MinCommitTs: l.MinCommitTS,
	}}
}

func (s kv) KvPrewrite(_ context.Context, req *kvrpcpb.PrewriteRequest) (*kvrpcpb.PrewriteResponse, error) {
	if req.ForUpdateTs != 0 {
		return nil, unimplemented("pessimistic transaction")
	}
	keys := make([][]byte, len(req.Mutations))
	engine := tikv.Request{
		Kind: tikv.KindPrewrite, StartTS: req.StartVersion, Primary: string(req.PrimaryLock), TTLMS: req.LockTtl,
		Mutations: make([]tikv.Mutation, len(req.Mutations)),
	}
	for i, m := range req.Mutations {
		keys[i] = m.Key
		to := &engine.Mutations[i]
		to.Key, to.Value = string(m.Key), m.Value
		switch m.Op {
		case kvrpcpb.Op_Put:
			to.Op = tikv.OpPut
		case kvrpcpb.Op_Del:
			to.Op, to.Value = tikv.OpDelete, nil
		case kvrpcpb.Op_Lock:
			to.Op, to.Value = tikv.OpLock, nil
		default:
			return nil, unimplemented("mutation " + m.Op.String())
		}
	}
	// A minimum of 0 for the commit timestamp in the answer declines async commit
	// and one-phase commit.
	resp := &kvrpcpb.PrewriteResponse{}
	if _, resp.RegionError = s.admit(req.Context, keys...); resp.RegionError != nil {
		return resp, nil
	}
	got, err := s.one(engine)
	if err != nil {
		return nil, err
	}
	resp.Errors = prewriteErrors(&engine, &got)
	return resp, nil
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

func (s kv) KvCommit(_ context.Context, req *kvrpcpb.CommitRequest) (*kvrpcpb.CommitResponse, error) {
	resp := &kvrpcpb.CommitResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Keys...); resp.RegionError != nil {
		return resp, nil
	}
	got, err := s.one(tikv.Request{
		Kind: tikv.KindCommit, StartTS: req.StartVersion, CommitTS: req.CommitVersion, Keys: texts(req.Keys),
	})
	if err != nil {
		return nil, err
	}
	if got.Status == tikv.StatusOK {
		resp.CommitVersion = req.CommitVersion
	} else {
		resp.Error = commitError(&got, req.StartVersion, req.CommitVersion)
	}
	return resp, nil
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

func texts(keys [][]byte) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = string(key)
	}
	return list
}

func (s kv) KvBatchRollback(_ context.Context, req *kvrpcpb.BatchRollbackRequest) (*kvrpcpb.BatchRollbackResponse, error) {
	resp := &kvrpcpb.BatchRollbackResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Keys...); resp.RegionError != nil {
		return resp, nil
	}
	got, err := s.one(tikv.Request{Kind: tikv.KindRollback, StartTS: req.StartVersion, Keys: texts(req.Keys)})
	if err != nil {
		return nil, err
	}
	if got.Status != tikv.StatusOK {
		resp.Error = &kvrpcpb.KeyError{Abort: got.Status.String()}
	}
	return resp, nil
}

// KvCleanup rolls one key's transaction back if it is not committed and its time
// is over; a current time of 0 means that it is.
func (s kv) KvCleanup(_ context.Context, req *kvrpcpb.CleanupRequest) (*kvrpcpb.CleanupResponse, error) {
	resp := &kvrpcpb.CleanupResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Key); resp.RegionError != nil {
		return resp, nil
	}
	current := req.CurrentTs
	if current == 0 {
		current = math.MaxUint64
	}
	got, err := s.one(tikv.Request{
		Kind: tikv.KindCheckTxn, Primary: string(req.Key), StartTS: req.StartVersion, CurrentTS: current, RollbackIfMissing: true,
	})
	switch {
	case err != nil:
		return nil, err
	case got.LockTTLMS > 0:
		resp.Error = locked(&tikv.Lock{
			Key: string(req.Key), Primary: string(req.Key), StartTS: req.StartVersion, TTLMS: got.LockTTLMS, Op: tikv.OpPut,
		})
	default:
		resp.CommitVersion = got.CommitTS
	}
	return resp, nil
}

var actions = map[tikv.Action]kvrpcpb.Action{
	tikv.ActionNone:            kvrpcpb.Action_NoAction,
	tikv.ActionMinCommitTSPush: kvrpcpb.Action_MinCommitTSPushed,
	tikv.ActionExpiredRollback: kvrpcpb.Action_TTLExpireRollback,
	tikv.ActionMissingRollback: kvrpcpb.Action_LockNotExistRollback,
}

func (s kv) KvCheckTxnStatus(_ context.Context, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	if req.ResolvingPessimisticLock || req.IsTxnFile {
		return nil, unimplemented("pessimistic or file-based transaction")
	}
	resp := &kvrpcpb.CheckTxnStatusResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.PrimaryKey); resp.RegionError != nil {
		return resp, nil
	}
	// A caller that reads the newest values whatever their time pushes nothing:
	// no commit can be later than that.
	latest := req.CallerStartTs == math.MaxUint64
	engine := tikv.Request{
		Kind: tikv.KindCheckTxn, Primary: string(req.PrimaryKey), StartTS: req.LockTs,
		CurrentTS: req.CurrentTs, CallerTS: req.CallerStartTs, RollbackIfMissing: req.RollbackIfNotExist,
	}
	if latest {
		engine.CallerTS = 0
	}
	got, err := s.one(engine)
	if err != nil {
		return nil, err
	}
	if got.Status == tikv.StatusTxnNotFound {
		resp.Error = &kvrpcpb.KeyError{TxnNotFound: &kvrpcpb.TxnNotFound{StartTs: req.LockTs, PrimaryKey: req.PrimaryKey}}
		return resp, nil
	}
	resp.LockTtl, resp.CommitVersion, resp.Action = got.LockTTLMS, got.CommitTS, actions[got.Action]
	if got.LockTTLMS > 0 {
		if latest {
			resp.Action = kvrpcpb.Action_MinCommitTSPushed
		}
		resp.LockInfo = locked(&tikv.Lock{
			Key: engine.Primary, Primary: engine.Primary, StartTS: req.LockTs,
			TTLMS: got.LockTTLMS, MinCommitTS: got.MinCommitTS, Op: tikv.OpPut,
		}).Locked
	}
	return resp, nil
}

func (s kv) KvResolveLock(_ context.Context, req *kvrpcpb.ResolveLockRequest) (*kvrpcpb.ResolveLockResponse, error) {
	if req.IsTxnFile {
		return nil, unimplemented("file-based transaction")
	}
	resp := &kvrpcpb.ResolveLockResponse{}
	if _, resp.RegionError = s.admit(req.Context, req.Keys...); resp.RegionError != nil {
		return resp, nil
	}
	infos := req.TxnInfos
	if len(infos) == 0 {
		infos = []*kvrpcpb.TxnInfo{{Txn: req.StartVersion, Status: req.CommitVersion}}
	}
	for _, info := range infos {
		got, err := s.one(tikv.Request{
			Kind: tikv.KindResolve, StartTS: info.Txn, CommitTS: info.Status, Keys: texts(req.Keys),
		})
		if err != nil {
			return nil, err
		}
		if got.Status != tikv.StatusOK {
			resp.Error = commitError(&got, info.Txn, info.Status)
			break
		}
	}
	return resp, nil
}

// GetStoreSafeTS says that no follower may be read: there is none.
func (s kv) GetStoreSafeTS(context.Context, *kvrpcpb.StoreSafeTSRequest) (*kvrpcpb.StoreSafeTSResponse, error) {
	return &kvrpcpb.StoreSafeTSResponse{}, nil
}
