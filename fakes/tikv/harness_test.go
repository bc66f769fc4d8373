package tikv_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// latency is the virtual time that every RPC takes.
const latency = 200 * time.Microsecond

// world is a store, a clock that moves only by sleeping and by RPCs, and a
// place to put faults. It is a Transport and an env.Clock.
type world struct {
	t      testing.TB
	engine *tikv.Engine
	now    time.Duration
	rpcs   map[tikv.Kind]int
	seed   uint64
	// fault decides about a request before it is handled; nil means none.
	fault func(req *tikv.Request, resp *tikv.Response) fault
}

// fault is what becomes of one RPC.
type fault uint8

const (
	deliver   fault = iota
	answered        // the fault hook has filled in the response
	lose            // not handled, no answer
	loseReply       // handled, no answer
	refuse          // not handled, and the caller is told
)

var errLost = &env.Error{Class: env.ClassUndetermined, Op: "rpc"}

func newWorld(t testing.TB) *world {
	return &world{t: t, engine: tikv.New(tikv.Options{RecordReads: true}), rpcs: map[tikv.Kind]int{}, now: time.Hour, seed: 1}
}

func (w *world) client(cfg tikv.ClientConfig) *tikv.Client { return tikv.NewClient(w, w, w, cfg) }

func (w *world) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, timeout time.Duration) error {
	w.rpcs[req.Kind]++
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	copied := *req
	copied.PhysicalMS = w.now.Milliseconds()
	w.now += latency
	fate := deliver
	if w.fault != nil {
		fate = w.fault(&copied, resp)
	}
	switch fate {
	case answered:
		return nil
	case lose, loseReply:
		if fate == loseReply {
			w.engine.Handle(&copied, &tikv.Response{})
		}
		w.now += timeout
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return errLost
	case refuse:
		return env.ErrUnavailable
	}
	w.engine.Handle(&copied, resp)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (w *world) Now() time.Time           { return time.Unix(0, 0).Add(w.now) }
func (w *world) Monotonic() time.Duration { return w.now }

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil {
		if deadline, ok := ctx.Value(deadlineKey{}).(time.Duration); ok && w.now+d >= deadline {
			w.now = deadline
			ctx.Value(cancelKey{}).(context.CancelCauseFunc)(context.DeadlineExceeded)
			return context.DeadlineExceeded
		}
		w.now += max(d, 0)
	}
	return context.Cause(ctx)
}

type (
	deadlineKey struct{}
	cancelKey   struct{}
)

// WithTimeout returns a context that ends when Sleep reaches its deadline.
func (w *world) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = context.WithValue(ctx, deadlineKey{}, w.now+d)
	ctx = context.WithValue(ctx, cancelKey{}, cancel)
	return ctx, func() { cancel(nil) }
}

func (w *world) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(ctx)
}

func (w *world) Uint64() uint64 {
	w.seed += 0x9e3779b97f4a7c15
	z := w.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (w *world) begin(kv env.KV) env.Txn {
	w.t.Helper()
	tx, err := kv.Begin(context.Background())
	require.NoError(w.t, err)
	return tx
}

// put commits one value.
func (w *world) put(kv env.KV, key, value string) {
	w.t.Helper()
	tx := w.begin(kv)
	tx.Put(key, []byte(value))
	require.NoError(w.t, tx.Commit(context.Background()))
}

// get reads one value in a transaction of its own, "" if there is none.
func (w *world) get(kv env.KV, key string) string {
	w.t.Helper()
	value, err := w.begin(kv).Get(context.Background(), key)
	if env.ClassOf(err) == env.ClassNotFound {
		return ""
	}
	require.NoError(w.t, err)
	return string(value)
}
