package rpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/clients/gc"
	"github.com/tikv/pd/client/clients/router"
	"github.com/tikv/pd/client/clients/tso"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"
	sd "github.com/tikv/pd/client/servicediscovery"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// placement is the end at which a client finds PD: timestamps, regions, stores and
// the safe point. What the client does not call is absent, and panics.
type placement struct {
	pd.Client
	*way
}

// pdTimeout is how long PD's client waits for an answer.
const pdTimeout = 3 * time.Second

// clusterID is the identity that clients see.
const clusterID = 7

// Methods of PD that something is special about.
const (
	getTS      = "GetTS"
	getGCState = "GetGCState"
	getStore   = "GetStore"
)

var errPD = errors.New("no answer from PD")

// ask carries a call to PD.
func ask[R any](ctx context.Context, p *placement, method string, work func(Fate) (R, error)) (R, error) {
	limited, cancel := context.WithTimeout(ctx, pdTimeout)
	defer cancel()
	call := &Call{Method: method}
	if method == getTS {
		call.Kind = tikv.KindTSO
	}
	answer, err := travel(limited, p.way, call, work)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return answer, context.Cause(ctx)
	case limited.Err() != nil:
		return answer, errPD
	}
	return answer, err
}

func (p *placement) GetClusterID(context.Context) uint64                { return clusterID }
func (p *placement) WithCallerComponent(caller.Component) pd.Client     { return p }
func (p *placement) GetServiceDiscovery() sd.ServiceDiscovery           { return nil }
func (p *placement) UpdateOption(opt.DynamicOption, any) error          { return nil }
func (p *placement) GetLeaderURL() string                               { return "pd" }
func (p *placement) Close()                                             {}
func (p *placement) GetGCStatesClient(uint32) gc.GCStatesClient         { return gcStates{placement: p} }
func (p *placement) GetTS(ctx context.Context) (int64, int64, error)    { return p.GetTSAsync(ctx).Wait() }
func (p *placement) GetMinTS(ctx context.Context) (int64, int64, error) { return p.GetTS(ctx) }

// GetTSAsync asks the oracle at once, and is waited for later.
func (p *placement) GetTSAsync(ctx context.Context) tso.TSFuture {
	f := &future{done: make(chan struct{})}
	p.cluster.running.Go(func() {
		defer close(f.done)
		f.ts, f.err = ask(ctx, p, getTS, func(fate Fate) (uint64, error) {
			if fate.TS != 0 {
				return fate.TS, nil
			}
			return p.cluster.timestamp(), nil
		})
	})
	return f
}

// GetLocalTSAsync is GetTSAsync: there is one oracle.
func (p *placement) GetLocalTSAsync(ctx context.Context, _ string) tso.TSFuture {
	return p.GetTSAsync(ctx)
}

type future struct {
	done chan struct{}
	ts   uint64
	err  error
}

func (f *future) Wait() (physical, logical int64, err error) {
	<-f.done
	return tikv.PhysicalMS(f.ts), int64(f.ts & (1<<tikv.LogicalBits - 1)), f.err
}

func routed(r *wire.Placed, err error) (*router.Region, error) {
	if r == nil || err != nil {
		return nil, err
	}
	return &router.Region{Meta: r.Meta, Leader: r.Leader}, nil
}

func (p *placement) GetRegion(ctx context.Context, key []byte, _ ...opt.GetRegionOption) (*router.Region, error) {
	return ask(ctx, p, "GetRegion", func(Fate) (*router.Region, error) { return routed(p.cluster.placement().Holding(key)) })
}

func (p *placement) GetPrevRegion(ctx context.Context, key []byte, _ ...opt.GetRegionOption) (*router.Region, error) {
	return ask(ctx, p, "GetPrevRegion", func(Fate) (*router.Region, error) { return routed(p.cluster.placement().Before(key)) })
}

