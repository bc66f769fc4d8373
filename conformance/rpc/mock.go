package rpc

import (
	"context"
	"fmt"

	"github.com/gogo/protobuf/proto"
	"github.com/tikv/client-go/v2/testutils"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	pd "github.com/tikv/pd/client"
)

// mock is the mock store that comes with the real client, in place of the engine.
type mock struct {
	stores clienttikv.Client
	pd     pd.Client // knows the regions
}

// NewMock returns a cluster whose rows and regions are those of the mock store that
// comes with the real client: a second opinion, with the same times and hooks. It
// has one region, no in-memory client, and an engine that gives timestamps and
// nothing else. (The mock's own are global to the process, and stand still in a
// second bubble.) It must be closed.
func NewMock(seed uint64) (*Cluster, error) {
	c, err := New(Config{Seed: seed})
	if err != nil {
		return nil, err
	}
	stores, regions, pdClient, err := testutils.NewMockTiKV("", nil)
	if err != nil {
		return nil, err
	}
	testutils.BootstrapWithSingleStore(regions)
	c.mock = &mock{stores: stores, pd: pdClient}
	return c, nil
}

// packed is packed for the mock, which shares memory with what it is sent.
func (m *mock) packed(address string, req *tikvrpc.Request) (deliver func() (any, error), err error) {
	body, ok := req.Req.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%s is not a message", req.Type)
	}
	sealed := *req
	sealed.Req = proto.Clone(body)
	return func() (any, error) {
		resp, err := m.stores.SendRequest(context.Background(), address, &sealed, asyncTimeout)
		if err != nil {
			return nil, err
		}
		return resp.Resp, nil
	}, nil
}
