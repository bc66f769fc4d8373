package objstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// bench is a store that a test of one trait asks.
type bench struct {
	*testing.T
	store *objstore.Store
}

func (b *bench) ask(req objstore.Request) objstore.Response {
	var resp objstore.Response
	b.store.Handle(&req, &resp)
	return resp
}

func (b *bench) put(key, body string, cond env.Condition) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindPut, Key: key, Body: []byte(body), Cond: cond})
}

func code(resp objstore.Response) string {
	if resp.Err == env.ClassNone {
		return "ok"
	}
	return resp.Err.String() + " " + resp.Code
}

// parts opens an upload of "k" and stores parts 1, 2, ...
func (b *bench) parts(bodies ...string) (id string, parts []env.Part) {
	id = b.ask(objstore.Request{Kind: objstore.KindCreateUpload, Key: "k"}).UploadID
	for i, body := range bodies {
		parts = append(parts, b.ask(objstore.Request{Kind: objstore.KindUploadPart, Key: "k", UploadID: id, Number: i + 1, Body: []byte(body)}).Part)
	}
	return id, parts
}

func (b *bench) complete(id string, parts []env.Part, cond env.Condition) objstore.Response {
	return b.ask(objstore.Request{Kind: objstore.KindCompleteUpload, Key: "k", UploadID: id, Parts: parts, Cond: cond})
}

func (b *bench) list(kind objstore.Kind, prefix, after, afterID string) objstore.Response {
	return b.ask(objstore.Request{Kind: kind, Key: prefix, After: after, AfterID: afterID, Limit: 10})
}

