// Package objcontract states what every implementation of env.Objects must show
// its caller, as one suite of tests: what is read after what was written, what a
// condition forbids, how pages of a listing follow each other, and the class of
// each refusal. The in-memory store's client and the adapter of the real SDK both
// pass it. What an unanswered request means is not part of it: that is tested
// where the network is.
package objcontract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Store is one object store, and what it lacks. Objects outside of the suite's
// prefixes may be there.
type Store struct {
	Client env.Objects
	// MinPart is the smallest part that is not the last, in bytes; 0 means that
	// the store has no minimum.
	MinPart int
	// NoIfMatch: the store does not know a condition on an ETag.
	NoIfMatch bool
	// WeakCompletion: completions ignore conditions.
	WeakCompletion bool
	// NoConditions: puts ignore them, too.
	NoConditions bool
	// Contention: a conditional write soon after another of its key is refused as
	// ErrUnavailable by ErrContended, and decided a few requests later.
	Contention bool
	// Blind: an upload that was aborted can be completed, to no effect, where its
	// key has an object.
	Blind bool
	// UploadsByKey: open uploads are listed by their whole key only.
	UploadsByKey bool
	// LaxParts: completions take parts out of order, and small ones.
	LaxParts bool
	// OtherETag: a completion is answered with another ETag than the object's, so
	// that it looks like one of an upload that is gone.
	OtherETag bool
}

// fixture is one test of the suite.
type fixture struct {
	*testing.T
	Store
	ctx    context.Context
	prefix string
}

var cases = []struct {
	name string
	body func(*fixture)
}{
	{"objects", objects},
	{"ranges", ranges},
	{"conditions", conditions},
	{"listing", listing},
	{"multipart", multipart},
	{"conditional completion", conditionalCompletion},
	{"completion of what has ended", ended},
	{"parts refused", refused},
	{"open uploads", openUploads},
	{"invalid calls", invalidCalls},
}

// Run runs the suite over the store that open returns; it is opened for each test.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			store := open(t)
			if store.Contention {
				store.Client = patient{store.Client}
			}
			c.body(&fixture{T: t, Store: store, ctx: t.Context(), prefix: fmt.Sprintf("contract/%d/", i)})
		})
	}
}

// patient tries conditional writes again while another is said to be under way, as
// callers of such a store must.
type patient struct{ env.Objects }

func (p patient) Put(ctx context.Context, key string, body []byte, cond env.Condition) (obj env.Object, err error) {
	for range 10 {
		obj, err = p.Objects.Put(ctx, key, body, cond)
		if !errors.Is(err, env.ErrContended) {
			break
		}
	}
	return obj, err
}

func (p patient) CompleteUpload(ctx context.Context, key, id string, parts []env.Part, cond env.Condition) (obj env.Object, err error) {
	for range 10 {
		obj, err = p.Objects.CompleteUpload(ctx, key, id, parts, cond)
		if !errors.Is(err, env.ErrContended) {
			break
		}
	}
	return obj, err
}

func (f *fixture) put(key, body string) env.Object {
	obj, err := f.Client.Put(f.ctx, f.prefix+key, []byte(body), env.Always)
	require.NoError(f, err)
	return obj
}

// holds asserts what is stored under a key.
func (f *fixture) holds(key, body string) env.Object {
	got, obj, err := f.Client.Get(f.ctx, f.prefix+key, 0, -1)
	require.NoError(f, err)
	require.Equal(f, body, string(got))
	require.Equal(f, int64(len(body)), obj.Size)
	head, err := f.Client.Head(f.ctx, f.prefix+key)
	require.NoError(f, err)
	require.Equal(f, head, obj)
	return obj
}

func (f *fixture) absent(key string) {
	_, err := f.Client.Head(f.ctx, f.prefix+key)
	f.class(env.ClassNotFound, err)
	_, _, err = f.Client.Get(f.ctx, f.prefix+key, 0, -1)
	f.class(env.ClassNotFound, err)
}

func (f *fixture) class(want env.Class, err error) {
	f.Helper()
	require.Equal(f, want, env.ClassOf(err), "%v", err)
}

