package conformance_test

import (
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

func TestContract(t *testing.T) {
	quiet(t)
	for name, open := range map[string]func(*stand) env.KV{"thin": (*stand).thin, "real": (*stand).real} {
		t.Run(name, func(t *testing.T) {
			kvcontract.Run(t, func(t *testing.T, body func(*testing.T, kvcontract.Store)) {
				synctest.Test(t, func(t *testing.T) {
					s := newStand(t, open)
					defer s.close()
					body(t, s)
				})
			})
		})
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

	mu     sync.Mutex
	decide func(kvcontract.Call) kvcontract.Fate
}

func newStand(t *testing.T, open func(*stand) env.KV) *stand {
	cluster, err := rpc.New(rpc.Config{Splits: []string{"b", "k/1100"}})
	require.NoError(t, err)
	return &stand{Cluster: cluster, t: t, open: open, clock: process.NewClock(clock.New())}
}

func (s *stand) close() {
	for _, kv := range s.opened {
		require.NoError(s.t, kv.Close())
	}
	s.Wait()
	time.Sleep(time.Minute)
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
	fake.KindGet: kvcontract.Read, fake.KindScan: kvcontract.Read,
	fake.KindPrewrite: kvcontract.Prewrite, fake.KindCommit: kvcontract.Commit,
}

func (s *stand) fate(c *rpc.Call) rpc.Fate {
	if c.Kind == fake.KindCommit && c.Real != nil && c.Real.Commit().CommitRole != kvrpcpb.CommitRole_Primary {
		return rpc.Fate{} // other keys' commits follow in the background
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
