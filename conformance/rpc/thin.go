package rpc

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Thin opens a new in-memory client over the cluster. hook decides the fate of its
// calls; nil delivers all. Without a Region it knows the cluster's regions as they
// are.
func (c *Cluster) Thin(hook Hook, cfg tikv.ClientConfig) *tikv.Client {
	if cfg.Region == nil {
		cfg.Region = c.region
	}
	w := c.way(hook)
	cfg.Group = func(ctx context.Context) env.Group {
		ctx, end := context.WithCancel(ctx)
		context.AfterFunc(c.closed, end)
		return process.NewRuntime(env.Process{Name: "thin"}).Group(ctx)
	}
	return tikv.NewClient(transport{w}, process.NewClock(clock.New()), process.NewRand(c.seed<<8|w.number), cfg)
}

// region numbers the regions in the order of their keys.
func (c *Cluster) region(key string) int {
	n := 0
	for _, r := range c.placement().All() {
		if r.Start <= key {
			n++
		}
	}
	return n
}

// transport carries the in-memory client's requests.
type transport struct{ *way }

var methods = map[tikv.Kind]string{
	tikv.KindTSO: getTS, tikv.KindGet: "Get", tikv.KindScan: "Scan", tikv.KindPrewrite: "Prewrite",
	tikv.KindCommit: "Commit", tikv.KindRollback: "BatchRollback", tikv.KindCheckTxn: "CheckTxnStatus",
	tikv.KindResolve: "ResolveLock", tikv.KindSafePoint: getGCState,
}

// Send carries a request to the engine.
func (t transport) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, timeout time.Duration) error {
	sent := *req
	call := &Call{Method: methods[sent.Kind], Kind: sent.Kind, StartTS: sent.StartTS, Key: subject(&sent), Thin: &sent}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := travel(limited, t.way, call, func(fate Fate) (tikv.Response, error) {
		if fate.Region != tikv.RegionOK {
			return tikv.Response{Region: fate.Region}, nil
		}
		if fate.TS != 0 {
			return tikv.Response{TS: fate.TS}, nil
		}
		if sent.Kind == tikv.KindSafePoint {
			return tikv.Response{TS: t.cluster.txnSafePoint()}, nil
		}
		var handled [1]tikv.Response
		arrived := sent
		arrived.PhysicalMS = time.Now().UnixMilli()
		err := t.cluster.handle([]tikv.Request{arrived}, handled[:])
		return handled[0], err
	})
	switch {
	case err == nil:
		*resp = answer
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &env.Error{Class: env.ClassUndetermined, Op: "rpc", Err: err}
}

// subject is the first key that a request names.
func subject(req *tikv.Request) string {
	switch {
	case req.Key != "":
		return req.Key
	case len(req.Mutations) > 0:
		return req.Mutations[0].Key
	case len(req.Keys) > 0:
		return req.Keys[0]
	}
	return req.Primary
}
