// Package s3test serves the in-memory object store over HTTP, in S3's words: an
// S3 server for tests whose ledger tells afterwards what was applied. It knows
// the calls of env.Objects and no others, one bucket, in path style. It checks
// no signature, but the digest of the body that the signature covers.
package s3test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// Server is a handler of HTTP requests. Any number may be served at once.
type Server struct {
	// Bucket is the one bucket's name.
	Bucket string
	// Page is the most entries on a page of a listing; 0 means 1000.
	Page int
	// Handled, if not nil, is called for each request that the store has handled,
	// one at a time, before it is answered. An error ends the connection without an
	// answer.
	Handled func(req *objstore.Request, resp *objstore.Response) error

	mu    sync.Mutex
	store *objstore.Store
}

// New returns a server of a store, which nobody else may use meanwhile.
func New(bucket string, store *objstore.Store) *Server {
	return &Server{Bucket: bucket, store: store}
}

// Effects returns the store's ledger so far.
func (s *Server) Effects() []objstore.Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.store.Effects)
}

// statuses are the codes whose status is not 400.
var statuses = map[string]int{
	"PreconditionFailed": http.StatusPreconditionFailed,
	"FileAlreadyExists":  http.StatusConflict,
	"NoSuchKey":          http.StatusNotFound,
	"NoSuchUpload":       http.StatusNotFound,
	"NoSuchBucket":       http.StatusNotFound,
	"NotImplemented":     http.StatusNotImplemented,
	"InvalidRange":       http.StatusRequestedRangeNotSatisfiable,

	"ConditionalRequestConflict": http.StatusConflict,
	"OperationAborted":           http.StatusConflict,
	"ObjectParentIsFile":         http.StatusConflict,
	"ExistingObjectIsDirectory":  http.StatusConflict,
	"MissingContentLength":       http.StatusLengthRequired,
	"InternalError":              http.StatusInternalServerError,
}

// Fail answers with an error.
func Fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amz-Request-Id", "1")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if code != "" {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>refused</Message></Error>", code)
	}
}

