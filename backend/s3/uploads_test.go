package s3_test

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// byTime lists open uploads as S3 does: in the order of their keys, and those of
// one key in the order in which they were opened, whatever their ids. Like some
// gateways it does not know a marker whose upload has ended.
type byTime struct {
	mu      sync.Mutex
	page    int
	uploads []env.Upload
}

func (b *byTime) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := r.URL.Query()
	if r.Method == http.MethodDelete {
		ended := env.Upload{Key: strings.TrimPrefix(r.URL.Path, "/"+bucket+"/"), ID: q.Get("uploadId")}
		b.uploads = slices.DeleteFunc(b.uploads, func(u env.Upload) bool { return u == ended })
		w.WriteHeader(http.StatusNoContent)
		return
	}
	key, id := q.Get("key-marker"), q.Get("upload-id-marker")
	from := slices.Index(b.uploads, env.Upload{Key: key, ID: id}) + 1
	if id != "" && from == 0 {
		s3test.Fail(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	type entry struct{ Key, UploadId string }
	var answer struct {
		XMLName                           xml.Name `xml:"ListMultipartUploadsResult"`
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string
		Upload                            []entry
	}
	limit, _ := strconv.Atoi(q.Get("max-uploads"))
	for _, u := range b.uploads[from:] {
		if id == "" && key != "" && u.Key <= key || !strings.HasPrefix(u.Key, q.Get("prefix")) {
			continue
		}
		if len(answer.Upload) == min(b.page, limit) {
			answer.IsTruncated = true
			break
		}
		answer.Upload = append(answer.Upload, entry{u.Key, u.ID})
		answer.NextKeyMarker, answer.NextUploadIdMarker = u.Key, u.ID
	}
	text, err := xml.Marshal(answer)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}

// TestUploadsInAnyOrder: pages add up to all open uploads, each once, in the order
// of keys and ids, however the store orders a key's uploads and cuts its pages, and
// although those that were listed are aborted on the way.
func TestUploadsInAnyOrder(t *testing.T) {
	server := &byTime{}
	objects := serve(t, server, s3.Config{})
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) env.Upload {
			return env.Upload{
				Key: rapid.SampledFrom([]string{"a", "a/1", "a b", "b"}).Draw(t, "key"),
				ID:  rapid.StringMatching(`[a-d]{1,2}`).Draw(t, "id"),
			}
		}), 0, 12, rapid.ID).Draw(t, "uploads")
		slices.SortStableFunc(drawn, func(a, b env.Upload) int { return strings.Compare(a.Key, b.Key) })
		server.mu.Lock()
		server.uploads, server.page = slices.Clone(drawn), rapid.IntRange(1, 5).Draw(t, "page")
		server.mu.Unlock()
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		var got []env.Upload
		var last env.Upload
		for more := true; more; {
			page, err := objects.ListUploads(ctx, "", last.Key, last.ID, limit)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Uploads), limit)
			if more = page.More; more {
				require.NotEmpty(t, page.Uploads)
			}
			for _, u := range page.Uploads {
				last = u
				if rapid.Bool().Draw(t, "abort") {
					require.NoError(t, objects.AbortUpload(ctx, u.Key, u.ID))
				}
			}
			got = append(got, page.Uploads...)
		}
		want := slices.Clone(drawn)
		slices.SortFunc(want, func(a, b env.Upload) int { return strings.Compare(a.Key+"\x00"+a.ID, b.Key+"\x00"+b.ID) })
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}
