package tikv

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ClientConfig tunes a Client. Zero fields take the defaults, which are the
// real client's unless told otherwise.
type ClientConfig struct {
	// Region maps a key to its region. Regions are ranges: Region never falls
	// as keys grow. A request never spans two. Nil means one region.
	Region func(key string) int
	// BatchBytes bounds the keys and values of one prewrite, and the keys of
	// one commit or rollback (one key is always sent): 16 KiB.
	BatchBytes int
	// RPCTimeout bounds one try: 5 s. (The real client waits 30 s, but learns
	// of a dead connection sooner.)
	RPCTimeout time.Duration
	// ReadBudget, WriteBudget and TSOBudget bound the pauses and failed tries
	// of one Get or Scan (40 s), of the prewrites and of the commit of one
	// transaction (80 s each), and of fetching a timestamp (30 s). BusyBudget
	// bounds the pauses for a busy server, which don't count otherwise: 10 min.
	ReadBudget  time.Duration
	WriteBudget time.Duration
	TSOBudget   time.Duration
	BusyBudget  time.Duration
	// LockTTL is how long a transaction's locks protect it from its start on,
	// plus the time that it has run before it commits: 3 s, whole milliseconds.
	LockTTL time.Duration
	// MaxKey is the longest key that a transaction may write, in bytes: 65535,
	// which is the real client's limit. MaxEntry bounds a key and its value
	// together, MaxTxn those of all writes of one transaction; 0 means no limit,
	// as the real client has none by itself. TiDB sets 6 MiB and 100 MiB, since
	// TiKV refuses raft entries above 8 MiB.
	MaxKey, MaxEntry, MaxTxn int
	// CleanupTimeout bounds each call that removes the locks of a failed
	// transaction, or commits secondary keys: 1 s. None of them is repeated.
	CleanupTimeout time.Duration
	// Told, if set, is shown what each Commit is about to return, nil included.
	Told func(startTS uint64, err error)
}

func (cfg ClientConfig) withDefaults() ClientConfig {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&cfg.RPCTimeout, 5*time.Second)
	orDuration(&cfg.ReadBudget, 40*time.Second)
	orDuration(&cfg.WriteBudget, 80*time.Second)
	orDuration(&cfg.TSOBudget, 30*time.Second)
	orDuration(&cfg.BusyBudget, 10*time.Minute)
	orDuration(&cfg.LockTTL, 3*time.Second)
	orDuration(&cfg.CleanupTimeout, time.Second)
	if cfg.MaxKey <= 0 {
		cfg.MaxKey = 65535
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = 16 << 10
	}
	return cfg
}

// Client is one process's client: an env.KV over a Transport. It holds no
// state that changes, so the tasks of the process may share it.
type Client struct {
	transport Transport
	clock     env.Clock
	rand      env.Rand
	cfg       ClientConfig
}

var _ env.KV = (*Client)(nil)

// NewClient returns a client. rand is used for jitter only.
func NewClient(transport Transport, clock env.Clock, rand env.Rand, cfg ClientConfig) *Client {
	return &Client{transport: transport, clock: clock, rand: rand, cfg: cfg.withDefaults()}
}

// exchange is a request with room for its response.
type exchange struct {
	req  Request
	resp Response
}

// Begin takes a start timestamp.
func (c *Client) Begin(ctx context.Context) (env.Txn, error) {
	t := &txn{c: c}
	ts, err := c.timestamp(ctx, &t.main)
	if err != nil {
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
	return x.resp.TS, nil
}

// send carries x.req until it is answered by the store, and leaves the answer
// in x.resp. It fails with the context's cause or, when bo's budget is spent,
// with ErrUnavailable; then bo.maybe tells whether a try may have been handled,
// or may still be.
func (c *Client) send(ctx context.Context, x *exchange, bo *backoff) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sent := c.clock.Monotonic()
		err := c.transport.Send(ctx, &x.req, &x.resp, c.cfg.RPCTimeout)
		var why reason
		switch {
		case err == nil && x.resp.Region == RegionOK:
			return nil
		case err == nil:
			why = regionReasons[x.resp.Region]
			if x.resp.Region == RegionUndetermined && x.req.Kind == KindCommit {
				bo.maybe = true
				return unavailable(&x.req)
			}
		default:
			if env.ClassOf(err) != env.ClassUnavailable {
				bo.maybe = true
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// A process that was frozen meanwhile finds that hours have passed;
			// the try has still cost no more than its timeout.
			bo.spent += min(c.clock.Monotonic()-sent, c.cfg.RPCTimeout)
			why = reasonRPC
			if x.req.Kind == KindTSO {
				why = reasonPD
			}
		}
		if err := c.pause(ctx, bo, why, 0, &x.req); err != nil {
			return err
		}
	}
}
