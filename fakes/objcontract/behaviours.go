package objcontract

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// Server is an object store that answers requests: the fake itself, or a real one
// through an SDK that hides nothing. Requests may come at once.
type Server interface {
	Handle(req *objstore.Request, resp *objstore.Response)
}

// behaviour is a short history of requests, and what a caller sees of it, in
// words that do not depend on ids, times or who was first.
type behaviour struct {
	name string
	show func(b *bench) string
}

// bench asks a server under a prefix of its own.
type bench struct {
	server Server
	prefix string
}

// unprepared is why a behaviour could not be shown.
type unprepared string

// observe shows a behaviour of the server.
func (w behaviour) observe(server Server, prefix string) (seen string) {
	defer func() {
		if why, isOurs := recover().(unprepared); isOurs {
			seen = "not shown: " + string(why)
		}
	}()
	return w.show(&bench{server, prefix})
}

func (b *bench) ask(req objstore.Request) (resp objstore.Response) {
	req.Key = b.prefix + req.Key
	if req.After != "" {
		req.After = b.prefix + req.After
	}
	b.server.Handle(&req, &resp)
	return resp
}

// must asks for what a behaviour builds upon.
func (b *bench) must(req objstore.Request) objstore.Response {
	resp := b.ask(req)
	if resp.Err != env.ClassNone {
		panic(unprepared(req.Kind.String() + " " + said(resp)))
	}
	return resp
}

// said is an answer's class and code, or "ok".
func said(resp objstore.Response) string {
	if resp.Err == env.ClassNone {
		return "ok"
	}
	return resp.Err.String() + " " + resp.Code
}

func putOf(key, body string, cond env.Condition) objstore.Request {
	return objstore.Request{Kind: objstore.KindPut, Key: key, Body: []byte(body), Cond: cond}
}

func (b *bench) put(key, body string) env.Object {
	return b.must(putOf(key, body, env.Always)).Object
}

func (b *bench) head(key string) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindHead, Key: key})
}

// read is what a key holds, or why it holds nothing.
func (b *bench) read(key string) string { return b.readRange(key, 0, -1) }

func (b *bench) readRange(key string, offset, length int64) string {
	resp := b.ask(objstore.Request{Kind: objstore.KindGet, Key: key, Offset: offset, Length: length})
	if resp.Err != env.ClassNone {
		return said(resp)
	}
	if len(resp.Body) > 40 {
		return fmt.Sprintf("%d bytes of %d", len(resp.Body), resp.Object.Size)
	}
	return fmt.Sprintf("%q of %d", resp.Body, resp.Object.Size)
}

func (b *bench) create(key string) string {
	return b.must(objstore.Request{Kind: objstore.KindCreateUpload, Key: key}).UploadID
}

func partOf(key, id string, number int, body string) objstore.Request {
	return objstore.Request{Kind: objstore.KindUploadPart, Key: key, UploadID: id, Number: number, Body: []byte(body)}
}

// upload opens an upload of "k" with parts 1, 2, ...
func (b *bench) upload(bodies ...string) (id string, parts []env.Part) {
	id = b.create("k")
	for i, body := range bodies {
		parts = append(parts, b.must(partOf("k", id, i+1, body)).Part)
	}
	return id, parts
}

func (b *bench) complete(id string, cond env.Condition, parts ...env.Part) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindCompleteUpload, Key: "k", UploadID: id, Parts: parts, Cond: cond})
}

func (b *bench) abort(id string) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindAbortUpload, Key: "k", UploadID: id})
}

// told is a completion's answer, and whether the object has the ETag that it told.
func (b *bench) told(resp objstore.Response) string {
	switch there := b.head("k"); {
	case resp.Err != env.ClassNone:
		return said(resp)
	case there.Object.ETag != resp.Object.ETag:
		return "ok, with an ETag that nothing has"
	}
	return "ok"
}

func (b *bench) listUploads(prefix, after, afterID string, limit int) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindListUploads, Key: prefix, After: after, AfterID: afterID, Limit: limit})
}

// pages reads all pages of a listing of open uploads as the store pages them.
func (b *bench) pages(limit int) (uploads []env.Upload, why string) {
	after, afterID := "", ""
	for range 20 {
		resp := b.listUploads("", after, afterID, limit)
		if resp.Err != env.ClassNone {
			return uploads, ", then " + said(resp)
		}
		uploads = append(uploads, resp.Uploads.Uploads...)
		if !resp.Uploads.More || len(resp.Uploads.Uploads) == 0 {
			return uploads, ""
		}
		last := uploads[len(uploads)-1]
		after, afterID = strings.TrimPrefix(last.Key, b.prefix), last.ID
	}
	return uploads, ", and no end"
}

func (b *bench) list(prefix, after string, limit int) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindList, Key: prefix, After: after, Limit: limit})
}

// keys are a listing's keys without the prefix, and whether there are more.
func (b *bench) keys(resp objstore.Response) string {
	if resp.Err != env.ClassNone {
		return said(resp)
	}
	var keys []string
	for _, obj := range resp.Listing.Objects {
		keys = append(keys, strings.TrimPrefix(obj.Key, b.prefix))
	}
	text := strings.Join(keys, " ")
	if resp.Listing.More {
		text += " ..."
	}
	return "[" + text + "]"
}

// winners lets eight do the same at once, and counts those who were told ok.
func winners(do func(i int) objstore.Response) string {
	var each [8]objstore.Response
	var all sync.WaitGroup
	for i := range each {
		all.Go(func() { each[i] = do(i) })
	}
	all.Wait()
	n := 0
	for _, resp := range each {
		if resp.Err == env.ClassNone {
			n++
		}
	}
	return fmt.Sprintf("%d of 8 ok", n)
}

// digest names an ETag by what it is the digest of.
func digest(etag, body string, parts ...string) string {
	sums := ""
	for _, part := range parts {
		sum := md5.Sum([]byte(part))
		sums += string(sum[:])
	}
	switch {
	case etag == sumOf(body):
		return "md5 of the bytes"
	case etag == fmt.Sprintf("%s-%d", sumOf(sums), len(parts)):
		return "md5 of the parts' sums"
	}
	return "no digest"
}

func sumOf(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// large is a part that may be followed by another one on every store.
var large = strings.Repeat("large", 1<<20)

// behaviours are all that the ledger is about.
var behaviours = slices.Concat(ofObjects, ofConditions, ofParts, ofCompletions, ofEndedUploads, ofUploads, ofListings, ofKeys)
