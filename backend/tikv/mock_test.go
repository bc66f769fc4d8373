package tikv_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/gogo/protobuf/proto"
	"github.com/pingcap/failpoint"
	"github.com/pingcap/log"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/testutils"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/util"
	"github.com/tikv/client-go/v2/util/async"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/clients/tso"
	"github.com/tikv/pd/client/pkg/caller"
	"go.uber.org/zap/zapcore"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
)

// latency is what every call takes: without any, the client's retries spin at
// the instant at which a lock expires.
const latency = 200 * time.Microsecond

// quiet silences the client's log and makes it believe that a store which lost
// a call is alive. Otherwise it would dial the mock store's address and lose 80
// seconds.
func quiet(t *testing.T) {
	level := log.GetLevel()
	log.SetLevel(zapcore.FatalLevel)
	util.EnableFailpoints()
	require.NoError(t, failpoint.Enable("tikvclient/injectLiveness", `return("reachable")`))
	t.Cleanup(func() {
		log.SetLevel(level)
		require.NoError(t, failpoint.Disable("tikvclient/injectLiveness"))
	})
}

// mockStore is client-go's mock cluster with the hooks of the contract.
type mockStore struct {
	t      *testing.T
	rpc    *testutils.MockClient
	pd     pd.Client
	oracle *oracle
	opened []*tikv.KV
	clock  env.Clock // the bubble's

	mu     sync.Mutex
	decide func(kvcontract.Call) kvcontract.Fate
}

func newMockStore(t *testing.T) *mockStore {
	rpc, cluster, pdClient, err := testutils.NewMockTiKV("", nil)
	require.NoError(t, err)
	testutils.BootstrapWithSingleStore(cluster)
	return &mockStore{t: t, rpc: rpc, pd: pdClient, oracle: &oracle{}, clock: process.NewClock(clock.New())}
}

func (s *mockStore) close() {
	for _, kv := range s.opened {
		require.NoError(s.t, kv.Close())
	}
	require.NoError(s.t, s.rpc.Close())
}

// Client opens a client of its own.
func (s *mockStore) Client() env.KV { return s.client(s.fate) }

// client opens a client whose requests meet the given fates. fate is called on
// several goroutines.
func (s *mockStore) client(fate func(*tikvrpc.Request) kvcontract.Fate) env.KV {
	store, err := clienttikv.NewTestTiKVStore(&faultyClient{Client: s.rpc, fate: fate}, &mockPD{s.pd, s.oracle}, nil, nil, 0)
	require.NoError(s.t, err)
	kv := tikv.FromStore(store)
	s.opened = append(s.opened, kv)
	return kv
}

func (s *mockStore) Clock() env.Clock { return s.clock }

func (s *mockStore) OnCall(decide func(kvcontract.Call) kvcontract.Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = decide
}

func (s *mockStore) fate(req *tikvrpc.Request) kvcontract.Fate {
	var call kvcontract.Call
	switch req.Type {
	case tikvrpc.CmdGet, tikvrpc.CmdBatchGet, tikvrpc.CmdScan:
		call = kvcontract.Read
	case tikvrpc.CmdPrewrite:
		call = kvcontract.Prewrite
	case tikvrpc.CmdCommit:
		call = kvcontract.Commit
	default:
		return kvcontract.Deliver
	}
	s.mu.Lock()
	decide := s.decide
	s.mu.Unlock()
	if decide == nil {
		return kvcontract.Deliver
	}
	return decide(call)
}

// faultyClient carries a client's requests to the mock store.
type faultyClient struct {
	clienttikv.Client
	fate func(*tikvrpc.Request) kvcontract.Fate
}

var errLost = errors.New("connection lost")

func (c *faultyClient) SendRequest(ctx context.Context, addr string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	time.Sleep(latency)
	fate := c.fate(req)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if fate == kvcontract.Lose {
		return nil, errLost
	}
	resp, err := c.Client.SendRequest(ctx, addr, copied(req), timeout)
	if fate == kvcontract.LoseReply {
		return nil, errLost
	}
	return resp, err
}

// copied gives the store a request of its own, as a network would: client and
// mock store would share the bytes of values otherwise.
func copied(req *tikvrpc.Request) *tikvrpc.Request {
	c := *req
	if m, ok := req.Req.(proto.Message); ok {
		c.Req = proto.Clone(m)
	}
	return &c
}

func (c *faultyClient) SendRequestAsync(ctx context.Context, addr string, req *tikvrpc.Request, cb async.Callback[*tikvrpc.Response]) {
	go func() { cb.Schedule(c.SendRequest(ctx, addr, req, time.Minute)) }()
}

// Close leaves the mock store to the other clients.
func (c *faultyClient) Close() error { return nil }

// oracle hands out timestamps by the bubble's time. The mock's own is global
// to the process and would stand still in a second bubble.
type oracle struct {
	mu       sync.Mutex
	physical int64
	logical  int64
}

func (o *oracle) now() (physical, logical int64, err error) {
	time.Sleep(latency)
	o.mu.Lock()
	defer o.mu.Unlock()
	if ms := time.Now().UnixMilli(); ms > o.physical {
		o.physical, o.logical = ms, 0
	}
	o.logical++
	return o.physical, o.logical, nil
}

type mockPD struct {
	pd.Client
	oracle *oracle
}

func (p *mockPD) WithCallerComponent(caller.Component) pd.Client { return p }

func (p *mockPD) GetTS(context.Context) (physical, logical int64, err error) {
	return p.oracle.now()
}

func (p *mockPD) GetTSAsync(context.Context) tso.TSFuture { return future{p.oracle} }

type future struct{ oracle *oracle }

func (f future) Wait() (physical, logical int64, err error) { return f.oracle.now() }
