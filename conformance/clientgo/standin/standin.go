// Package standin stands in for the mock stores that the real client's own
// integration tests open, and for the few other names that they take from TiDB: the
// stores are clusters of package conformance/rpc, over the engine of package
// fakes/tikv. Its only callers are those tests, whose imports package clientgo
// rewrites; the names are theirs.
package standin

import (
	"context"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/metapb"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"github.com/tikv/client-go/v2/util/codec"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/clients/router"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// RPCClient carries requests to a cluster.
type RPCClient struct{ clienttikv.Client }

// Cluster is a cluster whose regions the tests split. Copies are the same cluster.
type Cluster struct{ *state }

type state struct {
	cluster *rpc.Cluster

	mu     sync.Mutex
	ids    uint64
	delays map[delayed]time.Duration
}

type delayed struct{ startTS, region uint64 }

// NewMockTiKV returns the two ends of a client and its cluster, for a mock store at
// which no request waits for a lock. The arguments, where and with what to keep the
// rows, have no meaning here.
func NewMockTiKV(string, any) (clienttikv.Client, Cluster, pd.Client, error) {
	stores, c, placement, err := connect()
	if err != nil {
		return nil, Cluster{}, nil, err
	}
	return faults{impatient{stores}}, c, placement, nil
}

// New is for another mock store, at which requests wait as at TiKV.
func New(string, any, uint32, any) (*RPCClient, pd.Client, Cluster, error) {
	stores, c, placement, err := connect()
	if err != nil {
		return nil, nil, Cluster{}, err
	}
	return &RPCClient{faults{stores}}, placement, c, nil
}

func connect() (clienttikv.Client, Cluster, pd.Client, error) {
	cluster, err := rpc.New(rpc.Config{})
	if err != nil {
		return nil, Cluster{}, nil, err
	}
	c := Cluster{&state{cluster: cluster, ids: 1000, delays: map[delayed]time.Duration{}}}
	stores, placement := cluster.Connect(c.delay)
	return stores, c, calm{placement}, nil
}

// calm is a placement driver that tells of regions also whoever does not wait any
// more, as the mock one does: tests that end a context expect the store's answer.
type calm struct{ pd.Client }

func (c calm) WithCallerComponent(caller.Component) pd.Client { return c }

func (c calm) GetRegion(ctx context.Context, key []byte, opts ...opt.GetRegionOption) (*router.Region, error) {
	return c.Client.GetRegion(context.WithoutCancel(ctx), key, opts...)
}

// delay holds a call that ScheduleDelay has named, once.
func (c Cluster) delay(call *rpc.Call) rpc.Fate {
	if call.Real == nil {
		return rpc.Fate{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := delayed{call.StartTS, call.Real.Context.RegionId}
	hold := c.delays[of]
	delete(c.delays, of)
	return rpc.Fate{Hold: hold}
}

// BootstrapWithSingleStore tells the ids of the only store, and of its region's
// replica and region.
func BootstrapWithSingleStore(c Cluster) (storeID, peerID, regionID uint64) {
	region, leader, _, _ := c.GetRegionByKey(nil)
	return leader.StoreId, leader.Id, region.Id
}

// BootstrapWithMultiRegions splits at the keys.
func BootstrapWithMultiRegions(c Cluster, keys ...[]byte) (storeID uint64, regionIDs, peerIDs []uint64) {
	for _, key := range keys {
		c.split(string(key))
	}
	for _, key := range append([][]byte{nil}, keys...) {
		region, leader, _, _ := c.GetRegionByKey(key)
		storeID = leader.StoreId
		regionIDs, peerIDs = append(regionIDs, region.Id), append(peerIDs, leader.Id)
	}
	return storeID, regionIDs, peerIDs
}

// AllocID returns a new number. Regions number themselves: it names none.
func (c Cluster) AllocID() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	return c.ids
}

// Split lets a region end at a key, and another begin there. Which ids it gets is
// the cluster's choice. The mock store's regions overlap if the key lies behind the
// region; here, those up to the key become one with it.
func (c Cluster) Split(regionID, _ uint64, key []byte, _ []uint64, _ uint64) {
	c.cluster.Inspect(func(e *tikv.Engine) {
		for _, r := range e.Regions().All() {
			if r.ID != regionID {
				continue
			}
			for at := r; at.End != "" && at.End <= string(key); at = e.Regions().Locate(r.Start) {
				e.Regions().Merge(r.Start)
			}
			e.SyncMaxTS()
		}
		e.Regions().Split(string(key))
	})
}

func (c Cluster) split(key string) {
	c.cluster.Inspect(func(e *tikv.Engine) { e.Regions().Split(key) })
}

// SplitKeys splits the keys between two single bytes into count regions.
func (c Cluster) SplitKeys(start, end []byte, count int) {
	from, to := int(min(start[0], end[0])), int(max(start[0], end[0]))
	for i := 1; i < count; i++ {
		c.split(string([]byte{byte(from + (to-from)*i/count)}))
	}
}

// GetRegionByKey returns the region that holds a key, and its leader; there are no
// buckets, and no replica is down.
func (c Cluster) GetRegionByKey(key []byte) (*metapb.Region, *metapb.Peer, *metapb.Buckets, []*metapb.Peer) {
	regions := wire.Placement(func(do func(*tikv.Regions)) {
		c.cluster.Inspect(func(e *tikv.Engine) { do(e.Regions()) })
	})
	placed, err := regions.Holding(codec.EncodeBytes(nil, key))
	if err != nil {
		panic(err) // it is encoded
	}
	return placed.Meta, placed.Leader, nil, nil
}

// ScheduleDelay holds the next call of a transaction to a region back.
func (c Cluster) ScheduleDelay(startTS, regionID uint64, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delays[delayed{startTS, regionID}] = d
}

// Key and Transaction are TiDB's names for the real client's own.
type (
	Key         = []byte
	Transaction = *transaction.KVTxn
)

// NewTiKVTxn is TiDB's wrapper of a transaction: here, the transaction.
func NewTiKVTxn(txn *transaction.KVTxn) Transaction { return txn }

// MakeKeyspaceEtcdNamespace is needed to compile what runs on a real cluster only.
func MakeKeyspaceEtcdNamespace(any) string { return "" }
