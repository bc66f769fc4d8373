package tikvserver_test

import (
	"context"
	"testing"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
)

func storeClient(t *testing.T, c *cluster) tikvpb.TikvClient {
	conn, err := grpc.NewClient("passthrough:///"+storeAddress, c.dial(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return tikvpb.NewTikvClient(conn)
}

// TestUnknownCommands: what the server does not have it says so, also to those
// who ask in a batch.
func TestUnknownCommands(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(c.close)
	store, ctx := storeClient(t, c), context.Background()
	_, err := store.KvPessimisticLock(ctx, &kvrpcpb.PessimisticLockRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = store.KvPrewrite(ctx, &kvrpcpb.PrewriteRequest{ForUpdateTs: 1})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = store.KvPrewrite(ctx, &kvrpcpb.PrewriteRequest{Mutations: []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Insert}}})
	require.ErrorContains(t, err, "no mutation Insert: the store has plain optimistic transactions only")
	_, err = store.KvTxnHeartBeat(ctx, &kvrpcpb.TxnHeartBeatRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))

	stream, err := store.BatchCommands(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&tikvpb.BatchCommandsRequest{
		RequestIds: []uint64{1},
		Requests: []*tikvpb.BatchCommandsRequest_Request{
			{Cmd: &tikvpb.BatchCommandsRequest_Request_RawGet{RawGet: &kvrpcpb.RawGetRequest{}}},
		},
	}))
	_, err = stream.Recv()
	require.Equal(t, codes.Unimplemented, status.Code(err))
}

// TestRegionErrors: a client that is wrong about a region is told how it is.
func TestRegionErrors(t *testing.T) {
	c := newCluster(t, "m")
	t.Cleanup(c.close)
	store, ctx := storeClient(t, c), context.Background()
	get := func(region, version, storeID uint64, key string) *kvrpcpb.GetResponse {
		resp, err := store.KvGet(ctx, &kvrpcpb.GetRequest{Key: []byte(key), Version: 1, Context: &kvrpcpb.Context{
			RegionId: region, RegionEpoch: &metapb.RegionEpoch{ConfVer: 1, Version: version}, Peer: &metapb.Peer{StoreId: storeID},
		}})
		require.NoError(t, err)
		return resp
	}
	require.True(t, get(1, 2, 1, "n").NotFound)
	require.NotNil(t, get(9, 9, 1, "n").RegionError.GetRegionNotFound())
	require.NotNil(t, get(1, 2, 2, "n").RegionError.GetStoreNotMatch())
	require.NotNil(t, get(1, 2, 1, "a").RegionError.GetKeyNotInRegion())
	current := get(1, 1, 1, "n").RegionError.GetEpochNotMatch().GetCurrentRegions()
	require.Len(t, current, 2, "the region, and the one that was split off")
	require.EqualValues(t, 2, current[0].RegionEpoch.Version)
}

// TestLoopbackOnly: no address is opened that another machine could reach.
func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.168.1.1:0", "localhost:0", "127.0.0.1", ""} {
		_, err := tikvserver.ListenLoopback(address)
		require.ErrorContains(t, err, "allowed: 127.0.0.1:PORT", address)
	}
	l, err := tikvserver.ListenLoopback("127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// TestRefusesSplits: regions begin at rising keys.
func TestRefusesSplits(t *testing.T) {
	_, _, err := tikvserver.New(tikvserver.Config{Log: t.TempDir() + "/log", Splits: []string{"b", "a"}})
	require.EqualError(t, err, `tikv-server: split 2 is at "a", which is not behind "b"`)
}
