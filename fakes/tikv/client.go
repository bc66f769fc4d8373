package tikv

import (
	"context"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ClientConfig tunes a Client. Zero fields take the defaults, which are the
// real client's unless told otherwise.
type ClientConfig struct {
	// Region maps a key to its region. Regions are ranges: Region never falls
	// as keys grow. A request never spans two. Nil means one region.
	Region func(key string) int
	// Group makes a group of tasks of the client's process, as env.Runtime's does.
	// In such tasks the client prewrites several batches at once, and does what
	// the real client does behind its caller's back: it commits the other batches
	// once the primary's has committed, rolls a failed transaction back, resolves
	// the locks that a reader has passed, and fetches timestamps while somebody
	// waits for a lock. All but the first go on when the caller's context ends,
	// and end with the process. Nil: all that happens in the caller's place.
	Group func(ctx context.Context) env.Group
	// BatchBytes is the size of keys and values at which a prewrite is full, and
	// that of keys for a commit or rollback: 16 KiB.
	BatchBytes int
	// RPCTimeout bounds one try: 30 s. A Scan has twice that.
	RPCTimeout time.Duration
	// PDTimeout bounds one try to fetch a timestamp: 3 s.
	PDTimeout time.Duration
	// ReadBudget, WriteBudget and TSOBudget bound the pauses between the tries of
	// one Get or Scan (40 s), of the prewrites and of the commit of one
	// transaction (80 s each), and of fetching a timestamp (30 s). BusyBudget
	// bounds the pauses for a busy server, which don't count otherwise: 10 min.
	// The tries themselves count nowhere: a store that never answers a commit
	// keeps it busy for 26 minutes.
	ReadBudget  time.Duration
	WriteBudget time.Duration
	TSOBudget   time.Duration
	BusyBudget  time.Duration
	// LockTTL is how long the locks of a small transaction protect it from its
	// start on, plus the time that it has run before it commits: 3 s, whole
	// milliseconds. Those of a large one stand longer.
	LockTTL time.Duration
	// MaxKey is the longest key that a transaction may write, in bytes: 65535,
	// which is the real client's limit. MaxEntry bounds a key and its value
	// together, MaxTxn those of all writes of one transaction; 0 means no limit,
	// as the real client has none by itself. TiDB sets 6 MiB and 100 MiB, since
	// TiKV refuses raft entries above 8 MiB.
	MaxKey, MaxEntry, MaxTxn int
}

func (cfg ClientConfig) withDefaults() ClientConfig {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&cfg.RPCTimeout, 30*time.Second)
	orDuration(&cfg.PDTimeout, 3*time.Second)
	orDuration(&cfg.ReadBudget, 40*time.Second)
	orDuration(&cfg.WriteBudget, 80*time.Second)
	orDuration(&cfg.TSOBudget, 30*time.Second)
	orDuration(&cfg.BusyBudget, 10*time.Minute)
	orDuration(&cfg.LockTTL, 3*time.Second)
	if cfg.MaxKey <= 0 {
		cfg.MaxKey = 65535
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = 16 << 10
	}
	return cfg
}

// Client is one process's client: an env.KV over a Transport. The tasks of the
// process may share it.
type Client struct {
	transport Transport
	clock     env.Clock
	rand      env.Rand
	cfg       ClientConfig

	mu      sync.Mutex       // of what follows; never held across a call
	last    uint64           // the newest timestamp of the oracle
	lastAt  time.Duration    // when it came, on the process's monotonic clock
	ticking bool             // a task fetches timestamps from time to time
	ticked  time.Duration    // when it last did
	waiting int              // how many tasks wait for locks
	fates   fates            // of transactions that are known to be decided
	safe    safePoint        // as PD has told
	running [jobCount]uint64 // the names in use
	lanes   []*lane          // that no transaction has
}

var _ env.KV = (*Client)(nil)

// NewClient returns a client. rand is used for jitter only. The real client asks
// for the safe point now. Nothing that begins later can be below it.
func NewClient(transport Transport, clock env.Clock, rand env.Rand, cfg ClientConfig) *Client {
	return &Client{
		transport: transport, clock: clock, rand: rand, cfg: cfg.withDefaults(), safe: safePoint{told: clock.Monotonic()},
	}
}

