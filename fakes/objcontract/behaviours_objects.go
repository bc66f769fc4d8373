package objcontract

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

var ofObjects = []behaviour{
	{"put, then get", func(b *bench) string { b.put("k", "body"); return b.read("k") }},
	{"put, then head", func(b *bench) string {
		obj, there := b.put("k", "body"), b.head("k")
		return fmt.Sprintf("%s, size %d, same ETag %t", said(there), there.Object.Size, obj.ETag == there.Object.ETag)
	}},
	{"put: the ETag", func(b *bench) string { return digest(b.put("k", "body").ETag, "body") }},
	{"put the same again: the ETag", func(b *bench) string {
		first, again := b.put("k", "body").ETag, b.put("k", "body").ETag
		return fmt.Sprintf("same %t", first == again)
	}},
	{"put over an object", func(b *bench) string { b.put("k", "old"); b.put("k", "new"); return b.read("k") }},
	{"put, then get, many times", func(b *bench) string {
		for i := range 20 {
			body := fmt.Sprint("body ", i)
			b.put("k", body)
			if got := b.read("k"); got != fmt.Sprintf("%q of %d", body, len(body)) {
				return "stale: " + got
			}
		}
		return "the last write"
	}},
	{"empty object", func(b *bench) string { b.put("k", ""); return b.read("k") }},
	{"get what is missing", func(b *bench) string { return b.read("k") }},
	{"head of what is missing", func(b *bench) string { return said(b.head("k")) }},
	{"delete", func(b *bench) string {
		b.put("k", "body")
		return said(b.ask(objstore.Request{Kind: objstore.KindDelete, Key: "k"})) + ", then " + b.read("k")
	}},
	{"delete what is missing", func(b *bench) string {
		return said(b.ask(objstore.Request{Kind: objstore.KindDelete, Key: "k"}))
	}},
	{"delete twice", func(b *bench) string {
		b.put("k", "body")
		b.must(objstore.Request{Kind: objstore.KindDelete, Key: "k"})
		return said(b.ask(objstore.Request{Kind: objstore.KindDelete, Key: "k"}))
	}},
	{"range inside", ofRange(2, 3)},
	{"range to the end", ofRange(2, -1)},
	{"range over the end", ofRange(8, 5)},
	{"range at the end", ofRange(10, 5)},
	{"range at the end, to the end", ofRange(10, -1)},
	{"range behind the end", ofRange(99, 5)},
	{"range of one byte", ofRange(0, 1)},
	{"range before the beginning", ofRange(-1, 3)},
	{"range of an empty object", func(b *bench) string { b.put("k", ""); return b.readRange("k", 0, 5) }},
	{"range of what is missing", func(b *bench) string { return b.readRange("k", 1, 5) }},
}

func ofRange(offset, length int64) func(b *bench) string {
	return func(b *bench) string {
		b.put("k", "0123456789")
		return b.readRange("k", offset, length)
	}
}

var ofConditions = []behaviour{
	{"put if absent, nothing there", func(b *bench) string {
		return said(b.ask(putOf("k", "body", env.IfAbsent))) + ", then " + b.read("k")
	}},
	{"put if absent, object there", func(b *bench) string {
		b.put("k", "there")
		return said(b.ask(putOf("k", "body", env.IfAbsent))) + ", then " + b.read("k")
	}},
	{"put if absent, just deleted", func(b *bench) string {
		b.put("k", "there")
		b.must(objstore.Request{Kind: objstore.KindDelete, Key: "k"})
		return said(b.ask(putOf("k", "body", env.IfAbsent)))
	}},
	{"put if absent, same bytes there", func(b *bench) string {
		b.put("k", "body")
		return said(b.ask(putOf("k", "body", env.IfAbsent)))
	}},
	{"put if absent, 8 at once", func(b *bench) string {
		return winners(func(i int) objstore.Response { return b.ask(putOf("k", fmt.Sprint(i), env.IfAbsent)) })
	}},
	{"put if matches, and it does", func(b *bench) string {
		return said(b.ask(putOf("k", "new", env.IfMatch(b.put("k", "old").ETag)))) + ", then " + b.read("k")
	}},
	{"put if matches, another version", func(b *bench) string {
		old := b.put("k", "old")
		b.put("k", "other")
		return said(b.ask(putOf("k", "new", env.IfMatch(old.ETag)))) + ", then " + b.read("k")
	}},
	{"put if matches, nothing there", func(b *bench) string {
		return said(b.ask(putOf("k", "new", env.IfMatch(sumOf("old"))))) + ", then " + b.read("k")
	}},
}

