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

func BenchmarkEngineScan10(b *testing.B) {
	e, ts := filled(b, 1000)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	var resp tikv.Response
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Handle(&tikv.Request{Kind: tikv.KindScan, StartTS: ts, Key: keys[i*7919%990], Limit: 10}, &resp)
	}
}

func BenchmarkEngineCommit2(b *testing.B) {
	e, ts := filled(b, 1000)
	keys := make([][]string, 1000)
	mutations := make([][]tikv.Mutation, 1000)
	for i := range keys {
		keys[i] = []string{benchKey(i), benchKey((i + 500) % 1000)}
		for _, key := range keys[i] {
			mutations[i] = append(mutations[i], tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte("value")})
		}
	}
	var resp tikv.Response
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ts += 2
		k := i * 7919 % 1000
		e.Handle(&tikv.Request{Kind: tikv.KindPrewrite, StartTS: ts, Primary: keys[k][0], Mutations: mutations[k]}, &resp)
		e.Handle(&tikv.Request{Kind: tikv.KindCommit, StartTS: ts, CommitTS: ts + 1, Keys: keys[k]}, &resp)
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
