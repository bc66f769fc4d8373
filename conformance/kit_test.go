package conformance_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	clienttikv "github.com/tikv/client-go/v2/tikv"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// world is one cluster in a bubble of virtual time, with clients of one sort. What
// a scenario sees goes into its rows.
type world struct {
	*testing.T
	*rpc.Cluster
	thin   bool
	clock  env.Clock
	ctx    context.Context
	opened []*tikv.KV
	rows   map[string]seen
}

// seen is what one call showed the application.
type seen struct {
	class, value string
	took         time.Duration
}

func newWorld(t *testing.T, thin bool, seed uint64, splits ...string) *world {
	cluster, err := rpc.New(rpc.Config{Splits: splits, Seed: seed})
	require.NoError(t, err)
	return &world{
		T: t, Cluster: cluster, thin: thin, clock: process.NewClock(clock.New()),
		ctx: context.Background(), rows: map[string]seen{},
	}
}

func (w *world) close() {
	for _, kv := range w.opened {
		require.NoError(w, kv.Close())
	}
	require.NoError(w, w.Cluster.Close())
	// The client's pools and tickers end by themselves, and what clients still do
	// behind their callers ends when their patience does.
	time.Sleep(2 * time.Hour)
}

// row notes what do shows, under the row's name. A panic is what it shows, too.
func (w *world) row(id string, do func() (string, error)) {
	w.Helper()
	require.NotContains(w, w.rows, id, "a row twice")
	began := w.clock.Monotonic()
	value, class := "", ""
	func() {
		defer func() {
			if recover() != nil {
				class = "panic"
			}
		}()
		var err error
		value, err = do()
		class = classOf(err)
	}()
	w.rows[id] = seen{class, value, w.clock.Monotonic() - began}
}

// classOf names the class of an error as the rows do. A context's error, which has
// none of env's classes, is called after it.
func classOf(err error) string {
	switch class := env.ClassOf(err); {
	case class == env.ClassNone:
		return "ok"
	case class != env.ClassOther:
		return class.String()
	}
	return err.Error()
}

// peer is one process's client, with what befalls its calls.
type peer struct {
	env.KV
	w     *world
	store *clienttikv.KVStore // of the real client

	mu   sync.Mutex
	hook rpc.Hook
}

func (w *world) peer() *peer {
	p := &peer{w: w}
	if w.thin {
		p.KV = w.Thin(p.fate, fake.ClientConfig{})
		return p
	}
	var err error
	p.store, err = w.Open(p.fate)
	require.NoError(w, err)
	kv := tikv.FromStore(p.store)
	w.opened = append(w.opened, kv)
	p.KV = kv
	return p
}

func (p *peer) fate(c *rpc.Call) rpc.Fate {
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	if hook == nil {
		return rpc.Fate{}
	}
	return hook(c)
}

