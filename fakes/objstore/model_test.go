package objstore_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

const modelMinPart = 3

// model is the store as maps, with every answer computed the long way round.
type model struct {
	store   *objstore.Store
	opts    objstore.Options
	objects map[string]modelObject
	uploads map[env.Upload]map[int][]byte
	// seen replays the ledger: what a consumer of effects believes is stored.
	seen map[string]objstore.Effect
}

type modelObject struct {
	body string
	etag string
}

func md5hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func (m *model) send(t *rapid.T, req objstore.Request) objstore.Response {
	var resp objstore.Response
	m.store.Handle(&req, &resp)
	for _, e := range m.store.Effects {
		before, had := m.seen[e.Key]
		switch e.Kind {
		case objstore.EffectPut, objstore.EffectComplete:
			require.Equal(t, had, e.Existed)
			require.Equal(t, before.Digest, e.OldDigest)
			m.seen[e.Key] = e
		case objstore.EffectDelete:
			require.True(t, had && e.Existed)
			require.Equal(t, before.Digest, e.Digest)
			require.Equal(t, before.ETag, e.ETag)
			delete(m.seen, e.Key)
		}
	}
	if resp.Err != env.ClassNone {
		require.Empty(t, m.store.Effects, "an error had an effect")
	}
	m.store.Effects = m.store.Effects[:0]
	return resp
}

func keyGen() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "a/", "a/1", "a/10", "a/2", "b", "b/1", "ab"})
}

func bodyGen() *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 0, 2*modelMinPart) }

// cond draws a condition: often one that asks for the version that a key has.
func (m *model) cond(t *rapid.T) env.Condition {
	conds := []env.Condition{env.Always, env.IfAbsent, env.IfMatch("none")}
	if o, ok := m.objects[keyGen().Draw(t, "version of")]; ok {
		conds = append(conds, env.IfMatch(o.etag))
	}
	return rapid.SampledFrom(conds).Draw(t, "cond")
}

// refuses is the class with which a condition is refused, or env.ClassNone.
func (m *model) refuses(cond env.Condition, key string) env.Class {
	o, exists := m.objects[key]
	etag, match := cond.ETag()
	switch {
	case match && !exists:
		return env.ClassNotFound
	case match && o.etag != etag, exists && cond == env.IfAbsent:
		return env.ClassConflict
	}
	return env.ClassNone
}

func (m *model) put(t *rapid.T) {
	key, body, cond := keyGen().Draw(t, "key"), bodyGen().Draw(t, "body"), m.cond(t)
	resp := m.send(t, objstore.Request{Kind: objstore.KindPut, Key: key, Body: body, Cond: cond})
	if refused := m.refuses(cond, key); refused != env.ClassNone && !m.opts.NoConditional {
		require.Equal(t, refused, resp.Err)
		return
	}
	require.Equal(t, env.ClassNone, resp.Err)
	m.objects[key] = modelObject{string(body), md5hex(body)}
	m.checkObject(t, key, resp.Object)
}

func (m *model) checkObject(t *rapid.T, key string, got env.Object) {
	want := m.objects[key]
	require.Equal(t, env.Object{Key: key, Size: int64(len(want.body)), ETag: want.etag}, got)
}

func (m *model) get(t *rapid.T) {
	key := keyGen().Draw(t, "key")
	offset := rapid.Int64Range(0, 3*modelMinPart).Draw(t, "offset")
	length := rapid.Int64Range(-1, 3*modelMinPart).Draw(t, "length")
	resp := m.send(t, objstore.Request{Kind: objstore.KindGet, Key: key, Offset: offset, Length: length})
	head := m.send(t, objstore.Request{Kind: objstore.KindHead, Key: key})
	require.Equal(t, head.Err, resp.Err)
	require.Equal(t, head.Object, resp.Object)
	want, exists := m.objects[key]
	if !exists {
		require.Equal(t, env.ClassNotFound, resp.Err)
		return
	}
	m.checkObject(t, key, resp.Object)
	text := ""
	for i := offset; i < int64(len(want.body)) && (length < 0 || i < offset+length); i++ {
		text += want.body[i : i+1]
	}
	require.Equal(t, text, string(resp.Body))
}

func (m *model) delete(t *rapid.T) {
	key := keyGen().Draw(t, "key")
	resp := m.send(t, objstore.Request{Kind: objstore.KindDelete, Key: key})
	require.Equal(t, env.ClassNone, resp.Err)
	delete(m.objects, key)
}