// TestTraits: what each trait does, in one short history, whose answers are
// written down with the trait and without.
func TestTraits(t *testing.T) {
	type row struct {
		with, without objstore.Options
		history       func(b *bench) []string
		differs       [2]string // the answers that differ: with, without
	}
	plain := objstore.Options{MinPart: -1, Completions: objstore.CompletionsOnce}
	with := func(change func(o *objstore.Options)) objstore.Options {
		o := plain
		change(&o)
		return o
	}
	ended := func(b *bench) []string {
		id, parts := b.parts("body")
		require.Equal(b, "ok", code(b.complete(id, parts, env.IfAbsent)))
		return []string{code(b.complete(id, parts, env.IfAbsent))}
	}
	conditionalCompletion := func(b *bench) []string {
		b.put("k", "there", env.Always)
		id, parts := b.parts("body")
		return []string{code(b.complete(id, parts, env.IfAbsent))}
	}
	rows := map[objstore.Trait]row{
		objstore.MinPart: {
			with: with(func(o *objstore.Options) { o.MinPart = 5 }),
			history: func(b *bench) []string {
				id, parts := b.parts("four", "last")
				return []string{code(b.complete(id, parts, env.Always))}
			},
			differs: [2]string{"invalid EntityTooSmall", "ok"},
		},
		objstore.NoEmptyParts: {
			with: with(func(o *objstore.Options) { o.NoEmptyParts = true }),
			history: func(b *bench) []string {
				id, _ := b.parts()
				return []string{code(b.ask(objstore.Request{Kind: objstore.KindUploadPart, Key: "k", UploadID: id, Number: 1}))}
			},
			differs: [2]string{"invalid MissingContentLength", "ok"},
		},
		objstore.LaxParts: {
			with: with(func(o *objstore.Options) { o.LaxParts = true }),
			history: func(b *bench) []string {
				id, parts := b.parts("1", "2")
				return []string{code(b.complete(id, []env.Part{parts[1], parts[0]}, env.Always))}
			},
			differs: [2]string{"ok", "invalid InvalidPartOrder"},
		},
		objstore.MaxKey: {
			with: with(func(o *objstore.Options) { o.MaxKey = 1023 }),
			history: func(b *bench) []string {
				return []string{code(b.put(strings.Repeat("k", 1024), "", env.Always))}
			},
			differs: [2]string{"invalid KeyTooLongError", "ok"},
		},
		objstore.MaxSegment: {
			with: with(func(o *objstore.Options) { o.MaxSegment = 255 }),
			history: func(b *bench) []string {
				return []string{code(b.put("a/"+strings.Repeat("k", 256), "", env.Always)), code(b.put("a/"+strings.Repeat("k", 255), "", env.Always))}
			},
			differs: [2]string{"invalid ExistingObjectIsDirectory", "ok"},
		},
		objstore.Folders: {
			with: with(func(o *objstore.Options) { o.Folders = true }),
			history: func(b *bench) []string {
				b.put("a", "", env.Always)
				return []string{code(b.put("a/b/c", "", env.Always)), code(b.put("a", "again", env.Always)), code(b.put("ab", "", env.Always))}
			},
			differs: [2]string{"invalid ObjectParentIsFile", "ok"},
		},
		objstore.CleanKeys: {
			with: with(func(o *objstore.Options) { o.CleanKeys = true }),
			history: func(b *bench) []string {
				b.put("./a//b", "", env.Always)
				return []string{code(b.ask(objstore.Request{Kind: objstore.KindHead, Key: "a/b"})), code(b.put("x", "", env.Always))}
			},
			differs: [2]string{"ok", "not found NoSuchKey"},
		},
		objstore.OpaqueETags: {
			with: with(func(o *objstore.Options) { o.OpaqueETags = true }),
			history: func(b *bench) []string {
				first, again := b.put("a", "body", env.Always).Object.ETag, b.put("a", "body", env.Always).Object.ETag
				return []string{map[bool]string{true: "same", false: "another"}[first == again]}
			},
			differs: [2]string{"another", "same"},
		},
		objstore.OtherETags: {
			with: with(func(o *objstore.Options) { o.OtherETags = true }),
			history: func(b *bench) []string {
				id, parts := b.parts("body")
				told := b.complete(id, parts, env.Always).Object.ETag
				there := b.ask(objstore.Request{Kind: objstore.KindHead, Key: "k"}).Object.ETag
				return []string{map[bool]string{true: "same", false: md5hex([]byte("body"))}[told == there]}
			},
			differs: [2]string{md5hex([]byte("body")), "same"},
		},
		objstore.ExistsCode409: {
			with: with(func(o *objstore.Options) { o.ExistsCode409 = true }),
			history: func(b *bench) []string {
				b.put("a", "", env.IfAbsent)
				return []string{code(b.put("a", "", env.IfAbsent))}
			},
			differs: [2]string{"conflict FileAlreadyExists", "conflict PreconditionFailed"},
		},
		objstore.NoIfMatch: {
			with: with(func(o *objstore.Options) { o.NoIfMatch = true }),
			history: func(b *bench) []string {
				b.put("a", "", env.Always)
				return []string{code(b.put("a", "", env.IfMatch("none"))), code(b.put("a", "", env.IfAbsent))}
			},
			differs: [2]string{"ok", "conflict PreconditionFailed"},
		},
		objstore.WeakConditional: {
			with: with(func(o *objstore.Options) { o.WeakConditional = true }), history: conditionalCompletion,
			differs: [2]string{"ok", "conflict PreconditionFailed"},
		},
		objstore.NoConditional: {
			with: with(func(o *objstore.Options) { o.NoConditional = true }), history: conditionalCompletion,
			differs: [2]string{"ok", "conflict PreconditionFailed"},
		},
		objstore.Contention: {
			with: with(func(o *objstore.Options) { o.Contention = 2 }),
			history: func(b *bench) []string {
				b.put("a", "", env.Always)
				first := code(b.put("a", "", env.IfAbsent))
				b.put("b", "", env.Always)
				return []string{first, code(b.put("a", "", env.IfAbsent))}
			},
			differs: [2]string{"unavailable ConditionalRequestConflict", "conflict PreconditionFailed"},
		},
		objstore.ConditionFirst: {
			with: with(func(o *objstore.Options) { o.ConditionFirst = true }),
			history: func(b *bench) []string {
				b.put("k", "there", env.Always)
				id, _ := b.parts("body")
				return []string{code(b.complete(id, []env.Part{{Number: 1, ETag: "another"}}, env.IfAbsent))}
			},
			differs: [2]string{"conflict PreconditionFailed", "invalid InvalidPart"},
		},
		objstore.RepeatedCompletion: {
			with: with(func(o *objstore.Options) { o.Completions = objstore.CompletionsRepeat }), history: ended,
			differs: [2]string{"ok", "not found NoSuchUpload"},
		},
		objstore.EndedCompletion: {
			with: plain, without: with(func(o *objstore.Options) { o.Completions = objstore.CompletionsRepeat }), history: ended,
			differs: [2]string{"not found NoSuchUpload", "ok"},
		},
		objstore.BlindCompletion: {
			with: with(func(o *objstore.Options) { o.Completions = objstore.CompletionsBlind }), history: ended,
			differs: [2]string{"ok", "not found NoSuchUpload"},
		},
		objstore.UploadsByKey: {
			with: with(func(o *objstore.Options) { o.UploadsByKey = true }),
			history: func(b *bench) []string {
				b.parts()
				found := b.list(objstore.KindListUploads, "", "", "").Uploads.Uploads
				whole := b.list(objstore.KindListUploads, "k", "", "").Uploads.Uploads
				return []string{strings.Repeat("upload ", len(found)), strings.Repeat("upload ", len(whole))}
			},
			differs: [2]string{"", "upload "},
		},
		objstore.UploadsByTime: {
			with: with(func(o *objstore.Options) { o.UploadsByTime = true }),
			history: func(b *bench) []string {
				ordered := "by id"
				for range 8 {
					b.parts()
				}
				last := ""
				for _, u := range b.list(objstore.KindListUploads, "", "", "").Uploads.Uploads {
					if u.ID < last {
						ordered = "by time"
					}
					last = u.ID
				}
				return []string{ordered}
			},
			differs: [2]string{"by time", "by id"},
		},
		objstore.KeyMarkers: {
			with: with(func(o *objstore.Options) { o.KeyMarkers = true }),
			history: func(b *bench) []string {
				id, _ := b.parts()
				return []string{code(b.list(objstore.KindListUploads, "", "k", id)), code(b.list(objstore.KindListUploads, "", "k", ""))}
			},
			differs: [2]string{"invalid InvalidArgument", "ok"},
		},
		objstore.InclusiveMarkers: {
			with: with(func(o *objstore.Options) { o.InclusiveMarkers = true }),
			history: func(b *bench) []string {
				id, _ := b.parts()
				b.parts()
				found := b.list(objstore.KindListUploads, "", "k", id).Uploads.Uploads
				return []string{strings.Repeat("upload ", len(found))}
			},
			differs: [2]string{"upload upload ", "upload "},
		},
		objstore.Unordered: {
			with: with(func(o *objstore.Options) { o.Unordered = true }),
			history: func(b *bench) []string {
				var keys []string
				for _, key := range []string{"a", "b", "c", "d"} {
					b.put(key, "", env.Always)
				}
				for _, obj := range b.list(objstore.KindList, "", "", "").Listing.Objects {
					keys = append(keys, obj.Key)
				}
				require.Len(b, keys, 4)
				return []string{strings.Join(keys, " ")}
			},
			differs: [2]string{"a c b d", "a b c d"},
		},
	}
	for i := range (objstore.Shown{}) {
		trait := objstore.Trait(i)
		t.Run(trait.String(), func(t *testing.T) {
			row, described := rows[trait]
			require.True(t, described, "a trait that no row shows")
			if row.without == (objstore.Options{}) {
				row.without = plain
			}
			has, lacks := &bench{t, objstore.New(row.with)}, &bench{t, objstore.New(row.without)}
			answers, others := row.history(has), row.history(lacks)
			require.Equal(t, row.differs, [2]string{answers[0], others[0]})
			require.Equal(t, others[1:], answers[1:], "what the trait does not change")
			require.Positive(t, has.store.Shown()[trait], "the trait was counted")
			require.Zero(t, lacks.store.Shown()[trait], "nothing is counted without it")
		})
	}
}

// A write is under way for a second at most, also where nobody asks the store for
// anything: a caller that waits for it would wait for ever.
func TestContentionEnds(t *testing.T) {
	var now time.Duration
	b := bench{t, objstore.New(objstore.Options{Contention: 30})}
	b.store.Now = func() time.Duration { return now }
	b.put("a", "", env.Always)
	now = time.Second
	require.Equal(t, "unavailable ConditionalRequestConflict", code(b.put("a", "", env.IfAbsent)))
	now++
	require.Equal(t, "conflict PreconditionFailed", code(b.put("a", "", env.IfAbsent)))
}
