package tikvserver

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/pingcap/kvproto/pkg/tikvpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
)

// kv is the store's service: the commands that wire.Store has, alone or in
// batches. Others are answered with Unimplemented.
type kv struct {
	absent
	*wire.Store
}

// absent lies a level below wire.Store's methods, which so come first.
type absent struct{ tikvpb.UnimplementedTikvServer }

// BatchCommands is a stream of commands and answers: how a client sends most of
// what it sends. Commands of a batch are executed at once, and each is answered
// when it is done. A command that the server does not have ends the stream with
// Unimplemented, since an answer in it cannot say so.
func (s kv) BatchCommands(stream tikvpb.Tikv_BatchCommandsServer) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	var sending sync.Mutex
	answer := func(id uint64, cmd *tikvpb.BatchCommandsRequest_Request) {
		defer running.Done()
		resp, err := s.command(ctx, cmd)
		if err == nil {
			sending.Lock()
			defer sending.Unlock()
			err = stream.Send(&tikvpb.BatchCommandsResponse{
				RequestIds: []uint64{id}, Responses: []*tikvpb.BatchCommandsResponse_Response{resp},
			})
		}
		if err != nil {
			cancel(err)
		}
	}
	batches := make(chan *tikvpb.BatchCommandsRequest)
	go func() {
		for {
			batch, err := stream.Recv()
			if err != nil {
				cancel(err)
				return
			}
			select {
			case batches <- batch:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case batch := <-batches:
			for i, cmd := range batch.Requests {
				running.Add(1)
				go answer(batch.RequestIds[i], cmd)
			}
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		}
	}
}

// command executes one command of a batch.
func (s kv) command(ctx context.Context, cmd *tikvpb.BatchCommandsRequest_Request) (*tikvpb.BatchCommandsResponse_Response, error) {
	resp := &tikvpb.BatchCommandsResponse_Response{}
	switch c := cmd.Cmd.(type) {
	case *tikvpb.BatchCommandsRequest_Request_Get:
		r, err := s.KvGet(ctx, c.Get)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Get{Get: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_BatchGet:
		r, err := s.KvBatchGet(ctx, c.BatchGet)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_BatchGet{BatchGet: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_Scan:
		r, err := s.KvScan(ctx, c.Scan)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Scan{Scan: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_Prewrite:
		r, err := s.KvPrewrite(ctx, c.Prewrite)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Prewrite{Prewrite: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_Commit:
		r, err := s.KvCommit(ctx, c.Commit)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Commit{Commit: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_BatchRollback:
		r, err := s.KvBatchRollback(ctx, c.BatchRollback)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_BatchRollback{BatchRollback: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_Cleanup:
		r, err := s.KvCleanup(ctx, c.Cleanup)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Cleanup{Cleanup: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_CheckTxnStatus:
		r, err := s.KvCheckTxnStatus(ctx, c.CheckTxnStatus)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_CheckTxnStatus{CheckTxnStatus: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_ResolveLock:
		r, err := s.KvResolveLock(ctx, c.ResolveLock)
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_ResolveLock{ResolveLock: r}
		return resp, err
	case *tikvpb.BatchCommandsRequest_Request_Empty:
		resp.Cmd = &tikvpb.BatchCommandsResponse_Response_Empty{
			Empty: &tikvpb.BatchCommandsEmptyResponse{TestId: c.Empty.GetTestId()},
		}
		return resp, nil
	}
	return nil, status.Error(codes.Unimplemented, "no such command")
}
