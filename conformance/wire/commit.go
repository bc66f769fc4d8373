package wire

import (
	"context"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

var ops = map[kvrpcpb.Op]tikv.Op{
	kvrpcpb.Op_Put: tikv.OpPut, kvrpcpb.Op_Del: tikv.OpDelete, kvrpcpb.Op_Lock: tikv.OpLock,
	kvrpcpb.Op_Insert: tikv.OpInsert, kvrpcpb.Op_CheckNotExists: tikv.OpCheckNotExists,
	kvrpcpb.Op_PessimisticLock: tikv.OpPessimisticLock,
}

// KvPrewrite locks the keys of a transaction.
func (s *Store) KvPrewrite(_ context.Context, req *kvrpcpb.PrewriteRequest) (*kvrpcpb.PrewriteResponse, error) {
	engine := tikv.Request{
		Kind: tikv.KindPrewrite, StartTS: req.StartVersion, Primary: string(req.PrimaryLock), TTLMS: req.LockTtl,
		MinCommitTS: req.MinCommitTs, MaxCommitTS: req.MaxCommitTs, ForUpdateTS: req.ForUpdateTs,
		UseAsyncCommit: req.UseAsyncCommit && !s.Plain, TryOnePC: req.TryOnePc && !s.Plain,
		AssertionLevel: tikv.AssertionLevel(req.AssertionLevel), TxnSize: uint32(req.TxnSize),
		Secondaries: texts(req.Secondaries), Region: s.region(req.Context),
		Mutations: make([]tikv.Mutation, len(req.Mutations)),
	}
	if engine.ForUpdateTS != 0 && s.Plain {
		return nil, s.unimplemented("pessimistic transaction")
	}
	for i, m := range req.Mutations {
		if err := s.mutation(m, &engine.Mutations[i]); err != nil {
			return nil, err
		}
		if i < len(req.PessimisticActions) {
			engine.Mutations[i].Pessimistic = tikv.PessimisticAction(req.PessimisticActions[i])
		}
	}
	if len(req.ForUpdateTsConstraints) > 0 {
		engine.ExpectedForUpdateTS = make([]uint64, len(req.Mutations))
		for _, c := range req.ForUpdateTsConstraints {
			engine.ExpectedForUpdateTS[c.Index] = c.ExpectedForUpdateTs
		}
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.PrewriteResponse{RegionError: regionError(&engine, &got), Errors: writeErrors(&engine, &got)}
	if got.Status == tikv.StatusOK {
		resp.MinCommitTs, resp.OnePcCommitTs = got.MinCommitTS, got.CommitTS
	}
	return resp, nil
}

// mutation translates what a transaction writes to one key.
func (s *Store) mutation(m *kvrpcpb.Mutation, to *tikv.Mutation) error {
	op, known := ops[m.Op]
	if !known || s.Plain && op > tikv.OpLock {
		return s.unimplemented("mutation " + m.Op.String())
	}
	*to = tikv.Mutation{Op: op, Key: string(m.Key), Assertion: tikv.Assertion(m.Assertion)}
	if op == tikv.OpPut || op == tikv.OpInsert {
		to.Value = m.Value
	}
	return nil
}

// KvFlush locks some of the keys of a transaction that its client does not hold as
// a whole.
func (s *Store) KvFlush(_ context.Context, req *kvrpcpb.FlushRequest) (*kvrpcpb.FlushResponse, error) {
	if err := s.only("pipelined transaction"); err != nil {
		return nil, err
	}
	engine := tikv.Request{
		Kind: tikv.KindFlush, StartTS: req.StartTs, Primary: string(req.PrimaryKey), TTLMS: req.LockTtl,
		MinCommitTS: req.MinCommitTs, Generation: req.Generation, AssertionLevel: tikv.AssertionLevel(req.AssertionLevel),
		Region: s.region(req.Context), Mutations: make([]tikv.Mutation, len(req.Mutations)),
	}
	for i, m := range req.Mutations {
		if err := s.mutation(m, &engine.Mutations[i]); err != nil {
			return nil, err
		}
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.FlushResponse{RegionError: regionError(&engine, &got), Errors: writeErrors(&engine, &got)}, nil
}

// KvCommit commits keys of a transaction.
func (s *Store) KvCommit(_ context.Context, req *kvrpcpb.CommitRequest) (*kvrpcpb.CommitResponse, error) {
	engine := tikv.Request{
		Kind: tikv.KindCommit, StartTS: req.StartVersion, CommitTS: req.CommitVersion, Keys: texts(req.Keys),
		Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.CommitResponse{
		RegionError: regionError(&engine, &got), Error: commitError(&got, req.StartVersion, req.CommitVersion),
	}
	if got.Region == tikv.RegionOK && got.Status == tikv.StatusOK {
		resp.CommitVersion = req.CommitVersion
	}
	return resp, nil
}

// KvBatchRollback rolls keys of a transaction back.
func (s *Store) KvBatchRollback(_ context.Context, req *kvrpcpb.BatchRollbackRequest) (*kvrpcpb.BatchRollbackResponse, error) {
	engine := tikv.Request{
		Kind: tikv.KindRollback, StartTS: req.StartVersion, Keys: texts(req.Keys), Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.BatchRollbackResponse{RegionError: regionError(&engine, &got), Error: aborted(&got)}, nil
}

// KvCleanup rolls one key's transaction back if it is not committed and its time
// is over; a current time of 0 means that it is.
func (s *Store) KvCleanup(_ context.Context, req *kvrpcpb.CleanupRequest) (*kvrpcpb.CleanupResponse, error) {
	engine := tikv.Request{
		Kind: tikv.KindCleanup, StartTS: req.StartVersion, Key: string(req.Key), CurrentTS: req.CurrentTs,
		Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.CleanupResponse{RegionError: regionError(&engine, &got)}
	switch got.Status {
	case tikv.StatusLocked:
		resp.Error = locked(&got.Locks[0])
	case tikv.StatusCommitted:
		resp.CommitVersion = got.CommitTS
	}
	return resp, nil
}

// KvCheckTxnStatus tells the fate of a transaction from its primary.
func (s *Store) KvCheckTxnStatus(_ context.Context, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	if req.IsTxnFile {
		return nil, s.unimplemented("file-based transaction")
	}
	engine := tikv.Request{
		Kind: tikv.KindCheckTxn, Primary: string(req.PrimaryKey), StartTS: req.LockTs,
		CurrentTS: req.CurrentTs, CallerTS: req.CallerStartTs, RollbackIfMissing: req.RollbackIfNotExist,
		ForceSyncCommit: req.ForceSyncCommit, ResolvingPessimisticLock: req.ResolvingPessimisticLock,
		VerifyPrimary: req.VerifyIsPrimary, Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.CheckTxnStatusResponse{RegionError: regionError(&engine, &got)}
	switch got.Status {
	case tikv.StatusTxnNotFound:
		resp.Error = &kvrpcpb.KeyError{TxnNotFound: &kvrpcpb.TxnNotFound{StartTs: req.LockTs, PrimaryKey: req.PrimaryKey}}
		return resp, nil
	case tikv.StatusPrimaryMismatch:
		resp.Error = &kvrpcpb.KeyError{PrimaryMismatch: &kvrpcpb.PrimaryMismatch{LockInfo: locked(&got.Locks[0]).Locked}}
		return resp, nil
	}
	resp.LockTtl, resp.CommitVersion, resp.Action = got.LockTTLMS, got.CommitTS, actions[got.Action]
	if len(got.Locks) > 0 {
		resp.LockInfo = locked(&got.Locks[0]).Locked
	}
	return resp, nil
}

// KvCheckSecondaryLocks tells whether an async commit's other keys are locked.
func (s *Store) KvCheckSecondaryLocks(_ context.Context, req *kvrpcpb.CheckSecondaryLocksRequest) (*kvrpcpb.CheckSecondaryLocksResponse, error) {
	if err := s.only("async commit"); err != nil {
		return nil, err
	}
	engine := tikv.Request{
		Kind: tikv.KindCheckSecondaryLocks, StartTS: req.StartVersion, Keys: texts(req.Keys), Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.CheckSecondaryLocksResponse{
		RegionError: regionError(&engine, &got), Locks: lockInfos(got.Locks), CommitTs: got.CommitTS,
	}, nil
}

// KvResolveLock finishes the locks of decided transactions.
func (s *Store) KvResolveLock(_ context.Context, req *kvrpcpb.ResolveLockRequest) (*kvrpcpb.ResolveLockResponse, error) {
	if req.IsTxnFile {
		return nil, s.unimplemented("file-based transaction")
	}
	infos := req.TxnInfos
	if len(infos) == 0 {
		infos = []*kvrpcpb.TxnInfo{{Txn: req.StartVersion, Status: req.CommitVersion}}
	}
	reqs, got := make([]tikv.Request, len(infos)), make([]tikv.Response, len(infos))
	for i, info := range infos {
		reqs[i] = tikv.Request{
			Kind: tikv.KindResolve, StartTS: info.Txn, CommitTS: info.Status, Keys: texts(req.Keys), Region: s.region(req.Context),
		}
	}
	if err := s.Handle(reqs, got); err != nil {
		return nil, err
	}
	for i := range got {
		resp := &kvrpcpb.ResolveLockResponse{
			RegionError: regionError(&reqs[i], &got[i]), Error: commitError(&got[i], infos[i].Txn, infos[i].Status),
		}
		if resp.RegionError != nil || resp.Error != nil {
			return resp, nil
		}
	}
	return &kvrpcpb.ResolveLockResponse{}, nil
}

// KvTxnHeartBeat makes the primary's lock live longer.
func (s *Store) KvTxnHeartBeat(_ context.Context, req *kvrpcpb.TxnHeartBeatRequest) (*kvrpcpb.TxnHeartBeatResponse, error) {
	if err := s.only("heartbeat"); err != nil {
		return nil, err
	}
	engine := tikv.Request{
		Kind: tikv.KindTxnHeartBeat, StartTS: req.StartVersion, Primary: string(req.PrimaryLock), TTLMS: req.AdviseLockTtl,
		Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.TxnHeartBeatResponse{RegionError: regionError(&engine, &got), LockTtl: got.LockTTLMS}
	switch got.Status {
	case tikv.StatusOK:
	case tikv.StatusTxnNotFound:
		resp.Error = &kvrpcpb.KeyError{TxnNotFound: &kvrpcpb.TxnNotFound{StartTs: req.StartVersion, PrimaryKey: req.PrimaryLock}}
	default:
		resp.Error = aborted(&got)
	}
	return resp, nil
}

// KvDeleteRange drops everything in a range.
func (s *Store) KvDeleteRange(_ context.Context, req *kvrpcpb.DeleteRangeRequest) (*kvrpcpb.DeleteRangeResponse, error) {
	if err := s.only("deletion of ranges"); err != nil {
		return nil, err
	}
	engine := tikv.Request{
		Kind: tikv.KindDeleteRange, Key: string(req.StartKey), EndKey: string(req.EndKey), Region: s.region(req.Context),
	}
	if req.NotifyOnly {
		return &kvrpcpb.DeleteRangeResponse{}, nil
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.DeleteRangeResponse{RegionError: regionError(&engine, &got)}, nil
}