func objects(f *fixture) {
	f.absent("a")
	first := f.put("a", "one")
	require.Equal(f, first, f.holds("a", "one"))
	second := f.put("a", "other")
	require.NotEqual(f, first.ETag, second.ETag)
	require.Equal(f, second, f.holds("a", "other"))
	f.put("empty", "")
	f.holds("empty", "")
	require.NoError(f, f.Client.Delete(f.ctx, f.prefix+"a"))
	f.absent("a")
	require.NoError(f, f.Client.Delete(f.ctx, f.prefix+"a"), "a missing object counts as deleted")
}

func ranges(f *fixture) {
	want := f.put("k", "0123456789")
	f.put("empty", "")
	for _, r := range []struct {
		offset, length int64
		body           string
	}{
		{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 2, "34"}, {9, 5, "9"}, {0, 10, "0123456789"},
		{10, -1, ""}, {10, 5, ""}, {99, 1, ""}, {0, 0, ""}, {4, 0, ""}, {2, 1 << 62, "23456789"},
	} {
		body, obj, err := f.Client.Get(f.ctx, f.prefix+"k", r.offset, r.length)
		require.NoError(f, err, "%+v", r)
		require.Equal(f, r.body, string(body), "%+v", r)
		require.Equal(f, want, obj, "%+v", r)
	}
	for _, length := range []int64{-1, 0, 7} {
		body, obj, err := f.Client.Get(f.ctx, f.prefix+"empty", 0, length)
		require.NoError(f, err)
		require.Empty(f, body)
		require.Zero(f, obj.Size)
	}
	_, _, err := f.Client.Get(f.ctx, f.prefix+"none", 5, 5)
	f.class(env.ClassNotFound, err)
	_, _, err = f.Client.Get(f.ctx, f.prefix+"none", 0, 0)
	f.class(env.ClassNotFound, err)
}

func conditions(f *fixture) {
	key := f.prefix + "k"
	write := func(body string, cond env.Condition) (env.Object, error) {
		return f.Client.Put(f.ctx, key, []byte(body), cond)
	}
	first, err := write("first", env.IfAbsent)
	require.NoError(f, err)
	_, err = write("second", env.IfAbsent)
	if f.NoConditions {
		require.NoError(f, err)
		f.holds("k", "second")
		return
	}
	f.class(env.ClassConflict, err)
	require.Equal(f, first, f.holds("k", "first"))
	if !f.NoIfMatch {
		second, err := write("second", env.IfMatch(first.ETag))
		require.NoError(f, err)
		_, err = write("third", env.IfMatch(first.ETag))
		f.class(env.ClassConflict, err)
		require.Equal(f, second, f.holds("k", "second"))
	}
	require.NoError(f, f.Client.Delete(f.ctx, key))
	if !f.NoIfMatch {
		_, err = write("fourth", env.IfMatch(first.ETag))
		f.class(env.ClassNotFound, err)
		f.absent("k")
	}
	_, err = write("fifth", env.IfAbsent)
	require.NoError(f, err)
	f.holds("k", "fifth")
}

func listing(f *fixture) {
	// No key is a folder of another: a gateway to a file system refuses that.
	keys := []string{"a b", "a&b", "a+b", "a/1", "a/2", "a/2-3/4", "a<b>", "b%41", "b=c", "é", "z"}
	slices.Sort(keys)
	want := []env.Object{}
	for _, key := range keys {
		want = append(want, f.put(key, key))
	}
	for _, limit := range []int{1, 5, len(keys), 1000} {
		got, after := []env.Object{}, ""
		for more := true; more; {
			page, err := f.Client.List(f.ctx, f.prefix, after, limit)
			require.NoError(f, err)
			require.LessOrEqual(f, len(page.Objects), limit)
			got = append(got, page.Objects...)
			if more = page.More; more {
				require.NotEmpty(f, page.Objects)
				after = got[len(got)-1].Key
			}
		}
		require.Equal(f, want, got)
	}
	page, err := f.Client.List(f.ctx, f.prefix+"a/", f.prefix+"a/1x", 10)
	require.NoError(f, err)
	require.Equal(f, []env.Object{want[slices.Index(keys, "a/2")], want[slices.Index(keys, "a/2-3/4")]}, page.Objects)
	page, err = f.Client.List(f.ctx, f.prefix+"none/", "", 10)
	require.NoError(f, err)
	require.Empty(f, page.Objects)
	require.False(f, page.More)
}

