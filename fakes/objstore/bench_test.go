package objstore_test

import (
	"fmt"
	"testing"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// BenchmarkStore measures single requests at a store of 1000 objects.
func BenchmarkStore(b *testing.B) {
	store := objstore.New(objstore.Options{MinPart: -1})
	var resp objstore.Response
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("out/staging/00000001/%016x/e00000001/episode", uint64(i)*seedOfKeys)
		store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: keys[i], Body: make([]byte, 100)}, &resp)
	}
	run := func(name string, do func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				do(i)
				store.Effects = store.Effects[:0]
			}
		})
	}
	req := objstore.Request{}
	run("head", func(i int) {
		req = objstore.Request{Kind: objstore.KindHead, Key: keys[i%1000]}
		store.Handle(&req, &resp)
	})
	for _, size := range []int{100, 4096} {
		body := make([]byte, size)
		run(fmt.Sprintf("put %d", size), func(i int) {
			req = objstore.Request{Kind: objstore.KindPut, Key: keys[i%1000], Body: body}
			store.Handle(&req, &resp)
		})
	}
	run("get", func(i int) {
		req = objstore.Request{Kind: objstore.KindGet, Key: keys[i%1000], Length: -1}
		store.Handle(&req, &resp)
	})
	run("put if absent", func(i int) {
		req = objstore.Request{Kind: objstore.KindPut, Key: keys[i%1000], Cond: env.IfAbsent}
		store.Handle(&req, &resp)
	})
	run("list 1000", func(i int) {
		req = objstore.Request{Kind: objstore.KindList, Key: "out/", Limit: 1000}
		store.Handle(&req, &resp)
	})
	body := make([]byte, 1000)
	parts := make([]env.Part, 10)
	run("multipart 10x1000", func(i int) {
		req = objstore.Request{Kind: objstore.KindCreateUpload, Key: keys[i%1000]}
		store.Handle(&req, &resp)
		id := resp.UploadID
		for n := range parts {
			req = objstore.Request{Kind: objstore.KindUploadPart, Key: keys[i%1000], UploadID: id, Number: n + 1, Body: body}
			store.Handle(&req, &resp)
			parts[n] = resp.Part
		}
		req = objstore.Request{Kind: objstore.KindCompleteUpload, Key: keys[i%1000], UploadID: id, Parts: parts}
		store.Handle(&req, &resp)
	})
}

const seedOfKeys = 0x9e3779b97f4a7c15