var ofListings = []behaviour{
	{"list: order", func(b *bench) string {
		for _, key := range []string{"b", "a/2", "a/10", "a-", "é", "B"} {
			b.put(key, "")
		}
		return b.keys(b.list("", "", 100))
	}},
	{"list: page by page", func(b *bench) string {
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			b.put(key, "")
		}
		return b.keys(b.list("", "", 2)) + b.keys(b.list("", "b", 2)) + b.keys(b.list("", "d", 2))
	}},
	{"list: after a key that is not there", func(b *bench) string {
		b.put("a", "")
		b.put("c", "")
		return b.keys(b.list("", "b", 10))
	}},
	{"list: after a deleted key", func(b *bench) string {
		b.put("a", "")
		b.put("b", "")
		b.put("c", "")
		b.must(objstore.Request{Kind: objstore.KindDelete, Key: "b"})
		return b.keys(b.list("", "b", 10))
	}},
	{"list: after a prefix's last key", func(b *bench) string { b.put("a", ""); return b.keys(b.list("", "a", 10)) }},
	{"list: a prefix within a folder", func(b *bench) string {
		b.put("a/1", "")
		b.put("a/2", "")
		b.put("ab", "")
		return b.keys(b.list("a/", "", 10)) + b.keys(b.list("a", "", 10))
	}},
	{"list: nothing", func(b *bench) string { return b.keys(b.list("none/", "", 10)) }},
	{"list: sizes and ETags", func(b *bench) string {
		obj := b.put("k", "body")
		found := b.list("", "", 10).Listing.Objects
		return fmt.Sprintf("as put: %t", len(found) == 1 && found[0] == obj)
	}},
	{"list: what was just put and deleted", func(b *bench) string {
		b.put("a", "")
		b.put("b", "")
		b.must(objstore.Request{Kind: objstore.KindDelete, Key: "a"})
		return b.keys(b.list("", "", 10))
	}},
	{"list: limit 0", func(b *bench) string { b.put("k", ""); return b.keys(b.list("", "", 0)) }},
	{"list: at most 1000", func(b *bench) string {
		for i := range 1001 {
			b.put(fmt.Sprintf("k%04d", i), "")
		}
		page := b.list("", "", 5000).Listing
		return fmt.Sprintf("%d, more %t", len(page.Objects), page.More)
	}},
	{"list: keys with signs", func(b *bench) string {
		keys := []string{"a b", "a&b", "a+b", "a<b>", "b%41", "b=c", "c\"d'", "é~"}
		for _, key := range keys {
			b.put(key, key)
		}
		listed := b.keys(b.list("", "", 100))
		return fmt.Sprintf("as put: %t", listed == "["+strings.Join(keys, " ")+"]")
	}},
}

var ofKeys = []behaviour{
	{"key of 1024 bytes", ofLength(1024)},
	{"key of 1025 bytes", ofLength(1025)},
	{"part of a key of 255 bytes", func(b *bench) string { return said(b.ask(putOf(strings.Repeat("k", 255), "", env.Always))) }},
	{"part of a key of 256 bytes", func(b *bench) string { return said(b.ask(putOf(strings.Repeat("k", 256), "", env.Always))) }},
	{"upload to a key with a part of 256 bytes", func(b *bench) string { return b.uploadTo(strings.Repeat("k", 256)) }},
	{"upload to a key of 1025 bytes", func(b *bench) string { return b.uploadTo(b.keyOf(1025)) }},
	{"key in an object", func(b *bench) string { b.put("a", ""); return said(b.ask(putOf("a/b", "", env.Always))) }},
	{"key deep in an object", func(b *bench) string { b.put("a", ""); return said(b.ask(putOf("a/b/c", "", env.Always))) }},
	{"key around an object", func(b *bench) string { b.put("a/b", ""); return said(b.ask(putOf("a", "", env.Always))) }},
	{"upload to a key in an object", func(b *bench) string { b.put("a", ""); return b.uploadTo("a/b") }},
	{"upload to a key around an object", func(b *bench) string { b.put("a/b", ""); return b.uploadTo("a") }},
	{"upload to a key a//b", func(b *bench) string { return b.uploadTo("a//b") + ", listed as " + b.keys(b.list("", "", 10)) }},
	{"upload to a key x/", func(b *bench) string { return b.uploadTo("x/") + ", listed as " + b.keys(b.list("", "", 10)) }},
	{"key whose beginning is an object", func(b *bench) string { b.put("a", ""); return said(b.ask(putOf("ab", "", env.Always))) }},
	{"key a//b", func(b *bench) string {
		put := said(b.ask(putOf("a//b", "body", env.Always)))
		return put + ", listed as " + b.keys(b.list("", "", 10))
	}},
	{"key ./x", func(b *bench) string {
		put := said(b.ask(putOf("a/./x", "body", env.Always)))
		return put + ", listed as " + b.keys(b.list("", "", 10))
	}},
	{"key x/", func(b *bench) string {
		put := said(b.ask(putOf("x/", "body", env.Always)))
		return put + ", listed as " + b.keys(b.list("", "", 10))
	}},
	{"key that differs by case", func(b *bench) string { b.put("a", "1"); b.put("A", "2"); return b.read("a") + ", " + b.read("A") }},
}

// ofLength puts a key of a length.
func ofLength(length int) func(b *bench) string {
	return func(b *bench) string { return said(b.ask(putOf(b.keyOf(length), "", env.Always))) }
}

// keyOf is a key that is so long, with the prefix, and whose parts are short.
func (b *bench) keyOf(length int) string {
	length -= len(b.prefix)
	return strings.Repeat("long/", length)[:length-1] + "k"
}

// uploadTo stores an object in one part, and says how far that went.
func (b *bench) uploadTo(key string) string {
	created := b.ask(objstore.Request{Kind: objstore.KindCreateUpload, Key: key})
	if created.Err != env.ClassNone {
		return "create: " + said(created)
	}
	part := b.ask(partOf(key, created.UploadID, 1, "part"))
	if part.Err != env.ClassNone {
		return "part: " + said(part)
	}
	return "complete: " + said(b.ask(objstore.Request{
		Kind: objstore.KindCompleteUpload, Key: key, UploadID: created.UploadID, Parts: []env.Part{part.Part},
	}))
}

// sorted reports whether uploads are in the order of keys and ids, which may be
// numbers.
func sorted(uploads []env.Upload) bool {
	return slices.IsSortedFunc(uploads, func(a, b env.Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID))
	})
}