func fail(w http.ResponseWriter, code string) {
	status, known := statuses[code]
	if !known {
		status = http.StatusBadRequest
	}
	Fail(w, status, code)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	sum := sha256.Sum256(body)
	if want := r.Header.Get("X-Amz-Content-Sha256"); want != hex.EncodeToString(sum[:]) {
		fail(w, "XAmzContentSHA256Mismatch")
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != s.Bucket {
		fail(w, "NoSuchBucket")
		return
	}
	query := r.URL.Query()
	req, code := parse(r, key, query, body)
	if code != "" {
		fail(w, code)
		return
	}
	if s.Page > 0 && req.Limit > s.Page {
		req.Limit = s.Page
	}
	var resp objstore.Response
	s.mu.Lock()
	s.store.Handle(&req, &resp)
	if s.Handled != nil {
		err = s.Handled(&req, &resp)
	}
	s.mu.Unlock()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if resp.Err != env.ClassNone {
		fail(w, resp.Code)
		return
	}
	answer(w, &req, &resp, query.Get("encoding-type") == "url")
}

// parse reads a request, or returns the code of what is wrong with it.
func parse(r *http.Request, key string, query url.Values, body []byte) (req objstore.Request, code string) {
	req = objstore.Request{Key: key, Body: body, UploadID: query.Get("uploadId"), Cond: condition(r.Header)}
	switch {
	case key == "" && r.Method == http.MethodGet && query.Has("uploads"):
		req.Kind, req.Key = objstore.KindListUploads, query.Get("prefix")
		req.After, req.AfterID = query.Get("key-marker"), query.Get("upload-id-marker")
		req.Limit, _ = strconv.Atoi(query.Get("max-uploads"))
	case key == "" && r.Method == http.MethodGet && query.Get("list-type") == "2":
		req.Kind, req.Key, req.After = objstore.KindList, query.Get("prefix"), query.Get("start-after")
		req.Limit, _ = strconv.Atoi(query.Get("max-keys"))
	case key == "":
		return req, "NotImplemented"
	case r.Method == http.MethodPut && query.Has("partNumber"):
		req.Kind = objstore.KindUploadPart
		req.Number, _ = strconv.Atoi(query.Get("partNumber"))
	case r.Method == http.MethodPut:
		req.Kind = objstore.KindPut
	case r.Method == http.MethodPost && query.Has("uploads"):
		req.Kind = objstore.KindCreateUpload
	case r.Method == http.MethodPost && query.Has("uploadId"):
		req.Kind = objstore.KindCompleteUpload
		return req, parseParts(body, &req)
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		req.Kind = objstore.KindAbortUpload
	case r.Method == http.MethodDelete:
		req.Kind = objstore.KindDelete
	case r.Method == http.MethodHead:
		req.Kind = objstore.KindHead
	case r.Method == http.MethodGet:
		req.Kind = objstore.KindGet
		req.Offset, req.Length = parseRange(r.Header.Get("Range"))
	default:
		return req, "NotImplemented"
	}
	return req, ""
}

// condition reads If-None-Match, OSS's word for it, and If-Match.
func condition(h http.Header) env.Condition {
	switch {
	case h.Get("If-None-Match") == "*" || h.Get("X-Oss-Forbid-Overwrite") == "true":
		return env.IfAbsent
	case h.Get("If-Match") != "":
		return env.IfMatch(strings.Trim(h.Get("If-Match"), `"`))
	}
	return env.Always
}

func parseParts(body []byte, req *objstore.Request) (code string) {
	var list struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &list); err != nil {
		return "MalformedXML"
	}
	for _, p := range list.Part {
		req.Parts = append(req.Parts, env.Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`)})
	}
	return ""
}

// parseRange reads "bytes=5-9" and "bytes=5-"; without a range all is meant.
func parseRange(text string) (offset, length int64) {
	first, last, _ := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	offset, _ = strconv.ParseInt(first, 10, 64)
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return offset, -1
	}
	return offset, end - offset + 1
}

func answer(w http.ResponseWriter, req *objstore.Request, resp *objstore.Response, encode bool) {
	h := w.Header()
	h.Set("X-Amz-Request-Id", "1")
	switch req.Kind {
	case objstore.KindPut:
		h.Set("ETag", quote(resp.Object.ETag))
	case objstore.KindUploadPart:
		h.Set("ETag", quote(resp.Part.ETag))
	case objstore.KindHead:
		h.Set("ETag", quote(resp.Object.ETag))
		h.Set("Content-Length", strconv.FormatInt(resp.Object.Size, 10))
	case objstore.KindGet:
		answerGet(w, req, resp)
	case objstore.KindDelete, objstore.KindAbortUpload:
		w.WriteHeader(http.StatusNoContent)
	case objstore.KindCreateUpload:
		writeXML(w, initiated{UploadId: resp.UploadID})
	case objstore.KindCompleteUpload:
		writeXML(w, completed{ETag: quote(resp.Object.ETag)})
	case objstore.KindList:
		writeXML(w, listingOf(resp, encode))
	case objstore.KindListUploads:
		writeXML(w, uploadsOf(resp, encode))
	}
}

// answerGet answers a range that has no byte with 416, as S3 does.
func answerGet(w http.ResponseWriter, req *objstore.Request, resp *objstore.Response) {
	ranged := req.Offset > 0 || req.Length >= 0
	if ranged && len(resp.Body) == 0 {
		fail(w, "InvalidRange")
		return
	}
	w.Header().Set("ETag", quote(resp.Object.ETag))
	w.Header().Set("Content-Length", strconv.Itoa(len(resp.Body)))
	if ranged {
		last := req.Offset + int64(len(resp.Body)) - 1
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", req.Offset, last, resp.Object.Size))
		w.WriteHeader(http.StatusPartialContent)
	}
	io.Copy(w, bytes.NewReader(resp.Body))
}

func quote(etag string) string { return `"` + etag + `"` }

type (
	initiated struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadId string
	}
	completed struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}
	listing struct {
		XMLName      xml.Name `xml:"ListBucketResult"`
		EncodingType string   `xml:",omitempty"`
		IsTruncated  bool
		Contents     []entry
	}
	entry struct {
		Key  string
		ETag string
		Size int64
	}
	uploads struct {
		XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
		EncodingType       string   `xml:",omitempty"`
		IsTruncated        bool
		NextKeyMarker      string
		NextUploadIdMarker string
		Upload             []upload
	}
	upload struct{ Key, UploadId string }
)

// text encodes a key if that was asked for.
func text(key string, encode bool) string {
	if encode {
		return url.QueryEscape(key)
	}
	return key
}

func encoding(encode bool) string {
	if encode {
		return "url"
	}
	return ""
}

func listingOf(resp *objstore.Response, encode bool) listing {
	page := listing{IsTruncated: resp.Listing.More, EncodingType: encoding(encode)}
	for _, obj := range resp.Listing.Objects {
		page.Contents = append(page.Contents, entry{text(obj.Key, encode), quote(obj.ETag), obj.Size})
	}
	return page
}

func uploadsOf(resp *objstore.Response, encode bool) uploads {
	page := uploads{IsTruncated: resp.Uploads.More, EncodingType: encoding(encode)}
	for _, u := range resp.Uploads.Uploads {
		page.Upload = append(page.Upload, upload{text(u.Key, encode), u.ID})
		page.NextKeyMarker, page.NextUploadIdMarker = text(u.Key, encode), u.ID
	}
	return page
}

func writeXML(w http.ResponseWriter, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}
