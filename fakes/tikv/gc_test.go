package tikv_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// A committer that died leaves locks on rows that nobody reads again. The
// collection decides old transactions and cleans up after them, and spares those
// that began later.
func TestCollectLocks(t *testing.T) {
	e := tikv.New(tikv.Options{})
	handle := func(req tikv.Request) (resp tikv.Response) {
		e.Handle(&req, &resp)
		require.Equal(t, tikv.StatusOK, resp.Status)
		return resp
	}
	begin := func(ms int64) uint64 { return handle(tikv.Request{Kind: tikv.KindTSO, PhysicalMS: ms}).TS }
	lock := func(startTS uint64, keys ...string) {
		req := tikv.Request{Kind: tikv.KindPrewrite, StartTS: startTS, Primary: keys[0], TTLMS: 3000}
		for _, key := range keys {
			req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte("v")})
		}
		handle(req)
	}
	undecided, committed, secondary := begin(1000), begin(1001), begin(1002)
	lock(undecided, "a", "b")
	lock(committed, "c", "d")
	lock(secondary, "nobody", "e")
	handle(tikv.Request{Kind: tikv.KindCommit, StartTS: committed, CommitTS: begin(1003), Keys: []string{"c"}})
	handle(tikv.Request{Kind: tikv.KindRollback, StartTS: secondary, Keys: []string{"nobody"}})
	late := begin(5000)
	lock(late, "f")
	require.NotEqual(t, uint64(math.MaxUint64), e.LowWater())

	require.Equal(t, 3, e.CollectLocks(late))

	require.Equal(t, 1, e.Locked())
	require.Equal(t, "f", e.Locks()[0].Key)
	values := map[string]string{}
	for key, value := range e.SnapshotAt(math.MaxUint64) {
		values[key] = string(value)
	}
	require.Equal(t, map[string]string{"c": "v", "d": "v"}, values)
	var resp tikv.Response
	e.Handle(&tikv.Request{Kind: tikv.KindCommit, StartTS: undecided, CommitTS: begin(5001), Keys: []string{"a"}}, &resp)
	require.Equal(t, tikv.StatusLockNotFound, resp.Status, "a committer that comes back learns that it was rolled back")
	require.Zero(t, e.CollectLocks(late))
}

// TiKV answers a read below the safe point with what it still has: the check is
// the client's, who asks PD for the safe point.
func TestReadBelowSafePoint(t *testing.T) {
	e := tikv.New(tikv.Options{})
	commitKeys(t, e, 10, "a", "b")
	commitKeys(t, e, 12, "a")
	e.SetSafePoint(20)
	var resp tikv.Response
	e.Handle(&tikv.Request{Kind: tikv.KindSafePoint}, &resp)
	require.Equal(t, uint64(20), resp.TS)
	for key, found := range map[string]bool{"a": false, "b": true} {
		e.Handle(&tikv.Request{Kind: tikv.KindGet, StartTS: 12, Key: key}, &resp)
		require.Equal(t, tikv.StatusOK, resp.Status)
		require.Equal(t, found, !resp.NotFound, key)
	}
}

// What TiKV's storage and its raft log refuse.
func TestStoreLimits(t *testing.T) {
	e := tikv.New(tikv.Options{MaxKeySize: 10, RaftEntryMaxSize: 30})
	prewrite := func(kind tikv.Kind, mutations ...tikv.Mutation) (resp tikv.Response) {
		e.Handle(&tikv.Request{Kind: kind, StartTS: 5, ForUpdateTS: 5, Primary: "k", Mutations: mutations}, &resp)
		return resp
	}
	put := func(key, value int) tikv.Mutation {
		return tikv.Mutation{Op: tikv.OpPut, Key: strings.Repeat("k", key), Value: make([]byte, value)}
	}
	require.Equal(t, tikv.StatusKeyTooLarge, prewrite(tikv.KindPrewrite, put(1, 1), put(11, 1)).Status)
	require.Equal(t, tikv.StatusKeyTooLarge, prewrite(tikv.KindPessimisticLock, tikv.Mutation{Op: tikv.OpPessimisticLock, Key: strings.Repeat("k", 11)}).Status)
	require.Equal(t, tikv.RegionRaftEntryTooLarge, prewrite(tikv.KindPrewrite, put(1, 10), put(10, 10)).Region)
	require.Empty(t, e.Locks())
	require.Equal(t, tikv.Response{}, prewrite(tikv.KindPrewrite, put(1, 10), put(10, 9)))
	require.Len(t, e.Locks(), 2)
}
