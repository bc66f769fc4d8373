package standin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/util"
)

// faults are the faults that the tests order from the mock store by name: those of
// prewrites and commits.
type faults struct{ clienttikv.Client }

// ordered returns the argument of a fault that a test has switched on, or "".
func ordered(name string) string {
	switch value, err := util.EvalFailpoint(name); {
	case err != nil:
		return ""
	case value == true:
		return "true"
	default:
		text, _ := value.(string)
		return text
	}
}

// patience is the least time-out of a call. Some tests set one of microseconds,
// which a mock store without latency answers in; here a call takes longer.
const patience = time.Second

// SendRequest answers as the test has ordered, or as the cluster does.
func (f faults) SendRequest(ctx context.Context, address string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	timeout = max(timeout, patience)
	order := ""
	switch req.Type {
	case tikvrpc.CmdPrewrite:
		order = ordered("rpcPrewriteResult")
	case tikvrpc.CmdCommit:
		order = ordered("rpcCommitResult")
	default:
		return f.Client.SendRequest(ctx, address, req, timeout)
	}
	full := req.DiskFullOpt != kvrpcpb.DiskFullOpt_AllowedOnAlmostFull && ordered("rpcAllowedOnAlmostFull") == "true"
	switch {
	case full:
		return tikvrpc.GenRegionErrorResp(req, &errorpb.Error{DiskFull: &errorpb.DiskFull{StoreId: []uint64{1}, Reason: "almost full"}})
	case order == "timeout":
		return nil, errors.New("timeout")
	case order == "notLeader":
		return tikvrpc.GenRegionErrorResp(req, &errorpb.Error{NotLeader: &errorpb.NotLeader{}})
	case order == "undeterminedResult":
		return tikvrpc.GenRegionErrorResp(req, &errorpb.Error{UndeterminedResult: &errorpb.UndeterminedResult{}})
	case order == "keyError":
		return &tikvrpc.Response{Resp: &kvrpcpb.CommitResponse{Error: &kvrpcpb.KeyError{}}}, nil
	}
	resp, err := f.Client.SendRequest(ctx, address, req, timeout)
	if req.Type == tikvrpc.CmdCommit && ordered("rpcCommitTimeout") == "true" {
		return nil, tikverr.ErrResultUndetermined
	}
	return resp, err
}

// impatient lets no request wait at its store for a lock in its way: the client asks
// again and again.
type impatient struct{ clienttikv.Client }

// again is how long the answer takes if a lock is in the way.
const again = 5 * time.Millisecond

// SendRequest carries a request to the cluster.
func (i impatient) SendRequest(ctx context.Context, address string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	if req.Type != tikvrpc.CmdPessimisticLock {
		return i.Client.SendRequest(ctx, address, req, timeout)
	}
	sent, lock := *req, *req.PessimisticLock()
	lock.WaitTimeout = kv.LockNoWait
	sent.Req = &lock
	resp, err := i.Client.SendRequest(ctx, address, &sent, timeout)
	if err == nil && slices.ContainsFunc(resp.Resp.(*kvrpcpb.PessimisticLockResponse).Errors, isLocked) {
		time.Sleep(again)
	}
	return resp, err
}

func isLocked(e *kvrpcpb.KeyError) bool { return e.Locked != nil }
