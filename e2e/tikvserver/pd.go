package tikvserver

import (
	"context"
	"errors"
	"io"

	"github.com/pingcap/kvproto/pkg/meta_storagepb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// placement is PD's service behind one door: all doors lead to the same cluster,
// and each tells the addresses by which those who came through it find PD and the
// store again. So each client can have ways of its own, with its own faults.
//
// What it has is what clients of optimistic transactions ask for: members,
// timestamps, regions, the store, and where garbage collection stands (nowhere:
// nothing is collected). It lacks QueryRegion, as PD did until 8.5.6: Go's client
// needs its router client switched off.
type placement struct {
	pdpb.UnimplementedPDServer
	*Server
	door Door
}

// Door is a way to the cluster.
type Door struct {
	// PD and KV are the addresses, host:port, that those who come through the door
	// are given for PD and for the store.
	PD, KV string
}

func header() *pdpb.ResponseHeader { return &pdpb.ResponseHeader{ClusterId: ClusterID} }

func (p placement) url() string { return "http://" + p.door.PD }

func (p placement) GetClusterInfo(context.Context, *pdpb.GetClusterInfoRequest) (*pdpb.GetClusterInfoResponse, error) {
	return &pdpb.GetClusterInfoResponse{
		Header: header(), ServiceModes: []pdpb.ServiceMode{pdpb.ServiceMode_PD_SVC_MODE},
	}, nil
}

func (p placement) GetMembers(context.Context, *pdpb.GetMembersRequest) (*pdpb.GetMembersResponse, error) {
	me := &pdpb.Member{Name: "pd", MemberId: 1, PeerUrls: []string{p.url()}, ClientUrls: []string{p.url()}}
	return &pdpb.GetMembersResponse{Header: header(), Members: []*pdpb.Member{me}, Leader: me, EtcdLeader: me}, nil
}

func (p placement) IsBootstrapped(context.Context, *pdpb.IsBootstrappedRequest) (*pdpb.IsBootstrappedResponse, error) {
	return &pdpb.IsBootstrappedResponse{Header: header(), Bootstrapped: true}, nil
}

// maxCount bounds the timestamps of one request, as PD does.
const maxCount = 1 << tikv.LogicalBits

func (p placement) Tso(stream pdpb.PD_TsoServer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if req.Count < 1 || req.Count >= maxCount {
			return status.Errorf(codes.InvalidArgument, "tikv-server: %d timestamps, allowed: 1 to %d", req.Count, maxCount-1)
		}
		last, err := p.timestamps(int(req.Count))
		if err != nil {
			return err
		}
		err = stream.Send(&pdpb.TsoResponse{Header: header(), Count: req.Count, Timestamp: timestamp(last)})
		if err != nil {
			return err
		}
	}
}

func timestamp(ts uint64) *pdpb.Timestamp {
	return &pdpb.Timestamp{Physical: tikv.PhysicalMS(ts), Logical: int64(ts & (1<<tikv.LogicalBits - 1))}
}

func (p placement) GetMinTS(context.Context, *pdpb.GetMinTSRequest) (*pdpb.GetMinTSResponse, error) {
	ts, err := p.timestamps(1)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetMinTSResponse{Header: header(), Timestamp: timestamp(ts)}, nil
}

func (p placement) store() *metapb.Store {
	return &metapb.Store{Id: StoreID, Address: p.door.KV, State: metapb.StoreState_Up, Version: "8.5.0"}
}

func (p placement) GetStore(_ context.Context, req *pdpb.GetStoreRequest) (*pdpb.GetStoreResponse, error) {
	if req.StoreId != StoreID {
		return &pdpb.GetStoreResponse{Header: &pdpb.ResponseHeader{
			ClusterId: ClusterID, Error: &pdpb.Error{Type: pdpb.ErrorType_UNKNOWN, Message: "there is no such store"},
		}}, nil
	}
	return &pdpb.GetStoreResponse{Header: header(), Store: p.store()}, nil
}

func (p placement) GetAllStores(context.Context, *pdpb.GetAllStoresRequest) (*pdpb.GetAllStoresResponse, error) {
	return &pdpb.GetAllStoresResponse{Header: header(), Stores: []*metapb.Store{p.store()}}, nil
}

func regionAnswer(r *wire.Placed, err error) (*pdpb.GetRegionResponse, error) {
	switch {
	case err != nil:
		return nil, status.Errorf(codes.InvalidArgument, "tikv-server: %v", err)
	case r == nil:
		return &pdpb.GetRegionResponse{Header: header()}, nil
	}
	return &pdpb.GetRegionResponse{Header: header(), Region: r.Meta, Leader: r.Leader}, nil
}

