package tikv_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
)

// mockStore is the mock cluster that comes with the real client.
type mockStore struct {
	t       *testing.T
	cluster *rpc.Cluster
	opened  []*tikv.KV
}

func newMockStore(t *testing.T) *mockStore {
	cluster, err := rpc.NewMock(1)
	require.NoError(t, err)
	return &mockStore{t: t, cluster: cluster}
}

func (s *mockStore) close() {
	for _, kv := range s.opened {
		require.NoError(s.t, kv.Close())
	}
	require.NoError(s.t, s.cluster.Close())
}

// client opens a client of its own, whose requests meet what hook decides.
func (s *mockStore) client(hook rpc.Hook) *tikv.KV {
	store, err := s.cluster.Open(hook)
	require.NoError(s.t, err)
	kv := tikv.FromStore(store)
	s.opened = append(s.opened, kv)
	return kv
}
