package tikvserver_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/pingcap/failpoint"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/pingcap/log"
	"github.com/stretchr/testify/require"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/util"
	"github.com/tikv/client-go/v2/util/async"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
)

// TestContract: the real client passes the suite of env.KV over the server, with
// the whole of gRPC between the two. Each test runs in a bubble of virtual time,
// over pipes in memory: an 80 s back-off takes milliseconds.
func TestContract(t *testing.T) {
	quiet(t)
	kvcontract.Run(t, func(t *testing.T, body func(*testing.T, kvcontract.Store)) {
		emptyPools()
		defer emptyPools()
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "b", "k/1100")
			defer func() {
				c.close()
				time.Sleep(time.Minute) // the client's pools and tickers end by themselves
			}()
			body(t, c)
		})
	})
}

// emptyPools empties the pools of the process: PD's client keeps timers and
// channels in some, which must not be used outside the bubble that they are of. It
// takes two collections.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// quiet silences the client's log and makes it believe that a store which lost
// a call is alive: what loses calls here is between client and store.
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

// latency is what every call takes: without any, the client's retries spin at
// the instant at which a lock expires.
const latency = 200 * time.Microsecond

// cluster is a server and its clients, with pipes in memory between them.
type cluster struct {
	t       *testing.T
	server  *tikvserver.Server
	served  []*grpc.Server
	pipes   map[string]*bufconn.Listener
	running sync.WaitGroup
	opened  []*tikv.KV
	clock   env.Clock // the bubble's

	mu     sync.Mutex
	decide func(kvcontract.Call) kvcontract.Fate
}

const pdAddress, storeAddress = "127.0.0.1:1", "127.0.0.1:2"

func newCluster(t *testing.T, splits ...string) *cluster {
	server, _, err := tikvserver.New(tikvserver.Config{Log: filepath.Join(t.TempDir(), "log"), Splits: splits})
	require.NoError(t, err)
	c := &cluster{t: t, server: server, pipes: map[string]*bufconn.Listener{}, clock: process.NewClock(clock.New())}
	c.serve(pdAddress, server.PD(tikvserver.Door{PD: pdAddress, KV: storeAddress}))
	c.serve(storeAddress, server.Store())
	return c
}

func (c *cluster) serve(address string, g *grpc.Server) {
	pipe := bufconn.Listen(1 << 20)
	c.pipes[address] = pipe
	c.served = append(c.served, g)
	c.running.Go(func() { _ = g.Serve(pipe) })
}

func (c *cluster) close() {
	for _, kv := range c.opened {
		require.NoError(c.t, kv.Close())
	}
	for _, g := range c.served {
		g.Stop()
	}
	c.running.Wait()
	require.NoError(c.t, c.server.Close())
}

func (c *cluster) dial() grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return c.pipes[address].DialContext(ctx)
	})
}

// Client opens a client as package backend/tikv does, with pipes for sockets.
func (c *cluster) Client() env.KV {
	placement, err := pd.NewClient(caller.Component("test"), []string{pdAddress}, pd.SecurityOption{},
		opt.WithGRPCDialOptions(c.dial()), opt.WithEnableRouterClient(false))
	require.NoError(c.t, err)
	// A client that has just been opened replaces its stream of timestamps, and
	// cancels the request that is under way on the old one (backend/tikv asks again):
	// none is, until all that it began has ended.
	synctest.Wait()
	conn, err := grpc.NewClient("passthrough:///"+storeAddress, c.dial(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(c.t, err)
	codec := clienttikv.NewCodecPDClient(clienttikv.ModeTxn, placement)
	store, err := clienttikv.NewKVStore("test", codec, clienttikv.NewMockSafePointKV(), &pipe{cluster: c, conn: conn})
	require.NoError(c.t, err)
	kv := tikv.FromStore(store)
	c.opened = append(c.opened, kv)
	return kv
}

func (c *cluster) Clock() env.Clock { return c.clock }

func (c *cluster) OnCall(decide func(kvcontract.Call) kvcontract.Fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decide = decide
}

func (c *cluster) fate(req *tikvrpc.Request) kvcontract.Fate {
	if req.Type == tikvrpc.CmdCommit && req.Commit().CommitRole != kvrpcpb.CommitRole_Primary {
		return kvcontract.Deliver // other keys' commits follow in the background
	}
	calls := map[tikvrpc.CmdType]kvcontract.Call{
		tikvrpc.CmdGet: kvcontract.Read, tikvrpc.CmdBatchGet: kvcontract.Read, tikvrpc.CmdScan: kvcontract.Read,
		tikvrpc.CmdPrewrite: kvcontract.Prewrite, tikvrpc.CmdCommit: kvcontract.Commit,
	}
	c.mu.Lock()
	decide := c.decide
	c.mu.Unlock()
	call, ok := calls[req.Type]
	if !ok || decide == nil {
		return kvcontract.Deliver
	}
	return decide(call)
}

// pipe carries a client's requests to the store: those that a batch can hold in
// a stream of batches, the others as calls of their own. It stands for the
// client's own connections, which cannot be told to use a pipe; TestSockets has
// those.
type pipe struct {
	cluster *cluster
	conn    *grpc.ClientConn
}

var errLost = errors.New("connection lost")

func (p *pipe) SendRequest(ctx context.Context, _ string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	time.Sleep(latency)
	fate := p.cluster.fate(req)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if fate == kvcontract.Lose {
		return nil, errLost
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := p.deliver(ctx, req)
	if fate == kvcontract.LoseReply {
		return nil, errLost
	}
	return resp, err
}

func (p *pipe) deliver(ctx context.Context, req *tikvrpc.Request) (*tikvrpc.Response, error) {
	tikvrpc.AttachContext(req, req.Context)
	store := tikvpb.NewTikvClient(p.conn)
	cmd := req.ToBatchCommandsRequest()
	if cmd == nil {
		return tikvrpc.CallRPC(ctx, store, req)
	}
	stream, err := store.BatchCommands(ctx)
	if err != nil {
		return nil, err
	}
	batch := &tikvpb.BatchCommandsRequest{Requests: []*tikvpb.BatchCommandsRequest_Request{cmd}, RequestIds: []uint64{42}}
	if err := stream.Send(batch); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(answer.RequestIds, batch.RequestIds) {
		return nil, errors.New("the answer to another request")
	}
	return tikvrpc.FromBatchCommandsResponse(answer.Responses[0])
}

func (p *pipe) SendRequestAsync(ctx context.Context, addr string, req *tikvrpc.Request, cb async.Callback[*tikvrpc.Response]) {
	go func() { cb.Schedule(p.SendRequest(ctx, addr, req, time.Minute)) }()
}

func (p *pipe) Close() error                                    { return p.conn.Close() }
func (p *pipe) CloseAddr(string) error                          { return nil }
func (p *pipe) SetEventListener(clienttikv.ClientEventListener) {}
