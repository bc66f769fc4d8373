// Package tikv is env.KV over the real TiKV client: optimistic transactions in
// two-phase commit, with the client's errors sorted into env's classes by their
// types. Nothing of core, sim or the in-memory stores imports it; it passes the
// same contract suite as they do.
package tikv

import (
	"context"
	"time"

	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/oracle"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Config tells how to reach a cluster.
type Config struct {
	// PD holds the addresses of the placement drivers, host:port; at least one.
	PD []string
	// CAPath, CertPath and KeyPath name the PEM files for TLS; all empty means
	// plain connections.
	CAPath, CertPath, KeyPath string
	// RouterClient lets the PD client route by its QueryRegion stream. PD up to
	// 8.5.6 lacks it, and calls then hang for 60 seconds: set it only for newer
	// clusters.
	RouterClient bool
	// PDTimeout bounds one call to PD; 0 means 3 s.
	PDTimeout time.Duration
}

// KV is a client of one cluster. Any number of tasks may use it at once.
type KV struct {
	store *tikv.KVStore
}

var _ env.KV = (*KV)(nil)

// openTries is how often PD is asked for its members before it counts as out of
// reach, with a second between them. The client's own 100 keep whoever wants to
// stop, or to say why it does not start, waiting for that many seconds.
const openTries = 5

// Open connects to a cluster. Errors: ErrInvalid for a configuration that can
// never work, else ErrUnavailable, after about five seconds, or five times
// PDTimeout if PD does not answer at all.
func Open(cfg Config) (*KV, error) {
	if len(cfg.PD) == 0 {
		return nil, &env.Error{Class: env.ClassInvalid, Op: "open", Err: opaque{"no PD address"}}
	}
	security := config.NewSecurity(cfg.CAPath, cfg.CertPath, cfg.KeyPath, nil)
	tls, err := security.ToTLSConfig()
	if err != nil {
		return nil, &env.Error{Class: env.ClassInvalid, Op: "open", Err: opaque{err.Error()}}
	}
	pdClient, err := openPD(cfg)
	if err != nil {
		return nil, failed("open", "", err)
	}
	codec := tikv.NewCodecPDClient(tikv.ModeTxn, pdClient)
	safePoints, err := tikv.NewEtcdSafePointKV(cfg.PD, tls)
	if err != nil {
		pdClient.Close()
		return nil, failed("open", "", err)
	}
	rpc := tikv.NewRPCClient(tikv.WithSecurity(security), tikv.WithCodec(codec.GetCodec()))
	store, err := settled(func() (*tikv.KVStore, error) {
		return tikv.NewKVStore("gauntlet", codec, safePoints, rpc)
	})
	if err != nil {
		pdClient.Close()
		return nil, failed("open", "", err)
	}
	return FromStore(store), nil
}

// settled opens a store, which asks for a first timestamp, again while that request
// is cancelled. PD's client (048f0d8) can do so by itself:
//
//  1. its updater of streams, just started, finds no stream to PD and opens one;
//  2. the first request finds none either, opens another and is answered on it;
//  3. the updater's stream replaces that one, which cancels the request on it.
//
// A transaction that begins asks again by itself; the opening of a store does not.
func settled[S any](open func() (S, error)) (S, error) {
	store, err := open()
	for tries := 1; tries < openTries && status.Code(err) == codes.Canceled; tries++ {
		store, err = open()
	}
	return store, err
}

func openPD(cfg Config) (pd.Client, error) {
	timeout := cfg.PDTimeout
	if timeout <= 0 {
		timeout = 3 * time.Second
	}
	return pd.NewClient(caller.Component("gauntlet"), cfg.PD,
		pd.SecurityOption{CAPath: cfg.CAPath, CertPath: cfg.CertPath, KeyPath: cfg.KeyPath},
		opt.WithGRPCDialOptions(grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 3 * time.Second,
		})),
		opt.WithCustomTimeoutOption(timeout),
		opt.WithMaxErrorRetry(openTries),
		opt.WithEnableRouterClient(cfg.RouterClient),
	)
}

// FromStore returns a KV over a store that is already connected, such as the
// client's own mock store.
func FromStore(store *tikv.KVStore) *KV { return &KV{store: store} }

// Close ends the connections. No transaction may be under way.
func (kv *KV) Close() error {
	if err := kv.store.Close(); err != nil {
		return failed("close", "", err)
	}
	return nil
}

// Begin takes a start timestamp.
func (kv *KV) Begin(ctx context.Context) (env.Txn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bo := tikv.NewBackofferWithVars(ctx, transaction.TsoMaxBackoff, nil)
	startTS, err := kv.store.GetTimestampWithRetry(bo, oracle.GlobalTxnScope)
	if err != nil {
		return nil, readError(ctx, "begin", "", err)
	}
	inner, err := kv.store.Begin(tikv.WithStartTS(startTS))
	if err != nil {
		return nil, readError(ctx, "begin", "", err)
	}
	return &txn{store: kv.store, inner: inner}, nil
}
