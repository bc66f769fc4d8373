package wire

import (
	"fmt"
	"sort"
	"sync"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/tikv/client-go/v2/util/codec"
)

// Regions are the ranges of keys that a cluster is made of, and the store that
// leads each. It may be used by several goroutines at once.
type Regions struct {
	mu   sync.Mutex
	list []region // by rising start
	next uint64   // the id of the next region
	// stores are the stores that hold a replica of every region.
	stores []uint64
}

// region is a range of keys, [start, end); end "" means no end.
type region struct {
	id         uint64
	start, end string
	version    uint64 // grows with every split and merge
	leader     uint64 // a store
}

// firstRegion is the id of the first region.
const firstRegion = 2

// NewRegions returns regions that are split at the given keys, which rise; the
// first one begins before all keys. The first of the stores, of which there is at
// least one, leads all.
func NewRegions(splits []string, stores ...uint64) (*Regions, error) {
	s := &Regions{
		list: []region{{id: firstRegion, version: 1, leader: stores[0]}}, next: firstRegion + 1, stores: stores,
	}
	for i, key := range splits {
		if last := s.list[len(s.list)-1].start; key <= last {
			return nil, fmt.Errorf("split %d is at %q, which is not behind %q", i+1, key, last)
		}
		s.Split(key)
	}
	return s, nil
}

// Split makes a region end at key, and a new one with the same leader begin
// there. Clients that know the old one only get EpochNotMatch for both. It does
// nothing where a region begins already.
func (s *Regions) Split(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.indexOf(key)
	left := &s.list[i]
	if left.start == key {
		return
	}
	left.version++
	right := region{id: s.next, start: key, end: left.end, version: left.version, leader: left.leader}
	left.end = key
	s.next++
	s.list = append(s.list, region{})
	copy(s.list[i+2:], s.list[i+1:])
	s.list[i+1] = right
}

// Merge makes the region that holds key take in the one behind it, if there is
// one. Clients get EpochNotMatch for the first and RegionNotFound for the second.
func (s *Regions) Merge(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.indexOf(key)
	if i+1 == len(s.list) {
		return
	}
	left, right := &s.list[i], s.list[i+1]
	left.end, left.version = right.end, max(left.version, right.version)+1
	s.list = append(s.list[:i+1], s.list[i+2:]...)
}

// Lead makes a store the leader of the region that holds key. Clients get
// NotLeader, with the new leader, from the others.
func (s *Regions) Lead(key string, store uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[s.indexOf(key)].leader = store
}

// indexOf returns the place of the region that holds key.
func (s *Regions) indexOf(key string) int {
	return sort.Search(len(s.list), func(i int) bool { return s.list[i].start > key }) - 1
}

func (s *Regions) byID(id uint64) *region {
	for i := range s.list {
		if s.list[i].id == id {
			return &s.list[i]
		}
	}
	return nil
}

func (r *region) contains(key string) bool { return key >= r.start && (r.end == "" || key < r.end) }

func (r *region) epoch() *metapb.RegionEpoch {
	return &metapb.RegionEpoch{ConfVer: 1, Version: r.version}
}

// peer is the region's replica on a store.
func (r *region) peer(store uint64) *metapb.Peer {
	return &metapb.Peer{Id: r.id<<8 | store, StoreId: store}
}

// meta describes the region with its bounds as TiKV and PD tell them: encoded so
// that they compare as the keys do.
func (s *Regions) meta(r *region) *metapb.Region {
	meta := &metapb.Region{Id: r.id, RegionEpoch: r.epoch()}
	for _, store := range s.stores {
		meta.Peers = append(meta.Peers, r.peer(store))
	}
	if r.start != "" {
		meta.StartKey = codec.EncodeBytes(nil, []byte(r.start))
	}
	if r.end != "" {
		meta.EndKey = codec.EncodeBytes(nil, []byte(r.end))
	}
	return meta
}

// Placed is what PD knows of a region.
type Placed struct {
	Meta   *metapb.Region
	Leader *metapb.Peer
}

