package tikv_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// direct hands every request to the engine at once.
type direct struct {
	engine *tikv.Engine
	ms     int64
}

func (d *direct) Send(_ context.Context, req *tikv.Request, resp *tikv.Response, _ time.Duration) error {
	d.ms++
	req.PhysicalMS = d.ms
	d.engine.Handle(req, resp)
	return nil
}

func benchKey(i int) string { return "unit/ns/name/00000001/" + strconv.Itoa(100000+i) }

// filled returns an engine with n keys and the timestamp of the last commit.
func filled(b testing.TB, n int) (*tikv.Engine, uint64) {
	e := tikv.New(tikv.Options{})
	var ts uint64
	for i := range n {
		ts = commitKeys(b, e, uint64(2*i+1), benchKey(i*7919%n))
	}
	e.Ledger().ForgetDecisions()
	return e, ts
}

// commitKeys prewrites at startTS and commits at the next timestamp.
func commitKeys(b testing.TB, e *tikv.Engine, startTS uint64, keys ...string) uint64 {
	req := tikv.Request{Kind: tikv.KindPrewrite, StartTS: startTS, Primary: keys[0], TTLMS: 3000}
	for _, key := range keys {
		req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte("value")})
	}
	var resp tikv.Response
	e.Handle(&req, &resp)
	require.Equal(b, tikv.StatusOK, resp.Status)
	req = tikv.Request{Kind: tikv.KindCommit, StartTS: startTS, CommitTS: startTS + 1, Keys: keys}
	e.Handle(&req, &resp)
	require.Equal(b, tikv.StatusOK, resp.Status)
	return startTS + 1
}

func BenchmarkEngineGet(b *testing.B) {
	e, ts := filled(b, 1000)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	var resp tikv.Response
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Handle(&tikv.Request{Kind: tikv.KindGet, StartTS: ts, Key: keys[i*7919%1000]}, &resp)
	}
}

func BenchmarkEngineScan100(b *testing.B) {
	e, ts := filled(b, 1000)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	var resp tikv.Response
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Handle(&tikv.Request{Kind: tikv.KindScan, StartTS: ts, Key: keys[i*7919%900], Limit: 100}, &resp)
	}
}

// BenchmarkEngineCommit4 commits transactions of four keys, of which the first
// is drawn from a number of hot keys. A second transaction tries to lock a hot
// key meanwhile: it commits, or meets the lock and then a conflict, and is
// rolled back.
func BenchmarkEngineCommit4(b *testing.B) {
	for _, hot := range []int{1, 10, 1000} {
		b.Run("hot="+strconv.Itoa(hot), func(b *testing.B) { commit4(b, hot) })
	}
}

func commit4(b *testing.B, hot int) {
	e, ts := filled(b, 2000)
	keys := make([][]string, 1000)
	mutations := make([][]tikv.Mutation, 1000)
	for i := range keys {
		keys[i] = []string{benchKey(i % hot), benchKey(1000 + i), benchKey(1000 + (i+300)%1000), benchKey(1000 + (i+600)%1000)}
		for _, key := range keys[i] {
			mutations[i] = append(mutations[i], tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte("value")})
		}
	}
	var resp tikv.Response
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ts += 4
		k, r := i*7919%1000, i*7907%1000
		e.Handle(&tikv.Request{Kind: tikv.KindPrewrite, StartTS: ts, Primary: keys[k][0], TTLMS: 3000, Mutations: mutations[k]}, &resp)
		rival := tikv.Request{Kind: tikv.KindPrewrite, StartTS: ts + 1, Primary: keys[r][0], TTLMS: 3000, Mutations: mutations[r][:1]}
		e.Handle(&rival, &resp)
		met := resp.Status != tikv.StatusOK
		e.Handle(&tikv.Request{Kind: tikv.KindCommit, StartTS: ts, CommitTS: ts + 2, Keys: keys[k]}, &resp)
		if met {
			e.Handle(&rival, &resp)
			e.Handle(&tikv.Request{Kind: tikv.KindRollback, StartTS: ts + 1, Keys: keys[r][:1]}, &resp)
		} else {
			e.Handle(&tikv.Request{Kind: tikv.KindCommit, StartTS: ts + 1, CommitTS: ts + 3, Keys: keys[r][:1]}, &resp)
		}
		if i%1000 == 0 {
			e.Ledger().ForgetDecisions()
			e.SetSafePoint(ts)
		}
	}
}

func BenchmarkClientReadWriteCommit(b *testing.B) {
	d := &direct{engine: tikv.New(tikv.Options{})}
	c := tikv.NewClient(d, newWorld(b), newWorld(b), tikv.ClientConfig{})
	ctx := context.Background()
	value := []byte("value")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tx, err := c.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			if _, err := tx.Get(ctx, "a"); err != nil {
				b.Fatal(err)
			}
		}
		tx.Put("a", value)
		tx.Put("b", value)
		if err := tx.Commit(ctx); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 0 {
			d.engine.Ledger().ForgetDecisions()
			d.engine.SetSafePoint(tx.StartTS())
		}
	}
}
