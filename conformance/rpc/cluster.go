// Package rpc lets the real TiKV client run over the engine of package fakes/tikv
// in one process: a cluster with its stores and its placement driver, of which
// every call is a message that is marshalled, travels for a while and meets what
// a hook has decided. The in-memory client can be had over the same cluster, with
// the same times and hooks. The simulator never imports it.
//
// Time is the process's own, so that a test in a bubble of testing/synctest has it
// virtual. There, a cluster's clients must be closed, and a minute must pass, before
// the bubble ends: the client's pools and tickers end by themselves.
package rpc

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	clienttikv "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	pd "github.com/tikv/pd/client"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Latency is the least that a call takes, half of it on the way to the server. It
// must not be 0: the client's retries would spin at the instant at which a lock
// expires.
const Latency = 200 * time.Microsecond

// Config are a cluster's settings. The zero value is ready for use.
type Config struct {
	// Engine is the engine to serve; nil means a new one. Nothing else may use it
	// while calls are under way, except through [Cluster.Inspect].
	Engine *tikv.Engine
	// Splits are the keys at which regions begin, rising; none means one region.
	Splits []string
	// Stores is how many stores there are; below 1 means 1. Each holds all
	// regions, and the first leads them at the beginning.
	Stores int
	// Seed decides how much longer than Latency each call takes: up to a tenth,
	// so that hardly two events fall on the same instant, whose order Go's
	// scheduler would decide.
	Seed uint64
}

// Cluster is a cluster of TiKV in this process. It may be used by several
// goroutines at once.
type Cluster struct {
	stores  []uint64
	seed    uint64
	running sync.WaitGroup // calls whose callers may have left
	mock    *mock          // in place of store, if it is not nil
	waits   wire.Waits
	closed  context.Context
	end     context.CancelFunc

	mu        sync.Mutex
	engine    *tikv.Engine
	safePoint uint64
	clients   uint64
}

// New returns a cluster. It fails if the splits don't rise.
func New(cfg Config) (*Cluster, error) {
	c := &Cluster{engine: cfg.Engine, seed: cfg.Seed}
	c.closed, c.end = context.WithCancel(context.Background())
	if c.engine == nil {
		c.engine = tikv.New(tikv.Options{})
	}
	for id := range max(cfg.Stores, 1) {
		c.stores = append(c.stores, uint64(id+1))
	}
	regions := c.engine.Regions()
	regions.Place(regions.Locate("").ID, c.stores...)
	last := ""
	for i, key := range cfg.Splits {
		if key <= last {
			return nil, fmt.Errorf("split %d is at %q, which is not behind %q", i+1, key, last)
		}
		regions.Split(key)
		last = key
	}
	c.engine.SyncMaxTS()
	return c, nil
}

// placement tells of the engine's regions.
func (c *Cluster) placement() wire.Placement {
	return func(do func(*tikv.Regions)) { c.Inspect(func(e *tikv.Engine) { do(e.Regions()) }) }
}

// Inspect calls do with the engine while it handles nothing.
func (c *Cluster) Inspect(do func(*tikv.Engine)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c.engine)
}

// SetTxnSafePoint makes PD tell clients that snapshots before ts are refused. They
// ask every 10 seconds. The engine's own safe point, behind which versions are
// dropped, is another: see [tikv.Engine.SetSafePoint].
func (c *Cluster) SetTxnSafePoint(ts uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.safePoint = max(c.safePoint, ts)
}

func (c *Cluster) txnSafePoint() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.safePoint
}

// Close ends what the in-memory clients do behind their callers' backs, and waits
// until no call is under way any more, also of those whose callers have left. All
// other clients must be closed.
func (c *Cluster) Close() error {
	c.end()
	c.running.Wait()
	if c.mock != nil {
		return c.mock.stores.Close()
	}
	return nil
}

func (c *Cluster) handle(reqs []tikv.Request, resps []tikv.Response) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range reqs {
		c.engine.Handle(&reqs[i], &resps[i])
	}
	return nil
}

// timestamp asks the engine's oracle at this moment.
func (c *Cluster) timestamp() uint64 {
	var resps [1]tikv.Response
	_ = c.handle([]tikv.Request{{Kind: tikv.KindTSO, PhysicalMS: time.Now().UnixMilli()}}, resps[:])
	return resps[0].TS
}

// Open connects a new client of its own. hook decides the fate of its calls; nil
// delivers all.
func (c *Cluster) Open(hook Hook) (*clienttikv.KVStore, error) {
	stores, pd := c.Connect(hook)
	return clienttikv.NewTestTiKVStore(stores, pd, nil, nil, 0)
}

// Connect returns the two ends of a new client, for a caller that puts a store
// together itself.
func (c *Cluster) Connect(hook Hook) (clienttikv.Client, pd.Client) {
	w := c.way(hook)
	p := &placement{way: w}
	if c.mock != nil {
		return &client{way: w}, &mockPlacement{Client: c.mock.pd, placement: p}
	}
	return &client{way: w}, p
}

// Carried is Connect for a client whose calls somebody else carries.
func (c *Cluster) Carried(carrier Carrier) (clienttikv.Client, pd.Client) {
	w := c.way(nil)
	w.carrier = carrier
	return &client{way: w}, &placement{way: w}
}

func (c *Cluster) way(hook Hook) *way {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients++
	return &way{cluster: c, hook: hook, number: c.clients, sent: map[string]uint64{}}
}

// Call is one call of a client, as its hook is shown it.
type Call struct {
	// Method is the command's name: "Prewrite", "Commit", ... of a store;
	// "GetTS", "GetRegion", "GetGCState", ... of PD.
	Method string
	// Kind is what the engine calls it, 0 for what it knows nothing of.
	Kind tikv.Kind
	// StartTS is the transaction or the snapshot that the call is for, and Key the
	// first key that it names; 0 and "" if there is none.
	StartTS uint64
	Key     string
	// Real is the message of the real client to a store, Thin any message of the
	// in-memory client. They must not be changed.
	Real *tikvrpc.Request
	Thin *tikv.Request
}

// subject tells calls of one client apart.
func (c *Call) subject() string {
	return c.Method + " " + strconv.FormatUint(c.StartTS, 10) + " " + c.Key
}

// way is how one client's calls come to the cluster.
type way struct {
	cluster *Cluster
	hook    Hook
	carrier Carrier
	number  uint64

	mu   sync.Mutex
	sent map[string]uint64 // calls so far, by subject
}

// extra is how much longer than Latency a call takes. It depends on who calls, on
// what about and how often that was before, not on the order of other calls.
func (w *way) extra(subject string) time.Duration {
	w.mu.Lock()
	nth := w.sent[subject]
	w.sent[subject]++
	w.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %s %d", w.cluster.seed, w.number, subject, nth)
	return time.Duration(h.Sum64() % uint64(Latency/10))
}
