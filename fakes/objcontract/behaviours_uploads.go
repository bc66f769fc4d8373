package objcontract

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

var ofParts = []behaviour{
	{"part: the ETag", func(b *bench) string { _, parts := b.upload("part"); return digest(parts[0].ETag, "part") }},
	{"part: an empty one", func(b *bench) string { return said(b.ask(partOf("k", b.create("k"), 1, ""))) }},
	{"part: an empty one, completed", func(b *bench) string {
		id, parts := b.upload(large, "")
		return said(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"part number 0", func(b *bench) string { return said(b.ask(partOf("k", b.create("k"), 0, "part"))) }},
	{"part number 10000", func(b *bench) string { return said(b.ask(partOf("k", b.create("k"), 10_000, "part"))) }},
	{"part number 10001", func(b *bench) string { return said(b.ask(partOf("k", b.create("k"), 10_001, "part"))) }},
	{"part of an unknown upload", func(b *bench) string { return said(b.ask(partOf("k", "unknown", 1, "part"))) }},
	{"part of another key's upload", func(b *bench) string { return said(b.ask(partOf("other", b.create("k"), 1, "part"))) }},
	{"part after abort", func(b *bench) string {
		id, _ := b.upload("part")
		b.abort(id)
		return said(b.ask(partOf("k", id, 1, "part")))
	}},
	{"part after completion", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		return said(b.ask(partOf("k", id, 1, "late"))) + ", then " + b.read("k")
	}},
	{"part stored again", func(b *bench) string {
		id, _ := b.upload("old")
		again := b.must(partOf("k", id, 1, "new")).Part
		return said(b.complete(id, env.Always, again)) + ", then " + b.read("k")
	}},
	{"part stored again, the old ETag listed", func(b *bench) string {
		id, parts := b.upload("old")
		b.must(partOf("k", id, 1, "new"))
		return said(b.complete(id, env.Always, parts...))
	}},
	{"parts stored backwards", func(b *bench) string {
		id := b.create("k")
		two := b.must(partOf("k", id, 2, "end")).Part
		one := b.must(partOf("k", id, 1, large)).Part
		return said(b.complete(id, env.Always, one, two)) + ", then " + b.read("k")
	}},
	{"parts with gaps in their numbers", func(b *bench) string {
		id := b.create("k")
		three := b.must(partOf("k", id, 3, large)).Part
		seven := b.must(partOf("k", id, 7, "end")).Part
		return said(b.complete(id, env.Always, three, seven)) + ", then " + b.read("k")
	}},
	{"parts that are not listed", func(b *bench) string {
		id, parts := b.upload("listed", "not listed")
		return said(b.complete(id, env.Always, parts[0])) + ", then " + b.read("k")
	}},
}

var ofCompletions = []behaviour{
	{"nothing there before the completion", func(b *bench) string {
		b.upload("part")
		return said(b.head("k")) + ", " + b.keys(b.list("", "", 10))
	}},
	{"complete: the ETag told", func(b *bench) string {
		id, parts := b.upload(large, "end")
		return digest(b.complete(id, env.Always, parts...).Object.ETag, large+"end", large, "end")
	}},
	{"complete: the ETag of HEAD", func(b *bench) string {
		id, parts := b.upload(large, "end")
		b.complete(id, env.Always, parts...)
		return digest(b.head("k").Object.ETag, large+"end", large, "end")
	}},
	{"complete over an object", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("upload")
		return said(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete: no parts", func(b *bench) string { id, _ := b.upload("part"); return said(b.complete(id, env.Always)) }},
	{"complete: wrong order", func(b *bench) string {
		id, parts := b.upload(large, large)
		return said(b.complete(id, env.Always, parts[1], parts[0]))
	}},
	{"complete: a part twice", func(b *bench) string {
		id, parts := b.upload(large)
		return said(b.complete(id, env.Always, parts[0], parts[0]))
	}},
	{"complete: a missing part", func(b *bench) string {
		id, parts := b.upload("part")
		return said(b.complete(id, env.Always, parts[0], env.Part{Number: 2, ETag: parts[0].ETag}))
	}},
	{"complete: another ETag", func(b *bench) string {
		id, _ := b.upload("part")
		return said(b.complete(id, env.Always, env.Part{Number: 1, ETag: sumOf("another")}))
	}},
	{"complete: a small part", func(b *bench) string {
		id, parts := b.upload("small", "end")
		return said(b.complete(id, env.Always, parts...))
	}},
	{"complete: a small part and another ETag", func(b *bench) string {
		id, parts := b.upload("small", "end")
		return said(b.complete(id, env.Always, env.Part{Number: 1, ETag: sumOf("another")}, parts[1]))
	}},
	{"complete: a small part as the last", func(b *bench) string {
		id, parts := b.upload(large, "s")
		return said(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete: refused, then right", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, env.Part{Number: 1, ETag: sumOf("another")})
		return said(b.complete(id, env.Always, parts...))
	}},
	{"complete if absent, nothing there", func(b *bench) string {
		id, parts := b.upload("part")
		return said(b.complete(id, env.IfAbsent, parts...))
	}},
	{"complete if absent, object there", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("part")
		return said(b.complete(id, env.IfAbsent, parts...)) + ", then " + b.read("k")
	}},
	{"complete if absent, object there, another ETag", func(b *bench) string {
		b.put("k", "there")
		id, _ := b.upload("part")
		return said(b.complete(id, env.IfAbsent, env.Part{Number: 1, ETag: sumOf("another")}))
	}},
	{"complete if absent, refused, then always", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("part")
		b.complete(id, env.IfAbsent, parts...)
		return said(b.complete(id, env.Always, parts...))
	}},
	{"complete if absent, 8 uploads at once", func(b *bench) string {
		var ids [8]string
		var parts [8][]env.Part
		for i := range ids {
			ids[i], parts[i] = b.upload(fmt.Sprint("part ", i))
		}
		return winners(func(i int) objstore.Response { return b.complete(ids[i], env.IfAbsent, parts[i]...) })
	}},
	{"complete if matches, and it does", func(b *bench) string {
		there := b.put("k", "there")
		id, parts := b.upload("part")
		return said(b.complete(id, env.IfMatch(there.ETag), parts...))
	}},
	{"complete if matches, another version", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("part")
		return said(b.complete(id, env.IfMatch(sumOf("another")), parts...))
	}},
}

// ended are completions of uploads that are not open, with an object there or not.
var ofEndedUploads = []behaviour{
	{"complete twice", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		return b.told(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete twice, if absent", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.IfAbsent, parts...)
		return b.told(b.complete(id, env.IfAbsent, parts...))
	}},
	{"complete twice, with other parts", func(b *bench) string {
		id, parts := b.upload("part", "other")
		b.complete(id, env.Always, parts[0])
		return b.told(b.complete(id, env.Always, parts[1]))
	}},
	{"complete twice, another object there by now", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		b.put("k", "later")
		return b.told(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete twice, the object deleted", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		b.must(objstore.Request{Kind: objstore.KindDelete, Key: "k"})
		return b.told(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete an aborted upload, object there", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("part")
		b.abort(id)
		return b.told(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete an aborted upload if absent, object there", func(b *bench) string {
		b.put("k", "there")
		id, parts := b.upload("part")
		b.abort(id)
		return b.told(b.complete(id, env.IfAbsent, parts...))
	}},
	{"complete an aborted upload, nothing there", func(b *bench) string {
		id, parts := b.upload("part")
		b.abort(id)
		return b.told(b.complete(id, env.Always, parts...)) + ", then " + b.read("k")
	}},
	{"complete an unknown upload, object there", func(b *bench) string {
		b.put("k", "there")
		return b.told(b.complete("unknown", env.Always, env.Part{Number: 1, ETag: sumOf("part")}))
	}},
	{"complete an unknown upload, nothing there", func(b *bench) string {
		return b.told(b.complete("unknown", env.Always, env.Part{Number: 1, ETag: sumOf("part")}))
	}},
	{"abort", func(b *bench) string {
		id, parts := b.upload("part")
		return said(b.abort(id)) + ", then " + said(b.complete(id, env.Always, parts...))
	}},
	{"abort twice", func(b *bench) string { id, _ := b.upload("part"); b.abort(id); return said(b.abort(id)) }},
	{"abort an unknown upload", func(b *bench) string { return said(b.abort("unknown")) }},
	{"abort after completion", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		return said(b.abort(id)) + ", then " + b.read("k")
	}},
}

var ofUploads = []behaviour{
	{"list uploads: a prefix", func(b *bench) string {
		for _, key := range []string{"a/1", "a/2", "b"} {
			b.create(key)
		}
		return fmt.Sprintf("%d of a/, %d of all", len(b.listUploads("a/", "", "", 10).Uploads.Uploads), len(b.listUploads("", "", "", 10).Uploads.Uploads))
	}},
	{"list uploads: a whole key", func(b *bench) string {
		b.create("a")
		b.create("a")
		return fmt.Sprintf("%d of a", len(b.listUploads("a", "", "", 10).Uploads.Uploads))
	}},
	{"list uploads: one of 5 pages", func(b *bench) string {
		b.five()
		page := b.listUploads("", "", "", 2).Uploads
		return fmt.Sprintf("%d, more %t", len(page.Uploads), page.More)
	}},
	{"list uploads: page by page", func(b *bench) string {
		want := b.five()
		got, why := b.pages(2)
		return fmt.Sprintf("%d for %d%s", len(got), len(want), why)
	}},
	{"list uploads: after a key", func(b *bench) string {
		b.five()
		resp := b.listUploads("", "a", "", 10)
		return fmt.Sprintf("%s, %d of 3", said(resp), len(resp.Uploads.Uploads))
	}},
	{"list uploads: after a key and an upload", func(b *bench) string {
		ids := b.five()
		resp := b.listUploads("", "a", ids[0].ID, 10)
		return fmt.Sprintf("%s, %d of 4", said(resp), len(resp.Uploads.Uploads))
	}},
	{"list uploads: after an aborted one", func(b *bench) string {
		ids := b.five()
		b.must(objstore.Request{Kind: objstore.KindAbortUpload, Key: "a", UploadID: ids[0].ID})
		resp := b.listUploads("", "a", ids[0].ID, 10)
		return fmt.Sprintf("%s, %d of 4", said(resp), len(resp.Uploads.Uploads))
	}},
	{"list uploads: after a key without uploads", func(b *bench) string {
		b.create("a")
		b.create("c")
		resp := b.listUploads("", "b", "", 10)
		return fmt.Sprintf("%s, %d of 1", said(resp), len(resp.Uploads.Uploads))
	}},
	{"list uploads: completed and aborted ones", func(b *bench) string {
		id, parts := b.upload("part")
		b.complete(id, env.Always, parts...)
		other, _ := b.upload("part")
		b.abort(other)
		return fmt.Sprintf("%d open", len(b.listUploads("", "", "", 10).Uploads.Uploads))
	}},
	{"list uploads: limit 0", func(b *bench) string {
		b.create("a")
		resp := b.listUploads("", "", "", 0)
		return fmt.Sprintf("%s, %d", said(resp), len(resp.Uploads.Uploads))
	}},
	{"list uploads: order of keys", func(b *bench) string {
		for _, key := range []string{"b", "a/2", "a/1", "c"} {
			b.create(key)
		}
		return fmt.Sprintf("sorted %t", sorted(b.listUploads("", "", "", 10).Uploads.Uploads))
	}},
	{"list uploads: order within a key", func(b *bench) string {
		for range 10 {
			b.create("a")
		}
		return fmt.Sprintf("by id %t", sorted(b.listUploads("", "", "", 10).Uploads.Uploads))
	}},
}

// five opens two uploads of a, two of b and one of c, and returns them in the
// order in which the store lists them.
func (b *bench) five() []env.Upload {
	for _, key := range []string{"a", "a", "b", "b", "c"} {
		b.create(key)
	}
	return b.listUploads("", "", "", 10).Uploads.Uploads
}