func (s *Regions) placed(r *region) *Placed {
	return &Placed{Meta: s.meta(r), Leader: r.peer(r.leader)}
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

// Holding returns the region that holds an encoded key.
func (s *Regions) Holding(bound []byte) (*Placed, error) {
	key, err := plain(bound)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placed(&s.list[s.indexOf(key)]), nil
}

// Before returns the region before the one that holds an encoded key, or nil.
func (s *Regions) Before(bound []byte) (*Placed, error) {
	key, err := plain(bound)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.indexOf(key)
	if i == 0 {
		return nil, nil
	}
	return s.placed(&s.list[i-1]), nil
}

// ByID returns a region by its id, or nil.
func (s *Regions) ByID(id uint64) *Placed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.byID(id); r != nil {
		return s.placed(r)
	}
	return nil
}

// Touching returns the regions that hold keys of [from, to), encoded keys, in
// order; at most limit if that is above 0.
func (s *Regions) Touching(from, to []byte, limit int) ([]*Placed, error) {
	start, err := plain(from)
	if err != nil {
		return nil, err
	}
	end, err := plain(to)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Placed
	for i := s.indexOf(start); i < len(s.list) && (end == "" || s.list[i].start < end); i++ {
		if limit > 0 && len(found) == limit {
			break
		}
		found = append(found, s.placed(&s.list[i]))
	}
	return found, nil
}

// admit tells whether a request was sent to the right place: to the store that
// leads the region, to the region as it is, with keys that are in it. If not, the
// error says so, and the client looks for the region again. The region is a copy.
func (s *Regions) admit(ctx *kvrpcpb.Context, keys ...[]byte) (region, *errorpb.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byID(ctx.GetRegionId())
	if r == nil {
		return region{}, &errorpb.Error{
			Message:        fmt.Sprintf("region %d not found", ctx.GetRegionId()),
			RegionNotFound: &errorpb.RegionNotFound{RegionId: ctx.GetRegionId()},
		}
	}
	if failed := s.misplaced(r, ctx); failed != nil {
		return region{}, failed
	}
	for _, key := range keys {
		if !r.contains(string(key)) {
			return region{}, &errorpb.Error{
				Message: "key not in region",
				KeyNotInRegion: &errorpb.KeyNotInRegion{
					Key: key, RegionId: r.id, StartKey: []byte(r.start), EndKey: []byte(r.end),
				},
			}
		}
	}
	return *r, nil
}

// misplaced checks store and epoch. The leader is checked first, as TiKV does.
func (s *Regions) misplaced(r *region, ctx *kvrpcpb.Context) *errorpb.Error {
	store := ctx.GetPeer().GetStoreId()
	switch epoch := ctx.GetRegionEpoch(); {
	case !s.has(store):
		return &errorpb.Error{
			Message:       "the request is for another store",
			StoreNotMatch: &errorpb.StoreNotMatch{RequestStoreId: store, ActualStoreId: r.leader},
		}
	case store != r.leader:
		return &errorpb.Error{
			Message:   fmt.Sprintf("region %d is led by another store", r.id),
			NotLeader: &errorpb.NotLeader{RegionId: r.id, Leader: r.peer(r.leader)},
		}
	case epoch.GetVersion() != r.version || epoch.GetConfVer() != r.epoch().ConfVer:
		failed := &errorpb.EpochNotMatch{CurrentRegions: []*metapb.Region{s.meta(r)}}
		// TiKV tells of the regions that were split off, too.
		if i := s.indexOf(r.start); i+1 < len(s.list) {
			failed.CurrentRegions = append(failed.CurrentRegions, s.meta(&s.list[i+1]))
		}
		return &errorpb.Error{Message: fmt.Sprintf("epoch not match of region %d", r.id), EpochNotMatch: failed}
	}
	return nil
}

func (s *Regions) has(store uint64) bool {
	for _, id := range s.stores {
		if id == store {
			return true
		}
	}
	return false
}