// on lets hook decide about the peer's calls from now on; nil delivers all.
func (p *peer) on(hook rpc.Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// always lets the same befall every call that picks picks.
func always(picks func(*rpc.Call) bool, fate rpc.Fate) rpc.Hook {
	return func(c *rpc.Call) rpc.Fate {
		if picks(c) {
			return fate
		}
		return rpc.Fate{}
	}
}

// once lets something befall the first call that picks picks. do, if it is not nil,
// is done in the call's place before.
func once(picks func(*rpc.Call) bool, fate rpc.Fate, do func()) rpc.Hook {
	var mu sync.Mutex
	done := false
	return func(c *rpc.Call) rpc.Fate {
		mu.Lock()
		mine := !done && picks(c)
		done = done || mine
		mu.Unlock()
		if !mine {
			return rpc.Fate{}
		}
		if do != nil {
			do()
		}
		return fate
	}
}

// kind picks the calls of one kind.
func kind(k fake.Kind) func(*rpc.Call) bool {
	return func(c *rpc.Call) bool { return c.Kind == k }
}

// toStore picks what goes to stores, toPD what goes to PD.
func toStore(c *rpc.Call) bool { return !toPD(c) }
func toPD(c *rpc.Call) bool {
	return c.Real == nil && (c.Thin == nil || c.Kind == fake.KindTSO || c.Kind == fake.KindSafePoint)
}

// method picks the calls of one method.
func method(name string) func(*rpc.Call) bool {
	return func(c *rpc.Call) bool { return c.Method == name }
}

// primaryCommit picks the commits that decide: of each transaction, those of the
// keys that come first.
func primaryCommit() func(*rpc.Call) bool {
	var mu sync.Mutex
	first := map[uint64]string{}
	return func(c *rpc.Call) bool {
		switch {
		case c.Kind != fake.KindCommit:
			return false
		case c.Real != nil:
			return c.Real.Commit().CommitRole == kvrpcpb.CommitRole_Primary
		}
		mu.Lock()
		defer mu.Unlock()
		if _, ok := first[c.StartTS]; !ok {
			first[c.StartTS] = c.Key
		}
		return first[c.StartTS] == c.Key
	}
}

func (p *peer) begin() env.Txn {
	p.w.Helper()
	tx, err := p.Begin(p.w.ctx)
	require.NoError(p.w, err)
	return tx
}

// writing returns a transaction that is about to put value on the keys.
func (p *peer) writing(value string, keys ...string) env.Txn {
	p.w.Helper()
	tx := p.begin()
	for _, key := range keys {
		tx.Put(key, []byte(value))
	}
	return tx
}

func (p *peer) put(value string, keys ...string) {
	p.w.Helper()
	require.NoError(p.w, p.writing(value, keys...).Commit(p.w.ctx))
}

// get reads a key in a transaction of its own.
func (p *peer) get(key string) (string, error) {
	p.w.Helper()
	return p.w.read(p.begin(), key)
}

func (w *world) read(tx env.Txn, key string) (string, error) {
	value, err := tx.Get(w.ctx, key)
	return short(string(value)), err
}

// commit is a row's body: it commits and shows nothing else.
func (w *world) commit(tx env.Txn) func() (string, error) {
	return func() (string, error) { return "", tx.Commit(w.ctx) }
}

// short cuts values that are too long for a row.
func short(value string) string {
	if len(value) > 20 {
		return fmt.Sprintf("%d bytes", len(value))
	}
	return value
}

// orphan leaves the locks of a committer that died between prewrite and commit.
func (w *world) orphan(value string, keys ...string) {
	w.Helper()
	p := w.peer()
	w.die(p, p.writing(value, keys...), primaryCommit())
}

// die commits tx until the first call that picks picks, at which its process dies.
func (w *world) die(p *peer, tx env.Txn, picks func(*rpc.Call) bool) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var mu sync.Mutex
	dead := false
	p.on(func(c *rpc.Call) rpc.Fate {
		mu.Lock()
		defer mu.Unlock()
		if !dead && picks(c) {
			dead = true
			cancel()
		}
		return rpc.Fate{Lost: dead}
	})
	_ = tx.Commit(ctx)
	require.True(w, dead, "the process did not die")
}

// locks returns how many locks stand.
func (w *world) locks() string {
	n := 0
	w.Inspect(func(e *fake.Engine) { n = len(e.Locks()) })
	return fmt.Sprint(n, " locks")
}

// ttl returns the longest time to live of the locks that stand, in seconds.
func (w *world) ttl() string {
	var ttl uint64
	w.Inspect(func(e *fake.Engine) {
		for _, l := range e.Locks() {
			ttl = max(ttl, l.TTLMS)
		}
	})
	return fmt.Sprintf("TTL %.1f s", float64(ttl)/1000)
}

func (w *world) sleep(d time.Duration) { require.NoError(w, w.clock.Sleep(w.ctx, d)) }

// split makes a region begin at key.
func (w *world) split(key string) {
	w.Inspect(func(e *fake.Engine) { e.Regions().Split(key) })
}