func (m *model) list(t *rapid.T) {
	prefix := rapid.SampledFrom([]string{"", "a", "a/", "a/1", "b/", "c"}).Draw(t, "prefix")
	after := rapid.SampledFrom([]string{"", "a", "a/1", "a/11", "b", "z"}).Draw(t, "after")
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	resp := m.send(t, objstore.Request{Kind: objstore.KindList, Key: prefix, After: after, Limit: limit})
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(m.objects)), func(key string) bool {
		return !strings.HasPrefix(key, prefix) || key <= after
	})
	require.Equal(t, len(want) > limit, resp.Listing.More)
	require.Len(t, resp.Listing.Objects, min(limit, len(want)))
	for i, obj := range resp.Listing.Objects {
		m.checkObject(t, want[i], obj)
	}
}

func (m *model) create(t *rapid.T) {
	key := keyGen().Draw(t, "key")
	resp := m.send(t, objstore.Request{Kind: objstore.KindCreateUpload, Key: key})
	up := env.Upload{Key: key, ID: resp.UploadID}
	for other := range m.uploads {
		require.NotEqual(t, other.ID, up.ID)
	}
	m.uploads[up] = map[int][]byte{}
}

// upload draws an upload: an open one if there is one, most of the time.
func (m *model) upload(t *rapid.T) env.Upload {
	ups := m.sortedUploads()
	ups = append(ups, env.Upload{Key: "a", ID: "u9"})
	return rapid.SampledFrom(ups).Draw(t, "upload")
}

func (m *model) sortedUploads() []env.Upload {
	return slices.SortedFunc(maps.Keys(m.uploads), func(a, b env.Upload) int {
		return strings.Compare(a.Key+"\x00"+a.ID, b.Key+"\x00"+b.ID)
	})
}

func (m *model) part(t *rapid.T) {
	up, body := m.upload(t), bodyGen().Draw(t, "body")
	number := rapid.IntRange(1, 4).Draw(t, "number")
	resp := m.send(t, objstore.Request{
		Kind: objstore.KindUploadPart, Key: up.Key, UploadID: up.ID, Number: number, Body: body,
	})
	parts, open := m.uploads[up]
	if !open {
		require.Equal(t, env.ClassNotFound, resp.Err)
		return
	}
	parts[number] = body
	require.Equal(t, env.Part{Number: number, Size: int64(len(body)), ETag: md5hex(body)}, resp.Part)
}

func (m *model) complete(t *rapid.T) {
	up, cond := m.upload(t), m.cond(t)
	parts := m.uploads[up]
	numbers := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 4).Draw(t, "numbers")
	if rapid.Bool().Draw(t, "sensible") {
		numbers = slices.Sorted(maps.Keys(parts))
	}
	wrongETag := rapid.IntRange(0, 9).Draw(t, "wrong etag") == 0
	var listed []env.Part
	for _, n := range numbers {
		etag := md5hex(parts[n])
		if wrongETag {
			etag = "0" + etag[1:] + "x"
		}
		listed = append(listed, env.Part{Number: n, ETag: etag})
	}
	resp := m.send(t, objstore.Request{
		Kind: objstore.KindCompleteUpload, Key: up.Key, UploadID: up.ID, Parts: listed, Cond: cond,
	})

	body, sums, valid := "", []byte{}, len(numbers) > 0 && !wrongETag
	for i, n := range numbers {
		content, exists := parts[n]
		small := len(content) < modelMinPart && i < len(numbers)-1
		ordered := i == 0 || numbers[i-1] < n
		valid = valid && exists && ordered && !small
		sum := md5.Sum(content)
		body, sums = body+string(content), append(sums, sum[:]...)
	}
	_, open := m.uploads[up]
	refused := m.refuses(cond, up.Key)
	conditional := !m.opts.WeakConditional && !m.opts.NoConditional
	switch {
	case !open:
		require.Equal(t, env.ClassNotFound, resp.Err)
	case !valid:
		require.Equal(t, env.ClassInvalid, resp.Err)
	case refused != env.ClassNone && conditional:
		require.Equal(t, refused, resp.Err)
	default:
		require.Equal(t, env.ClassNone, resp.Err)
		m.objects[up.Key] = modelObject{body, fmt.Sprintf("%s-%d", md5hex(sums), len(numbers))}
		m.checkObject(t, up.Key, resp.Object)
		delete(m.uploads, up)
	}
}

func (m *model) abort(t *rapid.T) {
	up := m.upload(t)
	_, open := m.uploads[up]
	delete(m.uploads, up)
	if rapid.Bool().Draw(t, "expire") {
		require.Equal(t, open, m.store.ExpireUpload(up.Key, up.ID))
		require.Equal(t, open, len(m.store.Effects) == 1)
		m.store.Effects = m.store.Effects[:0]
		return
	}
	resp := m.send(t, objstore.Request{Kind: objstore.KindAbortUpload, Key: up.Key, UploadID: up.ID})
	require.Equal(t, open, resp.Err == env.ClassNone)
}