// part is content for a part that is not the last.
func (f *fixture) part(letter string) string { return strings.Repeat(letter, max(f.MinPart, 3)) }

// upload opens an upload of these parts, which are stored from the last to the
// first.
func (f *fixture) upload(key string, bodies ...string) (id string, parts []env.Part) {
	id, err := f.Client.CreateUpload(f.ctx, f.prefix+key)
	require.NoError(f, err)
	parts = make([]env.Part, len(bodies))
	for i := len(bodies) - 1; i >= 0; i-- {
		parts[i], err = f.Client.UploadPart(f.ctx, f.prefix+key, id, 2*i+1, []byte(bodies[i]))
		require.NoError(f, err)
		require.Equal(f, 2*i+1, parts[i].Number)
		require.Equal(f, int64(len(bodies[i])), parts[i].Size)
	}
	return id, parts
}

func (f *fixture) complete(key, id string, parts []env.Part, cond env.Condition) (env.Object, error) {
	obj, err := f.Client.CompleteUpload(f.ctx, f.prefix+key, id, parts, cond)
	if f.OtherETag && (err == nil || env.ClassOf(err) == env.ClassNotFound) {
		return f.Client.Head(f.ctx, f.prefix+key)
	}
	return obj, err
}

func multipart(f *fixture) {
	id, parts := f.upload("k", f.part("a"), "old", "not listed")
	f.absent("k")
	var err error
	parts[1], err = f.Client.UploadPart(f.ctx, f.prefix+"k", id, parts[1].Number, []byte("new"))
	require.NoError(f, err)
	obj, err := f.complete("k", id, parts[:2], env.Always)
	require.NoError(f, err)
	require.Equal(f, obj, f.holds("k", f.part("a")+"new"))

	id, parts = f.upload("k", "one part")
	_, err = f.complete("k", id, parts, env.Always)
	require.NoError(f, err)
	f.holds("k", "one part")
}

func conditionalCompletion(f *fixture) {
	there := f.put("k", "there")
	id, parts := f.upload("k", "upload")
	_, err := f.complete("k", id, parts, env.IfAbsent)
	if f.WeakCompletion {
		require.NoError(f, err)
		f.holds("k", "upload")
	} else {
		f.class(env.ClassConflict, err)
		require.Equal(f, there, f.holds("k", "there"))
	}
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"k", id))

	id, parts = f.upload("new", "upload")
	_, err = f.complete("new", id, parts, env.IfAbsent)
	require.NoError(f, err)
	f.holds("new", "upload")
}

// ended: an upload that has ended is gone, or its completion is answered as the
// first time. Nothing changes in either case.
func ended(f *fixture) {
	id, parts := f.upload("k", "upload")
	first, err := f.complete("k", id, parts, env.Always)
	require.NoError(f, err)
	again, err := f.complete("k", id, parts, env.Always)
	if err == nil {
		require.Equal(f, first, again)
	} else {
		f.class(env.ClassNotFound, err)
	}
	_, err = f.Client.UploadPart(f.ctx, f.prefix+"k", id, 1, []byte("late"))
	f.class(env.ClassNotFound, err)
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"k", id))
	require.Equal(f, first, f.holds("k", "upload"))

	id, parts = f.upload("other", "upload")
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"other", id))
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"other", id), "a missing upload counts as dropped")
	_, err = f.Client.UploadPart(f.ctx, f.prefix+"other", id, 1, []byte("late"))
	f.class(env.ClassNotFound, err)
	_, err = f.complete("other", id, parts, env.Always)
	f.class(env.ClassNotFound, err)
	f.absent("other")

	there := f.put("other", "another's")
	_, err = f.Client.CompleteUpload(f.ctx, f.prefix+"other", id, parts, env.Always)
	if f.Blind {
		require.NoError(f, err)
	} else {
		f.class(env.ClassNotFound, err)
	}
	require.Equal(f, there, f.holds("other", "another's"))
}

