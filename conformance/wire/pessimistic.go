package wire

import (
	"context"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// KvPessimisticLock locks keys before the commit.
func (s *Store) KvPessimisticLock(ctx context.Context, req *kvrpcpb.PessimisticLockRequest) (*kvrpcpb.PessimisticLockResponse, error) {
	if err := s.only("pessimistic transaction"); err != nil {
		return nil, err
	}
	force := req.WakeUpMode == kvrpcpb.PessimisticLockWakeUpMode_WakeUpModeForceLock
	engine := tikv.Request{
		Kind: tikv.KindPessimisticLock, StartTS: req.StartVersion, Primary: string(req.PrimaryLock), TTLMS: req.LockTtl,
		ForUpdateTS: req.ForUpdateTs, MinCommitTS: req.MinCommitTs, ReturnValues: req.ReturnValues,
		CheckExistence: req.CheckExistence, LockOnlyIfExists: req.LockOnlyIfExists, AllowLockWithConflict: force,
		Mutations: make([]tikv.Mutation, len(req.Mutations)), Region: s.region(req.Context),
	}
	for i, m := range req.Mutations {
		if m.Op != kvrpcpb.Op_PessimisticLock {
			return nil, s.unimplemented("mutation " + m.Op.String() + " in a pessimistic lock")
		}
		engine.Mutations[i] = tikv.Mutation{
			Op: tikv.OpPessimisticLock, Key: string(m.Key), Assertion: tikv.Assertion(m.Assertion),
		}
	}
	got, dead, err := s.lock(ctx, &engine, req)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.PessimisticLockResponse{RegionError: regionError(&engine, &got), Errors: writeErrors(&engine, &got)}
	if dead != nil {
		resp.Errors = []*kvrpcpb.KeyError{{Deadlock: dead}}
	}
	for _, k := range got.LockedKeys {
		switch {
		case force:
			resp.Results = append(resp.Results, lockResult(&engine, &k))
		case req.ReturnValues:
			resp.Values, resp.NotFounds = append(resp.Values, k.Value), append(resp.NotFounds, k.NotFound)
		case req.CheckExistence:
			resp.NotFounds = append(resp.NotFounds, k.NotFound)
		}
	}
	if force && len(resp.Errors) > 0 {
		resp.Results = append(resp.Results, &kvrpcpb.PessimisticLockKeyResult{Type: kvrpcpb.PessimisticLockKeyResultType_LockResultFailed})
	}
	return resp, nil
}

func lockResult(req *tikv.Request, k *tikv.LockedKey) *kvrpcpb.PessimisticLockKeyResult {
	result := &kvrpcpb.PessimisticLockKeyResult{Value: k.Value}
	if k.ConflictTS != 0 {
		result.Type, result.LockedWithConflictTs = kvrpcpb.PessimisticLockKeyResultType_LockResultLockedWithConflict, k.ConflictTS
	}
	result.Existence = !k.NotFound && (req.ReturnValues || req.CheckExistence || k.ConflictTS != 0)
	return result
}

// KVPessimisticRollback removes pessimistic locks, of the keys or, if it has none, of
// the whole region. (The odd name is kvproto's.)
func (s *Store) KVPessimisticRollback(_ context.Context, req *kvrpcpb.PessimisticRollbackRequest) (*kvrpcpb.PessimisticRollbackResponse, error) {
	if err := s.only("pessimistic transaction"); err != nil {
		return nil, err
	}
	engine := tikv.Request{
		Kind: tikv.KindPessimisticRollback, StartTS: req.StartVersion, ForUpdateTS: req.ForUpdateTs, Keys: texts(req.Keys),
		Region: s.region(req.Context),
	}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	return &kvrpcpb.PessimisticRollbackResponse{RegionError: regionError(&engine, &got)}, nil
}