func (p placement) GetRegion(_ context.Context, req *pdpb.GetRegionRequest) (*pdpb.GetRegionResponse, error) {
	return regionAnswer(p.regions.Holding(req.RegionKey))
}

func (p placement) GetPrevRegion(_ context.Context, req *pdpb.GetRegionRequest) (*pdpb.GetRegionResponse, error) {
	return regionAnswer(p.regions.Before(req.RegionKey))
}

func (p placement) GetRegionByID(_ context.Context, req *pdpb.GetRegionByIDRequest) (*pdpb.GetRegionResponse, error) {
	return regionAnswer(p.regions.ByID(req.RegionId), nil)
}

// scan lists the regions that touch [from, to), at most limit if that is above 0.
func (p placement) scan(from, to []byte, limit int) (list []*pdpb.Region, err error) {
	touched, err := p.regions.Touching(from, to, limit)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "tikv-server: %v", err)
	}
	for _, r := range touched {
		list = append(list, &pdpb.Region{Region: r.Meta, Leader: r.Leader})
	}
	return list, nil
}

func (p placement) ScanRegions(_ context.Context, req *pdpb.ScanRegionsRequest) (*pdpb.ScanRegionsResponse, error) {
	list, err := p.scan(req.StartKey, req.EndKey, int(req.Limit))
	if err != nil {
		return nil, err
	}
	resp := &pdpb.ScanRegionsResponse{Header: header(), Regions: list}
	for _, r := range list {
		resp.RegionMetas, resp.Leaders = append(resp.RegionMetas, r.Region), append(resp.Leaders, r.Leader)
	}
	return resp, nil
}

func (p placement) BatchScanRegions(_ context.Context, req *pdpb.BatchScanRegionsRequest) (*pdpb.BatchScanRegionsResponse, error) {
	resp := &pdpb.BatchScanRegionsResponse{Header: header()}
	for _, r := range req.Ranges {
		left := 0
		if req.Limit > 0 {
			if left = int(req.Limit) - len(resp.Regions); left == 0 {
				break
			}
		}
		list, err := p.scan(r.StartKey, r.EndKey, left)
		if err != nil {
			return nil, err
		}
		for _, found := range list {
			// Two ranges may touch one region.
			if n := len(resp.Regions); n == 0 || resp.Regions[n-1].Region.Id != found.Region.Id {
				resp.Regions = append(resp.Regions, found)
			}
		}
	}
	return resp, nil
}

func (p placement) GetGCSafePoint(context.Context, *pdpb.GetGCSafePointRequest) (*pdpb.GetGCSafePointResponse, error) {
	return &pdpb.GetGCSafePointResponse{Header: header()}, nil
}

func (p placement) UpdateServiceGCSafePoint(_ context.Context, req *pdpb.UpdateServiceGCSafePointRequest) (*pdpb.UpdateServiceGCSafePointResponse, error) {
	return &pdpb.UpdateServiceGCSafePointResponse{Header: header(), ServiceId: req.ServiceId, TTL: req.TTL}, nil
}

func (p placement) GetGCState(_ context.Context, req *pdpb.GetGCStateRequest) (*pdpb.GetGCStateResponse, error) {
	return &pdpb.GetGCStateResponse{Header: header(), GcState: &pdpb.GCState{KeyspaceScope: req.KeyspaceScope}}, nil
}

// etcd is what Go's client asks of PD's own store: who its members are, and for
// a safe point, of which there is none.
type etcd struct {
	etcdserverpb.UnimplementedClusterServer
	etcdserverpb.UnimplementedKVServer
	door Door
}

func etcdHeader() *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: ClusterID, MemberId: 1, Revision: 1}
}

func (e etcd) MemberList(context.Context, *etcdserverpb.MemberListRequest) (*etcdserverpb.MemberListResponse, error) {
	return &etcdserverpb.MemberListResponse{
		Header:  etcdHeader(),
		Members: []*etcdserverpb.Member{{ID: 1, Name: "pd", ClientURLs: []string{"http://" + e.door.PD}}},
	}, nil
}

func (e etcd) Range(context.Context, *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	return &etcdserverpb.RangeResponse{Header: etcdHeader()}, nil
}

// registry is PD's register of services of its own, of which there is none.
// Without the answer Go's client looks for one for 5 seconds when it starts.
type registry struct {
	meta_storagepb.UnimplementedMetaStorageServer
}

func (registry) Get(context.Context, *meta_storagepb.GetRequest) (*meta_storagepb.GetResponse, error) {
	return &meta_storagepb.GetResponse{Header: &meta_storagepb.ResponseHeader{ClusterId: ClusterID}}, nil
}
