package tikvserver

import (
	"fmt"
	"sort"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/tikv/client-go/v2/util/codec"
)

// region is a range of keys, [start, end); end "" means no end. Regions don't
// move, split or merge.
type region struct {
	id         uint64
	start, end string
}

// firstRegion is the id of the first region. The peer of region n is n+1000.
const firstRegion = 2

func splitAt(splits []string) ([]region, error) {
	regions := []region{{id: firstRegion}}
	for i, key := range splits {
		last := &regions[len(regions)-1]
		if key <= last.start {
			return nil, fmt.Errorf("tikv-server: split %d is at %q, which is not behind %q", i+1, key, last.start)
		}
		last.end = key
		regions = append(regions, region{id: last.id + 1, start: key})
	}
	return regions, nil
}

func (r *region) contains(key string) bool { return key >= r.start && (r.end == "" || key < r.end) }

// peer is the only replica of the region, and its leader.
func (r *region) peer() *metapb.Peer { return &metapb.Peer{Id: r.id + 1000, StoreId: StoreID} }

func (r *region) epoch() *metapb.RegionEpoch { return &metapb.RegionEpoch{ConfVer: 1, Version: r.id} }

// meta describes the region with its bounds as TiKV and PD tell them: encoded so
// that they compare as the keys do.
func (r *region) meta() *metapb.Region {
	meta := &metapb.Region{Id: r.id, RegionEpoch: r.epoch(), Peers: []*metapb.Peer{r.peer()}}
	if r.start != "" {
		meta.StartKey = codec.EncodeBytes(nil, []byte(r.start))
	}
	if r.end != "" {
		meta.EndKey = codec.EncodeBytes(nil, []byte(r.end))
	}
	return meta
}

// regionOf returns the region that holds key.
func (s *Server) regionOf(key string) *region {
	at := sort.Search(len(s.regions), func(i int) bool { return s.regions[i].start > key })
	return &s.regions[at-1]
}

func (s *Server) regionByID(id uint64) *region {
	if id < firstRegion || id >= firstRegion+uint64(len(s.regions)) {
		return nil
	}
	return &s.regions[id-firstRegion]
}

// admit tells whether a request was sent to the right place: to this store, to a
// region as it is, with keys that are in it. If not, the error says so, and the
// client looks for the region again.
func (s *Server) admit(ctx *kvrpcpb.Context, keys ...[]byte) (*region, *errorpb.Error) {
	r := s.regionByID(ctx.GetRegionId())
	switch epoch := ctx.GetRegionEpoch(); {
	case r == nil:
		return nil, &errorpb.Error{
			Message:        fmt.Sprintf("region %d not found", ctx.GetRegionId()),
			RegionNotFound: &errorpb.RegionNotFound{RegionId: ctx.GetRegionId()},
		}
	case ctx.GetPeer().GetStoreId() != StoreID:
		return nil, &errorpb.Error{
			Message: "the request is for another store",
			StoreNotMatch: &errorpb.StoreNotMatch{
				RequestStoreId: ctx.GetPeer().GetStoreId(), ActualStoreId: StoreID,
			},
		}
	case epoch.GetVersion() != r.epoch().Version || epoch.GetConfVer() != r.epoch().ConfVer:
		return nil, &errorpb.Error{
			Message:       fmt.Sprintf("epoch not match of region %d", r.id),
			EpochNotMatch: &errorpb.EpochNotMatch{CurrentRegions: []*metapb.Region{r.meta()}},
		}
	}
	for _, key := range keys {
		if !r.contains(string(key)) {
			return nil, &errorpb.Error{
				Message: "key not in region",
				KeyNotInRegion: &errorpb.KeyNotInRegion{
					Key: key, RegionId: r.id, StartKey: []byte(r.start), EndKey: []byte(r.end),
				},
			}
		}
	}
	return r, nil
}
