package wire

import (
	"context"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// read is what all reads have in common.
func (s *Store) read(kind tikv.Kind, ctx *kvrpcpb.Context, version uint64) tikv.Request {
	return tikv.Request{
		Kind: kind, StartTS: version, Resolved: ctx.GetResolvedLocks(), Committed: ctx.GetCommittedLocks(),
		IsolationRC: ctx.GetIsolationLevel() == kvrpcpb.IsolationLevel_RC, Region: s.region(ctx),
	}
}

// KvGet reads one key.
func (s *Store) KvGet(_ context.Context, req *kvrpcpb.GetRequest) (*kvrpcpb.GetResponse, error) {
	engine := s.read(tikv.KindGet, req.Context, req.Version)
	engine.Key, engine.ReturnCommitTS = string(req.Key), req.NeedCommitTs
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.GetResponse{
		RegionError: regionError(&engine, &got), Error: readError(&got), Value: got.Value, NotFound: got.NotFound,
		CommitTs: got.CommitTS,
	}, nil
}

// KvBatchGet reads several keys at once.
func (s *Store) KvBatchGet(_ context.Context, req *kvrpcpb.BatchGetRequest) (*kvrpcpb.BatchGetResponse, error) {
	if req.NeedCommitTs {
		return s.getEach(req)
	}
	engine := s.read(tikv.KindBatchGet, req.Context, req.Version)
	engine.Keys = texts(req.Keys)
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.BatchGetResponse{RegionError: regionError(&engine, &got)}
	if got.Status != tikv.StatusOK && got.Status != tikv.StatusLocked {
		resp.Error = readError(&got)
		return resp, nil
	}
	for _, p := range got.Pairs {
		resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(p.Key), Value: p.Value})
	}
	for i := range got.Locks {
		resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(got.Locks[i].Key), Error: locked(&got.Locks[i])})
	}
	return resp, nil
}

// getEach is KvBatchGet with timestamps, which the engine tells of single keys.
func (s *Store) getEach(req *kvrpcpb.BatchGetRequest) (*kvrpcpb.BatchGetResponse, error) {
	reqs, got := make([]tikv.Request, len(req.Keys)), make([]tikv.Response, len(req.Keys))
	for i, key := range req.Keys {
		reqs[i] = s.read(tikv.KindGet, req.Context, req.Version)
		reqs[i].Key, reqs[i].ReturnCommitTS = string(key), true
	}
	if err := s.Handle(reqs, got); err != nil {
		return nil, err
	}
	resp := &kvrpcpb.BatchGetResponse{}
	for i := range got {
		if failed := regionError(&reqs[i], &got[i]); failed != nil {
			return &kvrpcpb.BatchGetResponse{RegionError: failed}, nil
		}
		switch g := &got[i]; {
		case g.Status == tikv.StatusLocked:
			resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: req.Keys[i], Error: readError(g)})
		case g.Status != tikv.StatusOK:
			return &kvrpcpb.BatchGetResponse{Error: readError(g)}, nil
		case !g.NotFound:
			resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: req.Keys[i], Value: g.Value, CommitTs: g.CommitTS})
		}
	}
	return resp, nil
}

// KvBufferBatchGet reads what a transaction has flushed itself. A key that it has
// deleted comes back without a value.
func (s *Store) KvBufferBatchGet(_ context.Context, req *kvrpcpb.BufferBatchGetRequest) (*kvrpcpb.BufferBatchGetResponse, error) {
	if err := s.only("pipelined transaction"); err != nil {
		return nil, err
	}
	engine := tikv.Request{Kind: tikv.KindBufferBatchGet, StartTS: req.Version, Keys: texts(req.Keys), Region: s.region(req.Context)}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.BufferBatchGetResponse{RegionError: regionError(&engine, &got), Error: aborted(&got)}
	for _, p := range got.Pairs {
		resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(p.Key), Value: p.Value})
	}
	return resp, nil
}

// KvScan reads a page. A locked row takes a place in it, with the lock instead of
// a value, and the page goes on behind it.
func (s *Store) KvScan(_ context.Context, req *kvrpcpb.ScanRequest) (*kvrpcpb.ScanResponse, error) {
	if req.SampleStep > 0 {
		return nil, s.unimplemented("sampled scan")
	}
	engine := s.read(tikv.KindScan, req.Context, req.Version)
	engine.Key, engine.EndKey, engine.Reverse, engine.KeyOnly = string(req.StartKey), string(req.EndKey), req.Reverse, req.KeyOnly
	resp := &kvrpcpb.ScanResponse{}
	for len(resp.Pairs) < int(req.Limit) {
		engine.Limit = int(req.Limit) - len(resp.Pairs)
		page, err := s.one(&engine)
		if err != nil {
			return nil, err
		}
		if failed := regionError(&engine, &page); failed != nil {
			return &kvrpcpb.ScanResponse{RegionError: failed}, nil
		}
		for _, p := range page.Pairs {
			resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(p.Key), Value: p.Value})
		}
		if page.Status == tikv.StatusOK {
			break
		}
		if page.Status != tikv.StatusLocked {
			resp.Error = readError(&page)
			break
		}
		resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: []byte(page.Key), Error: readError(&page)})
		if engine.Key = page.Key; !req.Reverse {
			engine.Key += "\x00"
		}
		if page.Key == "" && req.Reverse || req.EndKey != nil && !req.Reverse && engine.Key >= engine.EndKey {
			break
		}
	}
	return resp, nil
}

// KvScanLock lists the locks of transactions that began at or before a time.
func (s *Store) KvScanLock(_ context.Context, req *kvrpcpb.ScanLockRequest) (*kvrpcpb.ScanLockResponse, error) {
	engine := s.read(tikv.KindScanLock, req.Context, req.MaxVersion)
	engine.Key, engine.EndKey, engine.Limit = string(req.StartKey), string(req.EndKey), int(req.Limit)
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.ScanLockResponse{RegionError: regionError(&engine, &got), Locks: lockInfos(got.Locks)}, nil
}

// GetStoreSafeTS says that no follower may be read: there is none.
func (s *Store) GetStoreSafeTS(context.Context, *kvrpcpb.StoreSafeTSRequest) (*kvrpcpb.StoreSafeTSResponse, error) {
	return &kvrpcpb.StoreSafeTSResponse{}, nil
}
