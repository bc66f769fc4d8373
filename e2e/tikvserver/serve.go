package tikvserver

import (
	"fmt"
	"net"

	"github.com/pingcap/kvproto/pkg/meta_storagepb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
)

// maxMessage bounds a request, in bytes: more than a transaction of TiKV's can
// be, far more than gRPC's 4 MiB.
const maxMessage = 128 << 20

func grpcServer() *grpc.Server {
	return grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
}

// Store returns a gRPC server with the store's service, and gRPC's health
// service, which clients ask when a call got no answer.
func (s *Server) Store() *grpc.Server {
	g := grpcServer()
	tikvpb.RegisterTikvServer(g, &kv{Store: &wire.Store{ID: StoreID, Handle: s.handle, Plain: true}})
	healthpb.RegisterHealthServer(g, health.NewServer())
	return g
}

// PD returns a gRPC server with PD's service behind a door.
func (s *Server) PD(door Door) *grpc.Server {
	g := grpcServer()
	pdpb.RegisterPDServer(g, &placement{Server: s, door: door})
	meta_storagepb.RegisterMetaStorageServer(g, &registry{})
	etcdserverpb.RegisterClusterServer(g, &etcd{door: door})
	etcdserverpb.RegisterKVServer(g, &etcd{door: door})
	return g
}

// ListenLoopback listens at an address, host:port, of this machine alone: the
// host must be an IP address of the loopback network. The servers of this module
// have no access control. An error says what is wrong with the address.
func ListenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address, allowed: 127.0.0.1:PORT", address)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%q is not of this machine alone, allowed: 127.0.0.1:PORT", address)
	}
	return net.Listen("tcp", address)
}
