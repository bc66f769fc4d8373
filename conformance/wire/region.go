package wire

import (
	"context"
	"fmt"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/tikv/client-go/v2/util/codec"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Placement tells of regions as PD does. It lets do look at the engine's while
// nothing else uses them.
type Placement func(do func(*tikv.Regions))

// Placed is what PD knows of a region. Leader is nil if there is none.
type Placed struct {
	Meta   *metapb.Region
	Leader *metapb.Peer
}

// peer is a region's replica on a store.
func peer(region, store uint64) *metapb.Peer {
	return &metapb.Peer{Id: region<<16 | store, StoreId: store}
}

// meta describes a region with its bounds as TiKV and PD tell them: encoded so
// that they compare as the keys do.
func meta(r *tikv.Region) *metapb.Region {
	m := &metapb.Region{Id: r.ID, RegionEpoch: &metapb.RegionEpoch{ConfVer: r.ConfVer, Version: r.Version}}
	for _, store := range r.Stores {
		m.Peers = append(m.Peers, peer(r.ID, store))
	}
	if r.Start != "" {
		m.StartKey = codec.EncodeBytes(nil, []byte(r.Start))
	}
	if r.End != "" {
		m.EndKey = codec.EncodeBytes(nil, []byte(r.End))
	}
	return m
}

func placed(r *tikv.Region) *Placed {
	p := &Placed{Meta: meta(r)}
	if r.Leader != 0 {
		p.Leader = peer(r.ID, r.Leader)
	}
	return p
}

// plain takes a bound of a region, as PD knows it, back to a key.
func plain(bound []byte) (string, error) {
	if len(bound) == 0 {
		return "", nil
	}
	_, key, err := codec.DecodeBytes(bound, nil)
	if err != nil {
		return "", fmt.Errorf("not an encoded key: %q", bound)
	}
	return string(key), nil
}

// All returns the regions in the order of their keys.
func (p Placement) All() (list []tikv.Region) {
	p(func(s *tikv.Regions) { list = s.All() })
	return list
}

func holds(r *tikv.Region, key string) bool { return key >= r.Start && (r.End == "" || key < r.End) }

// Holding returns the region that holds an encoded key.
func (p Placement) Holding(bound []byte) (*Placed, error) {
	key, err := plain(bound)
	if err != nil {
		return nil, err
	}
	var r tikv.Region
	p(func(s *tikv.Regions) { r = s.Locate(key) })
	return placed(&r), nil
}

// Before returns the region before the one that holds an encoded key, or nil.
func (p Placement) Before(bound []byte) (*Placed, error) {
	key, err := plain(bound)
	if err != nil {
		return nil, err
	}
	var before *Placed
	for _, r := range p.All() {
		if holds(&r, key) {
			break
		}
		before = placed(&r)
	}
	return before, nil
}

// ByID returns a region by its id, or nil.
func (p Placement) ByID(id uint64) *Placed {
	for _, r := range p.All() {
		if r.ID == id {
			return placed(&r)
		}
	}
	return nil
}

// Touching returns the regions that hold keys of [from, to), encoded keys, in
// order; at most limit if that is above 0.
func (p Placement) Touching(from, to []byte, limit int) (found []*Placed, err error) {
	start, err := plain(from)
	if err != nil {
		return nil, err
	}
	end, err := plain(to)
	if err != nil {
		return nil, err
	}
	for _, r := range p.All() {
		if limit > 0 && len(found) == limit || end != "" && r.Start >= end {
			break
		}
		if r.End == "" || r.End > start {
			found = append(found, placed(&r))
		}
	}
	return found, nil
}

// SplitRegion lets regions begin at keys.
func (s *Store) SplitRegion(_ context.Context, req *kvrpcpb.SplitRegionRequest) (*kvrpcpb.SplitRegionResponse, error) {
	if s.Regions == nil {
		return nil, s.unimplemented("split on request")
	}
	// A request that reads nothing and changes nothing, so that the engine judges
	// whether the client knows the region.
	engine := tikv.Request{Kind: tikv.KindBufferBatchGet, Keys: texts(req.SplitKeys), Region: s.region(req.Context)}
	got, err := s.one(&engine)
	if err != nil {
		return nil, err
	}
	resp := &kvrpcpb.SplitRegionResponse{RegionError: regionError(&engine, &got)}
	if resp.RegionError != nil {
		return resp, nil
	}
	s.Regions(func(regions *tikv.Regions) {
		whole := regions.Locate(engine.Keys[0])
		for _, key := range engine.Keys {
			regions.Split(key)
		}
		for _, r := range regions.All() {
			if holds(&whole, r.Start) {
				resp.Regions = append(resp.Regions, meta(&r))
			}
		}
	})
	return resp, nil
}

// region is where a client takes a request to belong.
func (s *Store) region(ctx *kvrpcpb.Context) *tikv.RegionContext {
	return &tikv.RegionContext{
		ID: ctx.GetRegionId(), Version: ctx.GetRegionEpoch().GetVersion(),
		PeerStore: ctx.GetPeer().GetStoreId(), AtStore: s.ID,
	}
}

// regionError is what the engine says of a request's region, or nil.
func regionError(req *tikv.Request, resp *tikv.Response) *errorpb.Error {
	if resp.Region == tikv.RegionOK {
		return nil
	}
	e := RegionError(resp.Region)
	id, at := req.Region.ID, req.Region.AtStore
	e.Message = fmt.Sprintf("region %d", id)
	switch {
	case e.NotLeader != nil:
		e.NotLeader.RegionId = id
		if r := &resp.Regions[0]; r.Leader != 0 {
			e.NotLeader.Leader = peer(id, r.Leader)
		}
	case e.EpochNotMatch != nil:
		for i := range resp.Regions {
			e.EpochNotMatch.CurrentRegions = append(e.EpochNotMatch.CurrentRegions, meta(&resp.Regions[i]))
		}
	case e.RegionNotFound != nil:
		e.RegionNotFound.RegionId = id
	case e.StoreNotMatch != nil:
		e.StoreNotMatch.RequestStoreId, e.StoreNotMatch.ActualStoreId = req.Region.PeerStore, at
	case e.KeyNotInRegion != nil:
		e.KeyNotInRegion.RegionId = id
	case e.RaftEntryTooLarge != nil:
		e.RaftEntryTooLarge.RegionId = id
	}
	return e
}

// RegionError is what a store answers instead of handling a request, without what
// it would tell of the region as it is. It is nil for RegionOK.
func RegionError(e tikv.RegionError) *errorpb.Error {
	switch e {
	case tikv.RegionNotLeader:
		return &errorpb.Error{NotLeader: &errorpb.NotLeader{}}
	case tikv.RegionEpochNotMatch:
		return &errorpb.Error{EpochNotMatch: &errorpb.EpochNotMatch{}}
	case tikv.RegionNotFound:
		return &errorpb.Error{RegionNotFound: &errorpb.RegionNotFound{}}
	case tikv.RegionStaleCommand:
		return &errorpb.Error{StaleCommand: &errorpb.StaleCommand{}}
	case tikv.RegionServerIsBusy:
		return &errorpb.Error{ServerIsBusy: &errorpb.ServerIsBusy{Reason: "busy"}}
	case tikv.RegionDiskFull:
		return &errorpb.Error{DiskFull: &errorpb.DiskFull{}}
	case tikv.RegionMaxTSNotSynced:
		return &errorpb.Error{MaxTimestampNotSynced: &errorpb.MaxTimestampNotSynced{}}
	case tikv.RegionUndetermined:
		return &errorpb.Error{UndeterminedResult: &errorpb.UndeterminedResult{}}
	case tikv.RegionRaftEntryTooLarge:
		return &errorpb.Error{RaftEntryTooLarge: &errorpb.RaftEntryTooLarge{}}
	case tikv.RegionStoreNotMatch:
		return &errorpb.Error{StoreNotMatch: &errorpb.StoreNotMatch{}}
	case tikv.RegionKeyNotInRegion:
		return &errorpb.Error{KeyNotInRegion: &errorpb.KeyNotInRegion{}}
	}
	return nil
}
