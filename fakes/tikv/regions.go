package tikv

import (
	"slices"
	"strings"
)

// RegionError tells that the store did not handle a request because of the
// state of the key's region (RegionUndetermined: it may have). The engine
// returns one only to a request with a RegionContext, and RegionRaftEntryTooLarge
// with Options.RaftEntryMaxSize; a Transport may put one into a response instead
// of handling the request.
type RegionError uint8

const (
	RegionOK RegionError = iota
	RegionNotLeader
	RegionEpochNotMatch
	RegionNotFound
	RegionStaleCommand
	RegionServerIsBusy
	RegionDiskFull
	RegionMaxTSNotSynced
	// RegionUndetermined: the store cannot tell whether the request took
	// effect.
	RegionUndetermined
	RegionRaftEntryTooLarge
	RegionStoreNotMatch
	RegionKeyNotInRegion
)

// RegionContext is where a client takes a request's keys to be.
type RegionContext struct {
	ID      uint64
	Version uint64 // of the epoch; a change of peers alone does no harm
	// PeerStore is the store of the peer that is meant, AtStore the one that the
	// request has come to (0: the same).
	PeerStore, AtStore uint64
}

// Region is a range of keys with its own leader.
type Region struct {
	ID         uint64
	ConfVer    uint64 // counts the changes of Stores
	Version    uint64 // counts the changes of the range
	Start, End string // [Start, End); End "" is the end of all keys
	Stores     []uint64
	Leader     uint64 // the store of the leader, 0 if there is none
}

// DiskUsage is how full a store is.
type DiskUsage uint8

const (
	DiskNormal      DiskUsage = iota
	DiskAlmostFull            // nothing new is written, but what has begun ends
	DiskAlreadyFull           // nothing is written
)

// Undetermined tells a region to answer writes with RegionUndetermined.
type Undetermined uint8

const (
	UndeterminedOff Undetermined = iota
	UndeterminedApplied
	UndeterminedDropped
)

// Regions divides the keys of an Engine, for requests with a RegionContext. At
// first there is one region, with ID 1, on store 1. All stores share the data.
type Regions struct {
	list   []regionState // by Start; they cover all keys
	lastID uint64
	busy   map[uint64]bool      // by store
	disk   map[uint64]DiskUsage // by store
}

type regionState struct {
	Region
	unsynced     bool // MaxTS may be behind, since the leader is new
	stale        bool
	undetermined Undetermined
}

// Regions returns the engine's regions. It stays the same object.
func (e *Engine) Regions() *Regions {
	if e.regions == nil {
		e.regions = &Regions{lastID: 1, busy: map[uint64]bool{}, disk: map[uint64]DiskUsage{}}
		e.regions.list = []regionState{{Region: Region{ID: 1, ConfVer: 1, Version: 1, Stores: []uint64{1}, Leader: 1}}}
	}
	return e.regions
}

// All returns the regions in the order of their keys.
func (s *Regions) All() []Region {
	all := make([]Region, len(s.list))
	for i := range s.list {
		all[i] = s.list[i].shown()
	}
	return all
}

// Locate returns the region of a key.
func (s *Regions) Locate(key string) Region {
	return s.list[s.indexOf(key)].shown()
}

func (r *regionState) shown() Region {
	shown := r.Region
	shown.Stores = slices.Clone(r.Stores)
	return shown
}

func (s *Regions) indexOf(key string) int {
	i, found := slices.BinarySearchFunc(s.list, key, func(r regionState, key string) int { return strings.Compare(r.Start, key) })
	if found {
		return i
	}
	return i - 1
}