func refused(f *fixture) {
	id, parts := f.upload("k", f.part("a"), f.part("b"))
	absent := env.Part{Number: 9, Size: 1, ETag: parts[0].ETag}
	other := parts[0]
	other.ETag = "0123456789abcdef0123456789abcdef"
	lists := [][]env.Part{{parts[0], absent}, {other, parts[1]}}
	if !f.LaxParts {
		lists = append(lists, nil, []env.Part{parts[1], parts[0]})
	}
	for _, list := range lists {
		_, err := f.complete("k", id, list, env.Always)
		f.class(env.ClassInvalid, err)
		require.NotErrorIs(f, err, env.ErrPartTooSmall)
	}
	f.absent("k")
	_, err := f.complete("k", id, parts, env.Always)
	require.NoError(f, err, "a refusal leaves the upload open")
	if f.MinPart == 0 || f.LaxParts {
		return
	}
	id, parts = f.upload("small", "x", "last")
	_, err = f.complete("small", id, parts, env.Always)
	f.class(env.ClassInvalid, err)
	require.ErrorIs(f, err, env.ErrPartTooSmall)
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"small", id))
}

// openUploads pages through open uploads, several of a key, and aborts them on
// the way, as a janitor does.
func openUploads(f *fixture) {
	want := map[env.Upload]bool{}
	for _, key := range []string{"a", "a", "a", "a b", "a/1", "b", "b"} {
		id, err := f.Client.CreateUpload(f.ctx, f.prefix+key)
		require.NoError(f, err)
		want[env.Upload{Key: f.prefix + key, ID: id}] = true
	}
	prefixes := []string{f.prefix}
	if f.UploadsByKey {
		prefixes = []string{f.prefix + "a", f.prefix + "a b", f.prefix + "a/1", f.prefix + "b"}
	}
	pages := func(limit int, each func(env.Upload)) {
		for _, prefix := range prefixes {
			var last env.Upload
			for more := true; more; {
				page, err := f.Client.ListUploads(f.ctx, prefix, last.Key, last.ID, limit)
				require.NoError(f, err)
				require.LessOrEqual(f, len(page.Uploads), limit)
				for _, u := range page.Uploads {
					require.Positive(f, strings.Compare(u.Key+"\x00"+u.ID, last.Key+"\x00"+last.ID), "in order")
					require.True(f, strings.HasPrefix(u.Key, prefix))
					last = u
					each(u)
				}
				if more = page.More; more {
					require.NotEmpty(f, page.Uploads)
				}
			}
		}
	}
	for _, limit := range []int{1, 2, 3, 1000} {
		got := map[env.Upload]bool{}
		pages(limit, func(u env.Upload) { got[u] = true })
		if f.UploadsByKey {
			require.Subset(f, got, want)
			continue
		}
		require.Equal(f, want, got)
	}
	aborted := 0
	pages(2, func(u env.Upload) {
		aborted++
		require.NoError(f, f.Client.AbortUpload(f.ctx, u.Key, u.ID))
	})
	require.Equal(f, len(want), aborted)
	pages(2, func(u env.Upload) { f.Fatalf("%v is still open", u) })
}

func invalidCalls(f *fixture) {
	long := strings.Repeat(strings.Repeat("k", 99)+"/", 20)
	for _, key := range []string{"", long} {
		_, err := f.Client.Put(f.ctx, key, []byte("x"), env.Always)
		f.class(env.ClassInvalid, err)
		_, err = f.Client.CreateUpload(f.ctx, key)
		f.class(env.ClassInvalid, err)
	}
	f.put("k", "body")
	_, _, err := f.Client.Get(f.ctx, f.prefix+"k", -1, 2)
	f.class(env.ClassInvalid, err)
	_, err = f.Client.List(f.ctx, f.prefix, "", 0)
	f.class(env.ClassInvalid, err)
	_, err = f.Client.ListUploads(f.ctx, f.prefix, "", "", 0)
	f.class(env.ClassInvalid, err)
	id, _ := f.upload("k")
	for _, number := range []int{0, 10_001} {
		_, err = f.Client.UploadPart(f.ctx, f.prefix+"k", id, number, bytes.Repeat([]byte("x"), 3))
		f.class(env.ClassInvalid, err)
	}
	require.NoError(f, f.Client.AbortUpload(f.ctx, f.prefix+"k", id))
}
