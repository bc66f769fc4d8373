package conformance_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestContract runs env.KV's contract, with the anomalies of isolation, on the
// in-memory client and on the real one over the same engine, and on the real one
// over its own mock store. All pass all of it.
func TestContract(t *testing.T) {
	quiet(t)
	ours := func() (*rpc.Cluster, error) { return rpc.New(rpc.Config{Splits: []string{"b", "k/1100"}}) }
	for _, s := range []struct {
		name    string
		cluster func() (*rpc.Cluster, error)
		open    func(*stand) env.KV
	}{
		{"thin over the engine", ours, (*stand).thin},
		{"real over the engine", ours, (*stand).real},
		{"real over mocktikv", func() (*rpc.Cluster, error) { return rpc.NewMock(1) }, (*stand).real},
	} {
		passed := 0
		t.Run(s.name, func(t *testing.T) {
			kvcontract.Run(t, func(t *testing.T, body func(*testing.T, kvcontract.Store)) {
				synctest.Test(t, func(t *testing.T) {
					cluster, err := s.cluster()
					require.NoError(t, err)
					s := &stand{Cluster: cluster, t: t, open: s.open, clock: process.NewClock(clock.New())}
					defer s.close()
					body(t, s)
					passed++
				})
			})
		})
		fmt.Printf("conformance: contract, %s: passed=%d of %d\n", s.name, passed, kvcontract.Count())
		require.Equal(t, kvcontract.Count(), passed)
	}
}

func quiet(t *testing.T) {
	restore, err := rpc.Quiet()
	require.NoError(t, err)
	t.Cleanup(restore)
}

// stand is a cluster with clients of one sort, under kvcontract's names.
type stand struct {
	*rpc.Cluster
	t      *testing.T
	open   func(*stand) env.KV
	clock  env.Clock
	opened []*tikv.KV

	mu      sync.Mutex
	decide  func(kvcontract.Call) kvcontract.Fate
	primary map[uint64]string // of the in-memory client's transactions
}

// follows reports whether c commits keys other than the primary, which happens
// behind the caller's back.
func (s *stand) follows(c *rpc.Call) bool {
	switch {
	case c.Real != nil && c.Kind == fake.KindCommit:
		return c.Real.Commit().CommitRole != kvrpcpb.CommitRole_Primary
	case c.Thin == nil:
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Kind == fake.KindPrewrite {
		if s.primary == nil {
			s.primary = map[uint64]string{}
		}
		s.primary[c.StartTS] = c.Thin.Primary
	}
	return c.Kind == fake.KindCommit && c.Thin.Keys[0] != s.primary[c.StartTS]
}

func (s *stand) close() {
	for _, kv := range s.opened {
		require.NoError(s.t, kv.Close())
	}
	require.NoError(s.t, s.Cluster.Close())
	time.Sleep(time.Minute) // the client's pools and tickers end by themselves
}

func (s *stand) Client() env.KV   { return s.open(s) }
func (s *stand) Clock() env.Clock { return s.clock }

func (s *stand) thin() env.KV { return s.Thin(s.fate, fake.ClientConfig{}) }

func (s *stand) real() env.KV {
	store, err := s.Open(s.fate)
	require.NoError(s.t, err)
	kv := tikv.FromStore(store)
	s.opened = append(s.opened, kv)
	return kv
}

func (s *stand) OnCall(decide func(kvcontract.Call) kvcontract.Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = decide
}

var calls = map[fake.Kind]kvcontract.Call{
	fake.KindGet: kvcontract.Read, fake.KindBatchGet: kvcontract.Read, fake.KindScan: kvcontract.Read,
	fake.KindPrewrite: kvcontract.Prewrite, fake.KindCommit: kvcontract.Commit,
}

func (s *stand) fate(c *rpc.Call) rpc.Fate {
	if s.follows(c) {
		return rpc.Fate{}
	}
	s.mu.Lock()
	decide := s.decide
	s.mu.Unlock()
	call, ok := calls[c.Kind]
	if !ok || decide == nil {
		return rpc.Fate{}
	}
	switch decide(call) {
	case kvcontract.Lose:
		return rpc.Fate{Lost: true}
	case kvcontract.LoseReply:
		return rpc.Fate{ReplyLost: true}
	}
	return rpc.Fate{}
}
