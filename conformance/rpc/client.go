package rpc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/util/async"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// client is the end at which a client finds the stores.
type client struct{ *way }

var _ clienttikv.Client = (*client)(nil)

// SendRequest carries a request to a store, and fails as the client's own
// connections do: with the context's error, or with DeadlineExceeded after timeout.
func (c *client) SendRequest(ctx context.Context, address string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	tikvrpc.AttachContext(req, req.Context)
	deliver, err := c.packed(address, req)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := travel(limited, c.way, describe(req), func(fate Fate) (*tikvrpc.Response, error) {
		if fate.Region != tikv.RegionOK {
			return tikvrpc.GenRegionErrorResp(req, wire.RegionError(fate.Region))
		}
		body, err := deliver()
		if err != nil {
			return nil, err
		}
		return &tikvrpc.Response{Resp: body}, nil
	})
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, context.DeadlineExceeded
	}
	return nil, err
}

// SendRequestAsync is SendRequest on a goroutine of its own.
func (c *client) SendRequestAsync(ctx context.Context, address string, req *tikvrpc.Request, cb async.Callback[*tikvrpc.Response]) {
	c.cluster.running.Go(func() { cb.Schedule(c.SendRequest(ctx, address, req, asyncTimeout)) })
}

// asyncTimeout is the client's own for short reads.
const asyncTimeout = 30 * time.Second

// Close leaves the cluster to the other clients.
func (c *client) Close() error                                    { return nil }
func (c *client) CloseAddr(string) error                          { return nil }
func (c *client) SetEventListener(clienttikv.ClientEventListener) {}

// describe tells a hook what a request is.
func describe(req *tikvrpc.Request) *Call {
	c := &Call{Method: req.Type.String(), Real: req}
	var keys [][]byte
	switch m := req.Req.(type) {
	case *kvrpcpb.GetRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindGet, m.Version, string(m.Key)
	case *kvrpcpb.BatchGetRequest:
		c.Kind, c.StartTS, keys = tikv.KindBatchGet, m.Version, m.Keys
	case *kvrpcpb.ScanRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindScan, m.Version, string(m.StartKey)
	case *kvrpcpb.PrewriteRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindPrewrite, m.StartVersion, string(m.Mutations[0].Key)
	case *kvrpcpb.FlushRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindFlush, m.StartTs, string(m.Mutations[0].Key)
	case *kvrpcpb.BufferBatchGetRequest:
		c.Kind, c.StartTS, keys = tikv.KindBufferBatchGet, m.Version, m.Keys
	case *kvrpcpb.CommitRequest:
		c.Kind, c.StartTS, keys = tikv.KindCommit, m.StartVersion, m.Keys
	case *kvrpcpb.BatchRollbackRequest:
		c.Kind, c.StartTS, keys = tikv.KindRollback, m.StartVersion, m.Keys
	case *kvrpcpb.CheckTxnStatusRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindCheckTxn, m.LockTs, string(m.PrimaryKey)
	case *kvrpcpb.ResolveLockRequest:
		c.Kind, c.StartTS, keys = tikv.KindResolve, m.StartVersion, m.Keys
	case *kvrpcpb.CheckSecondaryLocksRequest:
		c.Kind, c.StartTS, keys = tikv.KindCheckSecondaryLocks, m.StartVersion, m.Keys
	case *kvrpcpb.TxnHeartBeatRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindTxnHeartBeat, m.StartVersion, string(m.PrimaryLock)
	case *kvrpcpb.PessimisticLockRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindPessimisticLock, m.StartVersion, string(m.Mutations[0].Key)
	case *kvrpcpb.PessimisticRollbackRequest:
		c.Kind, c.StartTS, keys = tikv.KindPessimisticRollback, m.StartVersion, m.Keys
	case *kvrpcpb.ScanLockRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindScanLock, m.MaxVersion, string(m.StartKey)
	case *kvrpcpb.CleanupRequest:
		c.Kind, c.StartTS, c.Key = tikv.KindCleanup, m.StartVersion, string(m.Key)
	case *kvrpcpb.DeleteRangeRequest:
		c.Kind, c.Key = tikv.KindDeleteRange, string(m.StartKey)
	}
	if len(keys) > 0 {
		c.Key = string(keys[0])
	}
	return c
}

func (c *client) packed(address string, req *tikvrpc.Request) (deliver func() (any, error), err error) {
	if c.cluster.mock != nil {
		return c.cluster.mock.packed(address, req)
	}
	id, err := strconv.ParseUint(strings.TrimPrefix(address, addressPrefix), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("no store has the address %q", address)
	}
	return packed(&wire.Store{ID: id, Handle: c.cluster.handle, Regions: c.cluster.placement(), Waits: &c.cluster.waits}, req)
}

// packed marshals a request as it is now. deliver lets the store execute what was
// marshalled, and returns an answer that shares no memory with it.
func packed(s *wire.Store, req *tikvrpc.Request) (deliver func() (any, error), err error) {
	switch m := req.Req.(type) {
	case *kvrpcpb.GetRequest:
		return pack(m, s.KvGet)
	case *kvrpcpb.BatchGetRequest:
		return pack(m, s.KvBatchGet)
	case *kvrpcpb.ScanRequest:
		return pack(m, s.KvScan)
	case *kvrpcpb.PrewriteRequest:
		return pack(m, s.KvPrewrite)
	case *kvrpcpb.FlushRequest:
		return pack(m, s.KvFlush)
	case *kvrpcpb.BufferBatchGetRequest:
		return pack(m, s.KvBufferBatchGet)
	case *kvrpcpb.CommitRequest:
		return pack(m, s.KvCommit)
	case *kvrpcpb.BatchRollbackRequest:
		return pack(m, s.KvBatchRollback)
	case *kvrpcpb.CleanupRequest:
		return pack(m, s.KvCleanup)
	case *kvrpcpb.CheckTxnStatusRequest:
		return pack(m, s.KvCheckTxnStatus)
	case *kvrpcpb.ResolveLockRequest:
		return pack(m, s.KvResolveLock)
	case *kvrpcpb.CheckSecondaryLocksRequest:
		return pack(m, s.KvCheckSecondaryLocks)
	case *kvrpcpb.TxnHeartBeatRequest:
		return pack(m, s.KvTxnHeartBeat)
	case *kvrpcpb.PessimisticLockRequest:
		return pack(m, s.KvPessimisticLock)
	case *kvrpcpb.PessimisticRollbackRequest:
		return pack(m, s.KVPessimisticRollback)
	case *kvrpcpb.ScanLockRequest:
		return pack(m, s.KvScanLock)
	case *kvrpcpb.DeleteRangeRequest:
		return pack(m, s.KvDeleteRange)
	case *kvrpcpb.SplitRegionRequest:
		return pack(m, s.SplitRegion)
	case *kvrpcpb.StoreSafeTSRequest:
		return pack(m, s.GetStoreSafeTS)
	}
	return nil, status.Errorf(codes.Unimplemented, "the store has no %s", req.Type)
}

// message is what kvproto's messages have in common.
type message[T any] interface {
	*T
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

func pack[Q, R any, PQ message[Q], PR message[R]](m PQ, execute func(context.Context, PQ) (PR, error)) (func() (any, error), error) {
	sent, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return func() (any, error) {
		req := PQ(new(Q))
		if err := req.Unmarshal(sent); err != nil {
			return nil, err
		}
		answer, err := execute(context.Background(), req)
		if err != nil {
			return nil, err
		}
		back, err := answer.Marshal()
		if err != nil {
			return nil, err
		}
		resp := PR(new(R))
		return resp, resp.Unmarshal(back)
	}, nil
}
