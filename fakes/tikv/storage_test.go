package tikv_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestStoreMatchesSortedMap grows a store to many chunks in random order,
// drops old versions now and then, and compares reads with plain maps.
func TestStoreMatchesSortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := tikv.New(tikv.Options{CheckSafePoint: true})
		history := map[uint64]map[string]string{}
		latest := map[string]string{}
		space := rapid.SampledFrom([]int{10, 1000}).Draw(t, "space")
		seed := rapid.Uint64().Draw(t, "seed")
		random := func(n int) int {
			seed = seed*6364136223846793005 + 1442695040888963407
			return int(seed >> 33 % uint64(n))
		}
		safe := uint64(0)
		var snapshots []uint64
		commits := rapid.Uint64Range(50, 800).Draw(t, "commits")
		for ts := uint64(2); ts <= 2*commits; ts += 2 {
			m := randomMutation(random, space, ts)
			commitOne(t, e, ts, m)
			switch m.Op {
			case tikv.OpPut:
				latest[m.Key] = string(m.Value)
			case tikv.OpDelete:
				delete(latest, m.Key)
			}
			if random(100) == 0 {
				history[ts+1] = maps.Clone(latest)
				snapshots = append(snapshots, ts+1)
			}
			if len(snapshots) > 3 && random(300) == 0 {
				safe = max(safe, snapshots[random(len(snapshots))])
				e.SetSafePoint(safe)
			}
			if len(snapshots) > 0 && random(20) == 0 {
				at := snapshots[random(len(snapshots))]
				compareScan(t, e, at, safe, history[at], fmt.Sprintf("k%04d", random(space)), 1+random(300))
			}
		}
		require.Equal(t, latest, stateAt(e, math.MaxUint64))
	})
}

func randomMutation(random func(int) int, space int, ts uint64) tikv.Mutation {
	m := tikv.Mutation{Op: tikv.OpPut, Key: fmt.Sprintf("k%04d", random(space)), Value: fmt.Append(nil, ts)}
	switch random(8) {
	case 0:
		return tikv.Mutation{Op: tikv.OpDelete, Key: m.Key}
	case 1:
		return tikv.Mutation{Op: tikv.OpLock, Key: m.Key}
	}
	return m
}

func commitOne(t require.TestingT, e *tikv.Engine, ts uint64, m tikv.Mutation) {
	var resp tikv.Response
	e.Handle(&tikv.Request{Kind: tikv.KindPrewrite, StartTS: ts, Primary: m.Key, Mutations: []tikv.Mutation{m}}, &resp)
	require.Equal(t, tikv.StatusOK, resp.Status)
	e.Handle(&tikv.Request{Kind: tikv.KindCommit, StartTS: ts, CommitTS: ts + 1, Keys: []string{m.Key}}, &resp)
	require.Equal(t, tikv.StatusOK, resp.Status)
}

func compareScan(t require.TestingT, e *tikv.Engine, at, safe uint64, want map[string]string, from string, limit int) {
	var resp tikv.Response
	e.Handle(&tikv.Request{Kind: tikv.KindScan, StartTS: at, Key: from, Limit: limit}, &resp)
	if at < safe {
		require.Equal(t, tikv.StatusTooOld, resp.Status)
		return
	}
	keys := slices.Sorted(maps.Keys(want))
	page := func(keys []string, in func(key string) bool) (pairs []env.Pair) {
		for _, key := range keys {
			if in(key) && len(pairs) < limit {
				pairs = append(pairs, env.Pair{Key: key, Value: []byte(want[key])})
			}
		}
		return pairs
	}
	pairs := page(keys, func(key string) bool { return key >= from })
	require.Equal(t, pairs, resp.Pairs)
	e.Handle(&tikv.Request{Kind: tikv.KindScan, StartTS: at, Key: from, Limit: limit, Reverse: true}, &resp)
	slices.Reverse(keys)
	require.Equal(t, page(keys, func(key string) bool { return key < from }), resp.Pairs)
	for i := range min(3, len(pairs)) {
		e.Handle(&tikv.Request{Kind: tikv.KindGet, StartTS: at, Key: pairs[i].Key}, &resp)
		require.Equal(t, pairs[i].Value, resp.Value)
	}
	require.Equal(t, want, stateAt(e, at))
}

func stateAt(e *tikv.Engine, ts uint64) map[string]string {
	state := map[string]string{}
	for key, value := range e.SnapshotAt(ts) {
		state[key] = string(value)
	}
	return state
}

func TestDigestDependsOnLatestStateOnly(t *testing.T) {
	digest := func(mutations ...tikv.Mutation) uint64 {
		e := tikv.New(tikv.Options{})
		for i, m := range mutations {
			commitOne(t, e, uint64(2*i+2), m)
		}
		return e.Digest()
	}
	put := func(key, value string) tikv.Mutation {
		return tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte(value)}
	}
	del := func(key string) tikv.Mutation { return tikv.Mutation{Op: tikv.OpDelete, Key: key} }
	want := digest(put("a", "1"), put("b", "12345678"))
	require.Equal(t, want, digest(put("b", "x"), put("c", "3"), put("b", "12345678"), del("c"), put("a", "1")))
	for _, other := range [][]tikv.Mutation{
		{},
		{put("a", "1")},
		{put("a", "1"), put("b", "12345679")},
		{put("a", "1"), put("b", "123456780")},
		{put("a", "1"), put("b", "12345678\x00")},
		{put("a1", "1"), put("b", "12345678")},
		{put("a", "12"), put("b", "12345678")},
		{put("a", "12345678"), put("b", "1")},
	} {
		require.NotEqual(t, want, digest(other...))
	}
	// A constant of the format: trace hashes are compared across processes.
	require.Equal(t, uint64(0xb77740970e76bb5c), digest(put("a", "1"), put("batch/ns/name", "b1 gen=1 phase=pending")))
}