// listUploads reads all pages, which must add up to all uploads.
func (m *model) listUploads(t *rapid.T) {
	prefix := rapid.SampledFrom([]string{"", "a", "a/", "b/", "c"}).Draw(t, "prefix")
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	want := slices.DeleteFunc(m.sortedUploads(), func(up env.Upload) bool {
		return !strings.HasPrefix(up.Key, prefix)
	})
	var got []env.Upload
	req := objstore.Request{Kind: objstore.KindListUploads, Key: prefix, Limit: limit}
	for more := true; more; {
		resp := m.send(t, req)
		got = append(got, resp.Uploads.Uploads...)
		if more = resp.Uploads.More; more {
			require.Len(t, resp.Uploads.Uploads, limit)
			last := got[len(got)-1]
			req.After, req.AfterID = last.Key, last.ID
		}
	}
	require.Equal(t, append([]env.Upload{}, want...), append([]env.Upload{}, got...))
}

// check compares everything that can be inspected with the model.
func (m *model) check(t *rapid.T) {
	keys := []string{}
	for obj, body := range m.store.Objects() {
		keys = append(keys, obj.Key)
		require.Equal(t, m.objects[obj.Key].body, string(body))
		m.checkObject(t, obj.Key, obj)
		require.Equal(t, m.seen[obj.Key].ETag, obj.ETag, "the ledger tells another story")
		same, sameBody, exists := m.store.Object(obj.Key)
		require.True(t, exists)
		require.Equal(t, obj, same)
		require.Equal(t, body, sameBody)
	}
	require.Equal(t, append([]string{}, slices.Sorted(maps.Keys(m.objects))...), keys)
	require.Len(t, m.seen, len(m.objects))
	ups := []env.Upload{}
	for up, parts := range m.store.Uploads() {
		ups = append(ups, up)
		require.Len(t, parts, len(m.uploads[up]))
		for _, p := range parts {
			require.Equal(t, md5hex(m.uploads[up][p.Number]), p.ETag)
		}
	}
	require.Equal(t, append([]env.Upload{}, m.sortedUploads()...), ups)
}

func TestStoreAgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := objstore.Options{
			MinPart:         modelMinPart,
			WeakConditional: rapid.Bool().Draw(t, "weak"),
			NoConditional:   rapid.Bool().Draw(t, "no conditional"),
		}
		m := &model{
			store:   objstore.New(opts),
			opts:    opts,
			objects: map[string]modelObject{},
			uploads: map[env.Upload]map[int][]byte{},
			seen:    map[string]objstore.Effect{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "get": m.get, "delete": m.delete, "list": m.list,
			"create": m.create, "part": m.part, "complete": m.complete,
			"abort": m.abort, "listUploads": m.listUploads, "": m.check,
		})
	})
}

// TestDigestIsOfContents: stores that reached the same contents on different
// ways have the same digest, and any change of a byte or a key changes it.
func TestDigestIsOfContents(t *testing.T) {
	digest := func(puts ...string) uint64 {
		store := objstore.New(objstore.Options{})
		var resp objstore.Response
		for i := 0; i < len(puts); i += 2 {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: puts[i], Body: []byte(puts[i+1])}, &resp)
		}
		return store.Digest()
	}
	want := digest("a", "1", "b", "2")
	require.Equal(t, want, digest("b", "2", "a", "old", "a", "1"))
	for _, other := range []uint64{
		digest(), digest("a", "1"), digest("a", "2", "b", "1"), digest("a", "1", "b", "3"),
		digest("a", "1", "c", "2"), digest("a", "1", "b", "2", "c", ""), digest("a", "1", "b", "2\x00"),
	} {
		require.NotEqual(t, want, other)
	}
}

func TestPagesAreCappedAt1000(t *testing.T) {
	store := objstore.New(objstore.Options{})
	var resp objstore.Response
	for i := range 1001 {
		store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: fmt.Sprintf("k/%04d", i)}, &resp)
		store.Handle(&objstore.Request{Kind: objstore.KindCreateUpload, Key: fmt.Sprintf("k/%04d", i)}, &resp)
	}
	store.Handle(&objstore.Request{Kind: objstore.KindList, Key: "k/", Limit: 5000}, &resp)
	require.Len(t, resp.Listing.Objects, 1000)
	require.True(t, resp.Listing.More)
	store.Handle(&objstore.Request{Kind: objstore.KindListUploads, Key: "k/", Limit: 5000}, &resp)
	require.Len(t, resp.Uploads.Uploads, 1000)
	require.True(t, resp.Uploads.More)
}
