package executor

import (
	"context"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"

	backend "github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// open connects the incarnation's client of TiKV, the real one. What that asks
// for while it opens meets no faults.
func (in *incarnation) open() (env.KV, error) {
	// The client has several tickers of the same period. Timers of the same instant
	// fire in any order: no two clients may begin at one.
	in.wait(in.root, time.Duration(in.p.index+1)*time.Microsecond, nil)
	in.live()
	stores, placement := in.u.cluster.Carried(in.carry)
	store, err := clienttikv.NewTestTiKVStore(stores, placement, nil, nil, 0)
	in.live()
	if err != nil {
		return nil, err
	}
	in.u.mu.Lock()
	in.store, in.opening = store, false
	in.u.mu.Unlock()
	return in.u.court.Recorded(kv{in, backend.FromStore(store)}, &in.u.mu), nil
}

// closeStore ends the client's background work. It has no errors that matter: the
// store is another's.
func (in *incarnation) closeStore() { _ = in.store.Close() }

// operations are what the simulator calls the requests of its own client. The
// others are the client's own business: heartbeats, safe points.
var operations = map[tikv.Kind]ops.Op{
	tikv.KindTSO: ops.TSO, tikv.KindGet: ops.KVGet, tikv.KindBatchGet: ops.KVGet, tikv.KindScan: ops.KVScan,
	tikv.KindPrewrite: ops.Prewrite, tikv.KindCommit: ops.Commit,
	tikv.KindRollback: ops.Rollback, tikv.KindCleanup: ops.Rollback,
	tikv.KindCheckTxn: ops.CheckTxn, tikv.KindResolve: ops.Resolve,
}

// carry carries one call of the client.
func (in *incarnation) carry(ctx context.Context, c *rpc.Call, work func(rpc.Fate) (any, error)) (any, error) {
	if c.Kind == 0 && c.Real == nil {
		// Where regions and stores are takes no time: the client asks while it holds
		// a mutex, and a goroutine that waits for a mutex holds up a bubble's time.
		return work(rpc.Fate{})
	}
	m := &message{in: in, owner: ownerOf(ctx), startTS: c.StartTS, subject: subject(c)}
	m.KV.StartTS, m.KV.Primary = m.startTS, m.subject
	m.serve = func(m *message) {
		m.result, m.err = work(rpc.Fate{})
		m.KVReply = answered(m.result)
	}
	m.answer = func(m *message) {
		if m.KVReply.Region != tikv.RegionOK {
			m.result, m.err = work(rpc.Fate{Region: m.KVReply.Region})
			return
		}
		m.result = conflict(m)
	}
	// The timestamps that the client asks for every two seconds are for nobody.
	op, known := operations[c.Kind]
	m.Op, m.spared = op, !known || op == ops.TSO && m.owner.task == nil
	in.u.mu.Lock()
	m.spared = m.spared || in.opening
	if known, ok := in.owners[m.startTS]; ok && m.owner.task == nil {
		m.owner = known
		m.owner.behind = true
	}
	in.u.mu.Unlock()
	if c.Real != nil {
		// The client sends several requests at once, in the order of its own maps and
		// goroutines: their content orders them.
		content := keyed.Mix(keyed.HashText(c.Method), keyed.HashText(c.Key))
		content = keyed.Mix(keyed.Mix(in.u.seed, content), keyed.Mix(keyed.HashText(in.p.program.Name), m.owner.id()))
		in.wait(ctx, time.Duration(keyed.Below(content, spread)), nil)
	}
	if err := m.roundTrip(ctx, in.u.bounds.RPCTimeout); err != nil {
		if err == errNoReply {
			return nil, context.DeadlineExceeded
		}
		return nil, err
	}
	return m.result, m.err
}

// spread is how far apart requests that the client sends at once leave, in
// nanoseconds.
const spread = 20_000

// subject is the key that stands for a request, as in package sim: the primary's
// for those that name one.
func subject(c *rpc.Call) string {
	if c.Real != nil && c.Real.Type == tikvrpc.CmdPrewrite {
		return string(c.Real.Prewrite().PrimaryLock)
	}
	return c.Key
}

// conflict answers a prewrite as if another transaction had come first.
func conflict(m *message) *tikvrpc.Response {
	key := []byte(m.KVReply.Key)
	return &tikvrpc.Response{Resp: &kvrpcpb.PrewriteResponse{Errors: []*kvrpcpb.KeyError{{Conflict: &kvrpcpb.WriteConflict{
		StartTs: m.startTS, ConflictTs: m.startTS + 1, ConflictCommitTs: m.startTS + 1, Key: key, Primary: key,
		Reason: kvrpcpb.WriteConflict_Optimistic,
	}}}}}
}

// answered is what the store said, as far as invariants look at it.
func answered(result any) (r tikv.Response) {
	resp, ok := result.(*tikvrpc.Response)
	if !ok {
		return r
	}
	if regional, _ := resp.GetRegionError(); regional != nil {
		r.Region = tikv.RegionNotFound
		return r
	}
	var failure *kvrpcpb.KeyError
	switch body := resp.Resp.(type) {
	case *kvrpcpb.GetResponse:
		failure = body.Error
	case *kvrpcpb.PrewriteResponse:
		if len(body.Errors) > 0 {
			failure = body.Errors[0]
		}
	case *kvrpcpb.CommitResponse:
		failure = body.Error
	case *kvrpcpb.ScanResponse:
		failure = body.Error
	}
	switch {
	case failure == nil:
	case failure.Locked != nil:
		r.Status = tikv.StatusLocked
	case failure.Conflict != nil:
		r.Status = tikv.StatusWriteConflict
	case failure.CommitTsExpired != nil:
		r.Status = tikv.StatusCommitTSExpired
	default:
		r.Status = tikv.StatusLockNotFound
	}
	return r
}

// kv is an incarnation's env.KV: the real client, whose calls don't return in a
// process that has ended.
type kv struct {
	in *incarnation
	*backend.KV
}

func (k kv) Begin(ctx context.Context) (env.Txn, error) {
	k.in.live()
	inner, err := k.KV.Begin(ctx)
	k.in.live()
	if err != nil {
		return nil, err
	}
	t := txn{k.in, inner}
	t.own(ctx)
	return t, nil
}

type txn struct {
	in *incarnation
	env.Txn
}

// own remembers for whom the client's calls without context are.
func (t txn) own(ctx context.Context) {
	t.in.u.mu.Lock()
	defer t.in.u.mu.Unlock()
	t.in.owners[t.StartTS()] = ownerOf(ctx)
}

func (t txn) Get(ctx context.Context, key string) ([]byte, error) {
	t.in.live()
	value, err := t.Txn.Get(ctx, key)
	t.in.live()
	return value, err
}

func (t txn) Scan(ctx context.Context, from, to string, limit int) ([]env.Pair, error) {
	t.in.live()
	t.own(ctx)
	pairs, err := t.Txn.Scan(ctx, from, to, limit)
	t.in.live()
	return pairs, err
}

func (t txn) Commit(ctx context.Context) error {
	t.in.live()
	t.own(ctx)
	err := t.Txn.Commit(ctx)
	t.in.live()
	return err
}