// byID returns the region, nil if there is none.
func (s *Regions) byID(id uint64) *regionState {
	i := slices.IndexFunc(s.list, func(r regionState) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &s.list[i]
}

// Split divides the region of key before it. The right part keeps the region's
// ID; the left one's is returned. It does nothing at a region's beginning, and
// returns 0.
func (s *Regions) Split(key string) uint64 {
	i := s.indexOf(key)
	if s.list[i].Start == key {
		return 0
	}
	s.lastID++
	left := s.list[i]
	left.ID, left.End, left.Version, left.Stores = s.lastID, key, left.Version+1, slices.Clone(left.Stores)
	s.list[i].Start, s.list[i].Version = key, left.Version
	s.list = slices.Insert(s.list, i, left)
	return s.lastID
}

// Merge joins the region of key with its right neighbour, whose ID is gone then.
// Without one it does nothing and reports false. The new leader's MaxTS is not
// synced.
func (s *Regions) Merge(key string) bool {
	i := s.indexOf(key)
	if i+1 == len(s.list) {
		return false
	}
	target, source := &s.list[i], &s.list[i+1]
	target.End, target.Version, target.unsynced = source.End, max(target.Version, source.Version)+1, true
	s.list = slices.Delete(s.list, i+1, i+2)
	return true
}

// Place puts the region's peers on the given stores, and its leader on the first.
func (s *Regions) Place(id uint64, stores ...uint64) {
	if r := s.byID(id); r != nil {
		r.Stores = slices.Clone(stores)
		r.ConfVer++
		s.TransferLeader(id, stores[0])
	}
}

// TransferLeader gives the region a new leader, or none with store 0. Its MaxTS
// is not synced until Engine.SyncMaxTS is called: async commits are refused.
func (s *Regions) TransferLeader(id, store uint64) {
	if r := s.byID(id); r != nil {
		r.Leader, r.unsynced = store, true
	}
}

func (s *Regions) synced() {
	for i := range s.list {
		s.list[i].unsynced = false
	}
}

// SetServerIsBusy makes a store refuse everything, or stop refusing.
func (s *Regions) SetServerIsBusy(store uint64, busy bool) { s.busy[store] = busy }

// SetDiskUsage tells how full a store is.
func (s *Regions) SetDiskUsage(store uint64, usage DiskUsage) { s.disk[store] = usage }

// SetStaleCommand makes a region answer everything with RegionStaleCommand, as
// when its leader has changed on the way, or stop that.
func (s *Regions) SetStaleCommand(id uint64, stale bool) {
	if r := s.byID(id); r != nil {
		r.stale = stale
	}
}

// SetUndetermined makes a region answer all writes with RegionUndetermined, or
// stop that.
func (s *Regions) SetUndetermined(id uint64, how Undetermined) {
	if r := s.byID(id); r != nil {
		r.undetermined = how
	}
}

// handleInRegion executes a request whose client says where its keys are.
func (e *Engine) handleInRegion(req *Request, resp *Response) {
	s := e.Regions()
	r := s.admit(req, resp)
	if r == nil {
		return
	}
	work := *req
	work.Region = nil
	work.clamp(&r.Region)
	if r.undetermined == UndeterminedOff || !req.Kind.writes() {
		e.Handle(&work, resp)
		return
	}
	if r.undetermined == UndeterminedApplied {
		e.Handle(&work, resp)
	}
	*resp = Response{Region: RegionUndetermined}
}

// admit returns the request's region if it may be handled, or answers it. The
// checks come in TiKV's order: the store, its region, the region's leader, its
// epoch, and what the leader finds out.
func (s *Regions) admit(req *Request, resp *Response) *regionState {
	c := req.Region
	at := c.AtStore
	if at == 0 {
		at = c.PeerStore
	}
	r := s.byID(c.ID)
	switch {
	case at != c.PeerStore:
		resp.Region = RegionStoreNotMatch
	case s.busy[at]:
		resp.Region = RegionServerIsBusy
	case r == nil || !slices.Contains(r.Stores, at):
		resp.Region = RegionNotFound
	case r.Leader != at:
		resp.Region, resp.Regions = RegionNotLeader, []Region{r.shown()}
	case r.Version != c.Version:
		resp.Region, resp.Regions = RegionEpochNotMatch, s.around(r)
	case !r.holds(req):
		resp.Region = RegionKeyNotInRegion
	case r.stale:
		resp.Region = RegionStaleCommand
	case s.full(at, req.Kind):
		resp.Region = RegionDiskFull
	case r.unsynced && req.Kind == KindPrewrite && (req.UseAsyncCommit || req.TryOnePC):
		resp.Region = RegionMaxTSNotSynced
	}
	if resp.Region != RegionOK {
		return nil
	}
	return r
}

// around returns r and its left neighbour, which it may have been split from.
func (s *Regions) around(r *regionState) []Region {
	regions := []Region{r.shown()}
	if i := s.indexOf(r.Start); i > 0 {
		regions = append(regions, s.list[i-1].shown())
	}
	return regions
}

// full reports whether a store has no room for what a request of this kind writes.
func (s *Regions) full(store uint64, kind Kind) bool {
	switch s.disk[store] {
	case DiskAlmostFull:
		return kind == KindPrewrite || kind == KindFlush || kind == KindPessimisticLock || kind == KindDeleteRange
	case DiskAlreadyFull:
		return kind.writes()
	}
	return false
}

// writes reports whether requests of the kind go through the raft log.
func (k Kind) writes() bool {
	switch k {
	case KindTSO, KindGet, KindScan, KindBatchGet, KindBufferBatchGet, KindScanLock, KindSafePoint:
		return false
	}
	return true
}

// contains reports whether a key is in the region.
func (r *Region) contains(key string) bool {
	return key >= r.Start && (r.End == "" || key < r.End)
}

// holds reports whether all keys of a request are in the region, or the beginning
// of its range.
func (r *Region) holds(req *Request) bool {
	switch req.Kind {
	case KindPrewrite, KindFlush, KindPessimisticLock:
		return !slices.ContainsFunc(req.Mutations, func(m Mutation) bool { return !r.contains(m.Key) })
	case KindCheckTxn, KindTxnHeartBeat:
		return r.contains(req.Primary)
	case KindScan:
		if req.Reverse {
			return req.Key == "" && r.End == "" || req.Key > r.Start && (r.End == "" || req.Key <= r.End)
		}
		return r.contains(req.Key)
	case KindGet, KindCleanup, KindScanLock, KindDeleteRange:
		return r.contains(req.Key)
	}
	return !slices.ContainsFunc(req.Keys, func(key string) bool { return !r.contains(key) })
}

// clamp bounds the range of a request by that of its region.
func (req *Request) clamp(r *Region) {
	switch {
	case req.Kind == KindScan && req.Reverse:
		req.EndKey = max(req.EndKey, r.Start)
	case req.Kind == KindScan || req.Kind == KindScanLock || req.Kind == KindDeleteRange:
		if r.End != "" && (req.EndKey == "" || req.EndKey > r.End) {
			req.EndKey = r.End
		}
	case (req.Kind == KindResolve || req.Kind == KindPessimisticRollback) && len(req.Keys) == 0:
		req.Key, req.EndKey = r.Start, r.End
	}
}
