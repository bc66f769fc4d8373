// Package stores connects a process to the stores that its settings name.
package stores

import (
	"context"
	"log/slog"
	"sync"

	"github.com/pingcap/log"
	"go.uber.org/zap"

	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/daemon"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
)

var logOnce sync.Once

// KV connects to TiKV. Errors: env.ErrInvalid for what can never work,
// env.ErrUnavailable, the context's.
func KV(ctx context.Context, s *settings.Settings, to slog.Handler) (*tikv.KV, error) {
	logOnce.Do(func() { // the client has one logger for the whole program
		log.ReplaceGlobals(zap.New(zapLog{to}), &log.ZapProperties{Level: zap.NewAtomicLevel()})
	})
	type result struct {
		kv  *tikv.KV
		err error
	}
	done := make(chan result, 1)
	go func() {
		kv, err := tikv.Open(s.TiKV)
		done <- result{kv, err}
	}()
	select {
	case r := <-done:
		return r.kv, r.err
	case <-ctx.Done():
		// The client's constructor takes no context: it is left to itself, which
		// costs a process that ends nothing.
		return nil, context.Cause(ctx)
	}
}

// Open connects to TiKV and to the object store.
func Open(ctx context.Context, s *settings.Settings, to slog.Handler) (daemon.Stores, error) {
	kv, err := KV(ctx, s, to)
	if err != nil {
		return daemon.Stores{}, err
	}
	objects, err := Objects(ctx, s)
	if err != nil {
		kv.Close()
		return daemon.Stores{}, err
	}
	return daemon.Stores{KV: kv, Objects: objects, Close: kv.Close}, nil
}
