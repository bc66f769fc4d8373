package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// errNoAnswer: the time-out of a request passed while it or its answer was
// under way.
var errNoAnswer = errors.New("local: no answer in time")

// link is one process's way to one store: requests and answers take a time
// drawn evenly from [min, max] each.
type link struct {
	clock    env.Clock
	rand     env.Rand
	min, max time.Duration
}

// carry takes a request to the store, has it handled, and takes the answer
// back. When timeout passes or ctx ends on the way there, the request is never
// handled; on the way back, it was.
func (l *link) carry(ctx context.Context, timeout time.Duration, handle func()) error {
	if l.max <= 0 {
		handle()
		return nil
	}
	limited, cancel := l.clock.WithTimeout(ctx, timeout)
	defer cancel()
	err := l.travel(limited)
	if err == nil {
		handle()
		err = l.travel(limited)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errNoAnswer
}

func (l *link) travel(ctx context.Context) error {
	latency := l.min
	if l.max > l.min {
		latency += time.Duration(l.rand.Uint64() % uint64(l.max-l.min+1))
	}
	return l.clock.Sleep(ctx, latency)
}

// kvServer is an engine that several processes share. Its timestamps follow
// the wall clock of the cluster.
type kvServer struct {
	mu     sync.Mutex
	engine *tikv.Engine
	clock  env.Clock
}

type kvTransport struct {
	link
	server *kvServer
}

func (t *kvTransport) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, timeout time.Duration) error {
	return t.carry(ctx, timeout, func() {
		copied := *req
		t.server.mu.Lock()
		defer t.server.mu.Unlock()
		copied.PhysicalMS = t.server.clock.Now().UnixMilli()
		t.server.engine.Handle(&copied, resp)
	})
}

// objectServer is a store that several processes share.
type objectServer struct {
	mu    sync.Mutex
	store *objstore.Store
}

type objectTransport struct {
	link
	server *objectServer
}

func (t *objectTransport) Send(ctx context.Context, req *objstore.Request, resp *objstore.Response, timeout time.Duration) error {
	return t.carry(ctx, timeout, func() {
		t.server.mu.Lock()
		defer t.server.mu.Unlock()
		t.server.store.Handle(req, resp)
	})
}