func (p *placement) GetRegionByID(ctx context.Context, id uint64, _ ...opt.GetRegionOption) (*router.Region, error) {
	return ask(ctx, p, "GetRegionByID", func(Fate) (*router.Region, error) { return routed(p.cluster.placement().ByID(id), nil) })
}

func (p *placement) ScanRegions(ctx context.Context, from, to []byte, limit int, opts ...opt.GetRegionOption) ([]*router.Region, error) {
	return p.BatchScanRegions(ctx, []router.KeyRange{{StartKey: from, EndKey: to}}, limit, opts...)
}

func (p *placement) BatchScanRegions(ctx context.Context, ranges []router.KeyRange, limit int, _ ...opt.GetRegionOption) ([]*router.Region, error) {
	return ask(ctx, p, "ScanRegions", func(Fate) (list []*router.Region, err error) {
		for _, r := range ranges {
			touched, err := p.cluster.placement().Touching(r.StartKey, r.EndKey, 0)
			if err != nil {
				return nil, err
			}
			for _, t := range touched {
				// Two ranges may touch one region.
				if n := len(list); n > 0 && list[n-1].Meta.Id == t.Meta.Id {
					continue
				}
				if limit > 0 && len(list) == limit {
					return list, nil
				}
				list = append(list, &router.Region{Meta: t.Meta, Leader: t.Leader})
			}
		}
		return list, nil
	})
}

// ScatterRegions leaves the regions where they are: every store holds all.
func (p *placement) ScatterRegions(ctx context.Context, _ []uint64, _ ...opt.RegionsOption) (*pdpb.ScatterRegionResponse, error) {
	return ask(ctx, p, "ScatterRegions", func(Fate) (*pdpb.ScatterRegionResponse, error) { return &pdpb.ScatterRegionResponse{}, nil })
}

// GetOperator tells that nothing is moving regions.
func (p *placement) GetOperator(ctx context.Context, region uint64) (*pdpb.GetOperatorResponse, error) {
	return ask(ctx, p, "GetOperator", func(Fate) (*pdpb.GetOperatorResponse, error) {
		return &pdpb.GetOperatorResponse{RegionId: region, Status: pdpb.OperatorStatus_SUCCESS}, nil
	})
}

const addressPrefix = "store"

func store(id uint64) *metapb.Store {
	return &metapb.Store{
		Id: id, Address: addressPrefix + strconv.FormatUint(id, 10), State: metapb.StoreState_Up, Version: "8.5.0",
	}
}

func (p *placement) GetStore(ctx context.Context, id uint64, _ ...opt.GetStoreOption) (*metapb.Store, error) {
	return ask(ctx, p, getStore, func(Fate) (*metapb.Store, error) { return store(id), nil })
}

func (p *placement) GetAllStores(ctx context.Context, _ ...opt.GetStoreOption) ([]*metapb.Store, error) {
	return ask(ctx, p, "GetAllStores", func(Fate) (list []*metapb.Store, err error) {
		for _, id := range p.cluster.stores {
			list = append(list, store(id))
		}
		return list, nil
	})
}

// gcStates tells where garbage collection stands.
type gcStates struct {
	gc.GCStatesClient
	*placement
}

func (g gcStates) GetGCState(ctx context.Context) (gc.GCState, error) {
	return ask(ctx, g.placement, getGCState, func(Fate) (gc.GCState, error) {
		return gc.GCState{TxnSafePoint: g.cluster.txnSafePoint()}, nil
	})
}

// mockPlacement is PD over the mock store: its regions, and this package's
// timestamps.
type mockPlacement struct {
	pd.Client
	placement *placement
}

func (p *mockPlacement) WithCallerComponent(caller.Component) pd.Client { return p }
func (p *mockPlacement) GetTSAsync(ctx context.Context) tso.TSFuture {
	return p.placement.GetTSAsync(ctx)
}

func (p *mockPlacement) GetTS(ctx context.Context) (int64, int64, error) {
	return p.placement.GetTS(ctx)
}