// exchange is a request with room for its response.
type exchange struct {
	req  Request
	resp Response
}

// lane is what one task of a transaction calls with.
type lane struct {
	exchange
	side *exchange // for asking about locks, while the answer is in use
	bo   backoff
	// seen are the answers to the transaction's Gets, nil for a missing key: a second
	// Get of a key asks nobody. Scans neither fill it nor use it.
	seen []env.Pair
}

func (l *lane) sideExchange() *exchange {
	if l.side == nil {
		l.side = new(exchange)
	}
	return l.side
}

// takeLane returns a lane for a transaction: that of one that is spent, if there
// is any. A lane is large, and most transactions are short.
func (c *Client) takeLane() *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.lanes)
	if n == 0 {
		return new(lane)
	}
	l := c.lanes[n-1]
	c.lanes = c.lanes[:n-1]
	return l
}

// spend takes the transaction's lane back: it calls nobody any more.
func (t *txn) spend() {
	l := t.lane
	if l == nil {
		return
	}
	t.lane = nil
	l.req, l.resp = Request{}, Response{}
	clear(l.seen)
	l.seen = l.seen[:0]
	t.c.mu.Lock()
	t.c.lanes = append(t.c.lanes, l)
	t.c.mu.Unlock()
}

// Begin takes a start timestamp.
func (c *Client) Begin(ctx context.Context) (env.Txn, error) {
	t := &txn{c: c, lane: c.takeLane()}
	ts, err := c.timestamp(ctx, &t.lane.exchange)
	if err != nil {
		t.spend()
		return nil, err
	}
	t.startTS, t.begun = ts, c.clock.Monotonic()
	return t, nil
}

// timestamp asks the oracle.
func (c *Client) timestamp(ctx context.Context, x *exchange) (uint64, error) {
	bo := backoff{budget: c.cfg.TSOBudget}
	x.req = Request{Kind: KindTSO}
	if err := c.send(ctx, x, &bo); err != nil {
		return 0, err
	}
	c.heard(x.resp.TS)
	return x.resp.TS, nil
}

// timeout bounds one try of a request.
func (c *Client) timeout(kind Kind) time.Duration {
	switch kind {
	case KindTSO:
		return c.cfg.PDTimeout
	case KindScan:
		return 2 * c.cfg.RPCTimeout
	}
	return c.cfg.RPCTimeout
}

// send carries x.req until it is answered by the store, and leaves the answer
// in x.resp. It fails with the context's cause or, when bo's budget is spent,
// with ErrUnavailable; then bo.maybe tells whether a try may have been handled,
// or may still be. Like the real client, which sees nothing but a failed call,
// it takes that for possible of every commit that was not answered, also of one
// that was refused or that ctx kept from being sent. If the region of a commit
// does not know, the error is ErrUndetermined.
func (c *Client) send(ctx context.Context, x *exchange, bo *backoff) error {
	for {
		if ctx.Err() != nil {
			bo.maybe = bo.maybe || x.req.Kind == KindCommit
			return context.Cause(ctx)
		}
		begun := c.clock.Monotonic()
		err := c.transport.Send(ctx, &x.req, &x.resp, c.timeout(x.req.Kind))
		var why reason
		gaveUp := false
		switch {
		case err == nil && x.resp.Region == RegionOK:
			return nil
		case err == nil:
			why = regionReasons[x.resp.Region]
			if x.resp.Region == RegionUndetermined && x.req.Kind == KindCommit {
				return &env.Error{Class: env.ClassUndetermined, Op: "commit", Key: x.req.subject()}
			}
		default:
			if x.req.Kind == KindCommit || env.ClassOf(err) != env.ClassUnavailable {
				bo.maybe = true
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			why = reasonRPC
			if x.req.Kind == KindTSO {
				why = reasonPD
			} else {
				gaveUp = bo.givesUpRegion(c.clock.Monotonic() - begun)
			}
		}
		if err := c.pause(ctx, bo, why, 0, &x.req); err != nil {
			return err
		}
		if gaveUp {
			if err := c.pause(ctx, bo, reasonRegion, 0, &x.req); err != nil {
				return err
			}
		}
	}
}
