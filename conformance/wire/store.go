// Package wire is the one translation between TiKV's protocol and the engine of
// package fakes/tikv: messages of kvproto in, requests of the engine out, and
// back. What carries the messages is another's business: package
// conformance/rpc in one process, a gRPC server in module e2e.
//
// Commands and flags that the engine lacks are answered with gRPC's Unimplemented.
// Async commit and one-phase commit are declined as the protocol provides, and
// clients go on in two phases.
package wire

import (
	"context"
	"math"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Store is one or more stores of TiKV. Its methods are those of the service that
// kvproto defines; all may be called at once.
type Store struct {
	Regions *Regions
	// Handle lets the engine handle requests, one after the other and with no
	// others between them, and fills in as many responses. An error means that
	// no answer may leave.
	Handle func(reqs []tikv.Request, resps []tikv.Response) error
}

func (s *Store) one(req tikv.Request) (tikv.Response, error) {
	var resps [1]tikv.Response
	err := s.Handle([]tikv.Request{req}, resps[:])
	return resps[0], err
}

func unimplemented(what string) error {
	return status.Errorf(codes.Unimplemented, "no %s: the store has plain optimistic transactions only", what)
}

func texts(keys [][]byte) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = string(key)
	}
	return list
}

// KvGet reads one key.
func (s *Store) KvGet(_ context.Context, req *kvrpcpb.GetRequest) (*kvrpcpb.GetResponse, error) {
	resp := &kvrpcpb.GetResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Key); resp.RegionError != nil {
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

// KvBatchGet reads several keys at once.
func (s *Store) KvBatchGet(_ context.Context, req *kvrpcpb.BatchGetRequest) (*kvrpcpb.BatchGetResponse, error) {
	resp := &kvrpcpb.BatchGetResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Keys...); resp.RegionError != nil {
		return resp, nil
	}
	reqs, got := make([]tikv.Request, len(req.Keys)), make([]tikv.Response, len(req.Keys))
	for i, key := range req.Keys {
		reqs[i] = tikv.Request{
			Kind: tikv.KindGet, Key: string(key), StartTS: req.Version, Resolved: req.Context.GetResolvedLocks(),
		}
	}
	if err := s.Handle(reqs, got); err != nil {
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
func (s *Store) KvScan(_ context.Context, req *kvrpcpb.ScanRequest) (*kvrpcpb.ScanResponse, error) {
	if req.Reverse || req.SampleStep > 0 {
		return nil, unimplemented("reverse or sampled scan")
	}
	resp := &kvrpcpb.ScanResponse{}
	r, failed := s.Regions.admit(req.Context, req.StartKey)
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

// KvPrewrite locks the keys of a transaction.
func (s *Store) KvPrewrite(_ context.Context, req *kvrpcpb.PrewriteRequest) (*kvrpcpb.PrewriteResponse, error) {
	if req.ForUpdateTs != 0 {
		return nil, unimplemented("pessimistic transaction")
	}
	keys := make([][]byte, len(req.Mutations))
	engine := tikv.Request{
		Kind: tikv.KindPrewrite, StartTS: req.StartVersion, Primary: string(req.PrimaryLock), TTLMS: req.LockTtl,
		MinCommitTS: req.MinCommitTs,
		Mutations:   make([]tikv.Mutation, len(req.Mutations)),
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
	if _, resp.RegionError = s.Regions.admit(req.Context, keys...); resp.RegionError != nil {
		return resp, nil
	}
	got, err := s.one(engine)
	if err != nil {
		return nil, err
	}
	resp.Errors = prewriteErrors(&engine, &got)
	return resp, nil
}

// KvCommit commits keys of a transaction.
func (s *Store) KvCommit(_ context.Context, req *kvrpcpb.CommitRequest) (*kvrpcpb.CommitResponse, error) {
	resp := &kvrpcpb.CommitResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Keys...); resp.RegionError != nil {
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

// KvBatchRollback rolls keys of a transaction back.
func (s *Store) KvBatchRollback(_ context.Context, req *kvrpcpb.BatchRollbackRequest) (*kvrpcpb.BatchRollbackResponse, error) {
	resp := &kvrpcpb.BatchRollbackResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Keys...); resp.RegionError != nil {
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
func (s *Store) KvCleanup(_ context.Context, req *kvrpcpb.CleanupRequest) (*kvrpcpb.CleanupResponse, error) {
	resp := &kvrpcpb.CleanupResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Key); resp.RegionError != nil {
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

// KvCheckTxnStatus tells the fate of a transaction from its primary.
func (s *Store) KvCheckTxnStatus(_ context.Context, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	if req.ResolvingPessimisticLock || req.IsTxnFile {
		return nil, unimplemented("pessimistic or file-based transaction")
	}
	resp := &kvrpcpb.CheckTxnStatusResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.PrimaryKey); resp.RegionError != nil {
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

// KvResolveLock finishes the locks of decided transactions.
func (s *Store) KvResolveLock(_ context.Context, req *kvrpcpb.ResolveLockRequest) (*kvrpcpb.ResolveLockResponse, error) {
	if req.IsTxnFile {
		return nil, unimplemented("file-based transaction")
	}
	resp := &kvrpcpb.ResolveLockResponse{}
	if _, resp.RegionError = s.Regions.admit(req.Context, req.Keys...); resp.RegionError != nil {
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
func (s *Store) GetStoreSafeTS(context.Context, *kvrpcpb.StoreSafeTSRequest) (*kvrpcpb.StoreSafeTSResponse, error) {
	return &kvrpcpb.StoreSafeTSResponse{}, nil
}
