package rpc_test

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	clienttikv "github.com/tikv/client-go/v2/tikv"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// bubble runs body with a new cluster in virtual time.
func bubble(t *testing.T, cfg rpc.Config, body func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore)) {
	restore, err := rpc.Quiet()
	require.NoError(t, err)
	t.Cleanup(restore)
	synctest.Test(t, func(t *testing.T) {
		c, err := rpc.New(cfg)
		require.NoError(t, err)
		var opened []*clienttikv.KVStore
		defer func() {
			for _, store := range opened {
				require.NoError(t, store.Close())
			}
			require.NoError(t, c.Close())
			time.Sleep(time.Minute)
		}()
		body(t, c, func(hook rpc.Hook) *clienttikv.KVStore {
			store, err := c.Open(hook)
			require.NoError(t, err)
			opened = append(opened, store)
			return store
		})
	})
}

func put(t *testing.T, store *clienttikv.KVStore, value string, keys ...string) {
	t.Helper()
	txn, err := store.Begin()
	require.NoError(t, err)
	for _, key := range keys {
		require.NoError(t, txn.Set([]byte(key), []byte(value)))
	}
	require.NoError(t, txn.Commit(context.Background()))
}

func get(t *testing.T, store *clienttikv.KVStore, key string) string {
	t.Helper()
	txn, err := store.Begin()
	require.NoError(t, err)
	entry, err := txn.Get(context.Background(), []byte(key))
	require.NoError(t, err)
	return string(entry.Value)
}

// TestStoreIsFoundByMany: goroutines that use a new client at once all wait for the
// one that asks PD where the store is, and holds a mutex meanwhile. If that took
// time, none would ever go on: the bubble's time stands still while one waits for a
// mutex.
func TestStoreIsFoundByMany(t *testing.T) {
	bubble(t, rpc.Config{}, func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
		put(t, open(nil), "1", "a")
		store := open(nil)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { require.Equal(t, "1", get(t, store, "a")) })
		}
		all.Wait()
	})
}

// TestRegionsMove: a client that knows regions as they were is told how they are,
// and finds every key.
func TestRegionsMove(t *testing.T) {
	bubble(t, rpc.Config{Splits: []string{"m"}, Stores: 2}, func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
		store := open(nil)
		put(t, store, "1", "a", "n")
		lead := func(e *tikv.Engine, key string) {
			e.Regions().TransferLeader(e.Regions().Locate(key).ID, 2)
			e.SyncMaxTS()
		}
		for _, move := range []func(*tikv.Engine){
			func(e *tikv.Engine) { e.Regions().Split("c") },
			func(e *tikv.Engine) { lead(e, "a") },
			func(e *tikv.Engine) { e.Regions().Merge("a") },
			func(e *tikv.Engine) { lead(e, "n") },
			func(e *tikv.Engine) { e.Regions().Merge("a") },
			func(e *tikv.Engine) { e.Regions().Split("b") },
		} {
			c.Inspect(move)
			put(t, store, "2", "a", "b", "d", "n", "z")
			require.Equal(t, "2", get(t, store, "d"))
			require.Equal(t, "2", get(t, store, "z"))
		}
	})
}

// TestSplitOnRequest: a client that asks for a split is told of the new regions, and
// of all others that are there now.
func TestSplitOnRequest(t *testing.T) {
	bubble(t, rpc.Config{Splits: []string{"m"}}, func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
		store := open(nil)
		put(t, store, "1", "a", "n")
		c.Inspect(func(e *tikv.Engine) { e.Regions().Split("b") }) // which the client does not know
		ids, err := store.SplitRegions(context.Background(), [][]byte{[]byte("c"), []byte("k"), []byte("p")}, true, nil)
		require.NoError(t, err)
		require.Len(t, ids, 3)
		var starts []string
		c.Inspect(func(e *tikv.Engine) {
			for _, r := range e.Regions().All() {
				starts = append(starts, r.Start)
			}
		})
		require.Equal(t, []string{"", "b", "c", "k", "m", "p"}, starts)
		for _, id := range ids {
			require.NoError(t, store.WaitScatterRegionFinish(context.Background(), id, 0))
		}
		put(t, store, "2", "a", "c", "l", "n", "q")
		require.Equal(t, "2", get(t, store, "l"))
	})
}

// TestHeldRequestArrives: whoever gives a call up does not keep it from arriving.
func TestHeldRequestArrives(t *testing.T) {
	bubble(t, rpc.Config{}, func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
		store := open(func(call *rpc.Call) rpc.Fate {
			if call.Kind == tikv.KindCommit {
				return rpc.Fate{Hold: 2 * time.Second}
			}
			return rpc.Fate{}
		})
		txn, err := store.Begin()
		require.NoError(t, err)
		require.NoError(t, txn.Set([]byte("a"), []byte("1")))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.Error(t, txn.Commit(ctx))
		require.Empty(t, stored(c))
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, map[string]string{"a": "1"}, stored(c))
	})
}

func stored(c *rpc.Cluster) map[string]string {
	all := map[string]string{}
	c.Inspect(func(e *tikv.Engine) {
		for key, value := range e.SnapshotAt(math.MaxUint64) {
			all[key] = string(value)
		}
	})
	return all
}

// TestSealed: what is sent is the message as it was when it was sent, and the
// answer shares no memory with the store.
func TestSealed(t *testing.T) {
	bubble(t, rpc.Config{}, func(t *testing.T, c *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
		store := open(nil)
		put(t, store, "value", "a")
		txn, err := store.Begin()
		require.NoError(t, err)
		entry, err := txn.Get(context.Background(), []byte("a"))
		require.NoError(t, err)
		entry.Value[0] = 'X'
		require.Equal(t, map[string]string{"a": "value"}, stored(c))
	})
}

// TestSilence: a silent loss costs the client's time-out, a broken connection does
// not.
func TestSilence(t *testing.T) {
	for silent, want := range map[bool]time.Duration{true: 30 * time.Second, false: 0} {
		bubble(t, rpc.Config{}, func(t *testing.T, _ *rpc.Cluster, open func(rpc.Hook) *clienttikv.KVStore) {
			first := true
			store := open(func(call *rpc.Call) rpc.Fate {
				if call.Kind != tikv.KindPrewrite || !first {
					return rpc.Fate{}
				}
				first = false
				return rpc.Fate{Lost: true, Silent: silent}
			})
			began := time.Now()
			put(t, store, "1", "a")
			require.InDelta(t, want.Seconds(), time.Since(began).Seconds(), 0.2)
		})
	}
}
