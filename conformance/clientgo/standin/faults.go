package standin

import (
	"context"
	"errors"
	"time"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	tikverr "github.com/tikv/client-go/v2/error"
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
