package s3_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// call is one call of env.Objects on a bucket where the object "there", the
// upload of "k" and its part are.
type call struct {
	name   string
	effect bool
	do     func(ctx context.Context, c env.Objects, id string, part env.Part) error
}

var calls = []call{
	{"put", true, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, err := c.Put(ctx, "new", []byte("some body"), env.IfAbsent)
		return err
	}},
	{"get", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, _, err := c.Get(ctx, "there", 0, -1)
		return err
	}},
	{"head", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, err := c.Head(ctx, "there")
		return err
	}},
	{"list", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, err := c.List(ctx, "", "", 10)
		return err
	}},
	{"delete", true, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		return c.Delete(ctx, "there")
	}},
	{"create_upload", true, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, err := c.CreateUpload(ctx, "new")
		return err
	}},
	{"upload_part", true, func(ctx context.Context, c env.Objects, id string, _ env.Part) error {
		_, err := c.UploadPart(ctx, "k", id, 2, []byte("some body"))
		return err
	}},
	{"complete_upload", true, func(ctx context.Context, c env.Objects, id string, part env.Part) error {
		_, err := c.CompleteUpload(ctx, "k", id, []env.Part{part}, env.IfAbsent)
		return err
	}},
	{"abort_upload", true, func(ctx context.Context, c env.Objects, id string, _ env.Part) error {
		return c.AbortUpload(ctx, "k", id)
	}},
	{"list_uploads", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		_, err := c.ListUploads(ctx, "", "", "", 10)
		return err
	}},
}

// network stands between the client and the server. It does to each request what
// fault says, once that is set.
type network struct {
	server *s3test.Server
	fault  fault
	seen   atomic.Int32
}

// fault answers a request, or does not. handle lets the server have it.
type fault func(w http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder)

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.fault == nil {
		n.server.ServeHTTP(w, r)
		return
	}
	n.seen.Add(1)
	n.fault(w, r, func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		n.server.ServeHTTP(answer, r)
		return answer
	})
}

// world is one bucket behind a network.
type world struct {
	*network
	objects env.Objects
	upload  string
	part    env.Part
	before  int // effects of the preparation
}

func newWorld(t *testing.T, cfg s3.Config) *world {
	n := &network{server: s3test.New(bucket, objstore.New(objstore.Options{}))}
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	cfg.Endpoint = server.URL
	w := &world{network: n, objects: open(t, s3.Config{Endpoint: server.URL})} // with time enough
	_, err := w.objects.Put(t.Context(), "there", []byte("a body to read"), env.Always)
	require.NoError(t, err)
	w.upload, err = w.objects.CreateUpload(t.Context(), "k")
	require.NoError(t, err)
	w.part, err = w.objects.UploadPart(t.Context(), "k", w.upload, 1, []byte("a part"))
	require.NoError(t, err)
	w.before = len(n.server.Effects())
	w.objects = open(t, cfg)
	return w
}

// applied reports whether anything changed since the preparation.
func (w *world) applied() bool { return len(w.server.Effects()) > w.before }

// hangUp ends the connection without an answer, or in the middle of one.
func hangUp() { panic(http.ErrAbortHandler) }

func loseRequest(http.ResponseWriter, *http.Request, func() *httptest.ResponseRecorder) { hangUp() }

func loseReply(_ http.ResponseWriter, _ *http.Request, handle func() *httptest.ResponseRecorder) {
	handle()
	hangUp()
}

// cutHeader answers with half of a status line.
func cutHeader(w http.ResponseWriter, _ *http.Request, handle func() *httptest.ResponseRecorder) {
	handle()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = conn.Write([]byte("HTTP/1.1 20"))
		conn.Close()
	}
}

// silent never answers. The request's end is the client's.
func silent(_ http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
	handle()
	<-r.Context().Done()
	hangUp()
}

// stranger is a 200 that no S3 server wrote.
func stranger(w http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
	_, _ = w.Write([]byte("<html><body>Please sign in</body></html>"))
}

// damaged changes a body on its way to the server.
func damaged(w http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
	r.Body = http.NoBody
	answer := handle()
	s3test.Fail(w, answer.Code, "XAmzContentSHA256Mismatch")
}

// TestNoAnswer: what a caller may conclude when no answer came, for every call
// and every way to get none. effect tells whether the server had the request.
func TestNoAnswer(t *testing.T) {
	for _, row := range []struct {
		name   string
		fault  fault
		effect bool
		slow   bool // ends by the request's time-out
	}{
		{"request lost", loseRequest, false, false},
		{"reply lost", loseReply, true, false},
		{"reply cut in its header", cutHeader, true, false},
		{"no reply in time", silent, true, true},
		{"a stranger's 200", stranger, false, false},
	} {
		for _, call := range calls {
			if row.name == "a stranger's 200" && slices.Contains([]string{"get", "delete", "abort_upload"}, call.name) {
				continue // nothing in these answers tells whose they are
			}
			t.Run(row.name+"/"+call.name, func(t *testing.T) {
				cfg := s3.Config{}
				if row.slow {
					cfg.Timeout = 500 * time.Millisecond
				}
				w := newWorld(t, cfg)
				w.fault = row.fault
				err := call.do(t.Context(), w.objects, w.upload, w.part)
				want := env.ClassUnavailable
				if call.effect {
					want = env.ClassUndetermined
				}
				require.Equal(t, want, env.ClassOf(err), "%v", err)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "not the caller's deadline")
				require.NotErrorIs(t, err, context.Canceled)
				require.Equal(t, row.effect && call.effect, w.applied())
				require.NotContains(t, err.Error(), "\n")
				if call.effect {
					require.Equal(t, int32(1), w.seen.Load(), "an effect is sent once")
				}
			})
		}
	}
}

// TestAnswers: the class of each answer of a store that did not do what it was
// asked, and whether it may have.
func TestAnswers(t *testing.T) {
	both := func(class env.Class) [2]env.Class { return [2]env.Class{class, class} }
	undecided := [2]env.Class{env.ClassUndetermined, env.ClassUnavailable}
	for _, row := range []struct {
		status int
		code   string
		want   [2]env.Class // of an effect, of a read
	}{
		{412, "PreconditionFailed", both(env.ClassConflict)},
		{409, "FileAlreadyExists", both(env.ClassConflict)},
		{409, "ConditionalRequestConflict", both(env.ClassUnavailable)},
		{409, "OperationAborted", both(env.ClassUnavailable)},
		{409, "BucketNotEmpty", both(env.ClassInvalid)},
		{400, "InvalidArgument", both(env.ClassInvalid)},
		{400, "RequestTimeout", both(env.ClassUnavailable)},
		{400, "IncompleteBody", both(env.ClassUnavailable)},
		{400, "BadDigest", both(env.ClassUnavailable)},
		{400, "XAmzContentSHA256Mismatch", both(env.ClassUnavailable)},
		{400, "ExpiredToken", both(env.ClassUnavailable)},
		{403, "AccessDenied", both(env.ClassInvalid)},
		{403, "SignatureDoesNotMatch", both(env.ClassInvalid)},
		{403, "RequestTimeTooSkewed", both(env.ClassUnavailable)},
		{404, "NoSuchBucket", both(env.ClassInvalid)},
		{404, "NoSuchKey", both(env.ClassNotFound)},
		{404, "NoSuchUpload", both(env.ClassNotFound)},
		{404, "", both(env.ClassUnavailable)},
		{405, "MethodNotAllowed", both(env.ClassInvalid)},
		{301, "PermanentRedirect", both(env.ClassInvalid)},
		{429, "TooManyRequests", both(env.ClassUnavailable)},
		{501, "NotImplemented", both(env.ClassInvalid)},
		{503, "SlowDown", both(env.ClassUnavailable)},
		{503, "ServiceUnavailable", both(env.ClassUnavailable)},
		{503, "", both(env.ClassUnavailable)},
		{500, "InternalError", undecided},
		{500, "", undecided},
		{502, "", undecided},
		{504, "", undecided},
		{507, "XMinioStorageFull", undecided},
	} {
		for _, call := range calls {
			t.Run(strconv.Itoa(row.status)+row.code+"/"+call.name, func(t *testing.T) {
				w := newWorld(t, s3.Config{})
				w.fault = func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
					s3test.Fail(rw, row.status, row.code)
				}
				err := call.do(t.Context(), w.objects, w.upload, w.part)
				require.Equal(t, int32(1), w.seen.Load())
				want := row.want[1]
				if call.effect {
					want = row.want[0]
				}
				switch {
				case want == env.ClassNotFound && (call.name == "delete" || call.name == "abort_upload"):
					want = env.ClassNone
				case row.status == 404 && call.name == "head":
					want = env.ClassNotFound // HEAD has no body, so no code
				case call.name == "head":
					want = statusOnly(row.status)
				}
				require.Equal(t, want, env.ClassOf(err), "%v", err)
				require.False(t, w.applied())
			})
		}
	}
}

// statusOnly is the class of HEAD's answer, whose code nobody sees.
func statusOnly(status int) env.Class {
	switch {
	case status == 412:
		return env.ClassConflict
	case status == 429, status >= 500 && status != 501:
		return env.ClassUnavailable
	}
	return env.ClassInvalid
}

// TestDamagedBody: a body that is changed on its way is refused, and the next one
// may come through.
func TestDamagedBody(t *testing.T) {
	for _, call := range calls {
		if call.name != "put" && call.name != "upload_part" && call.name != "complete_upload" {
			continue
		}
		w := newWorld(t, s3.Config{})
		w.fault = damaged
		require.Equal(t, env.ClassUnavailable, env.ClassOf(call.do(t.Context(), w.objects, w.upload, w.part)), call.name)
		require.False(t, w.applied())
	}
}

// TestNoTrust: a server that cannot prove who it is gets no request.
func TestNoTrust(t *testing.T) {
	n := &network{server: s3test.New(bucket, objstore.New(objstore.Options{}))}
	server := httptest.NewUnstartedServer(n)
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	objects := open(t, s3.Config{Endpoint: server.URL})
	for _, call := range calls {
		err := call.do(t.Context(), objects, "id", env.Part{Number: 1, ETag: "x"})
		require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "%s: %v", call.name, err)
	}
	require.Empty(t, n.server.Effects())
}

// TestContextEnds before a call, and while it is under way.
func TestContextEnds(t *testing.T) {
	cause := &env.Error{Class: env.ClassFenced, Op: "lease lost"}
	for _, call := range calls {
		w := newWorld(t, s3.Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		w.fault = func(_ http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
			handle()
			cancel(cause)
			<-r.Context().Done()
			hangUp()
		}
		err := call.do(ctx, w.objects, w.upload, w.part)
		if call.effect {
			require.Equal(t, env.ClassUndetermined, env.ClassOf(err), "%s: %v", call.name, err)
			require.ErrorIs(t, err, cause, call.name)
			require.True(t, w.applied(), call.name)
		} else {
			require.Equal(t, error(cause), err, call.name)
		}
		sent := w.seen.Load()
		require.Equal(t, error(cause), call.do(ctx, w.objects, w.upload, w.part), call.name)
		require.Equal(t, sent, w.seen.Load(), "nothing is sent for a context that has ended")
	}
}

// TestRetriesStayOff, whatever the environment says: with them a conditional put
// whose first reply was lost comes back as a conflict with itself.
func TestRetriesStayOff(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	w := newWorld(t, s3.Config{})
	w.fault = func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if w.seen.Load() == 1 {
			handle()
			hangUp()
		}
		answer := handle()
		s3test.Fail(rw, answer.Code, "PreconditionFailed")
	}
	_, err := w.objects.Put(t.Context(), "new", []byte("x"), env.IfAbsent)
	require.Equal(t, env.ClassUndetermined, env.ClassOf(err), "%v", err)
	require.Equal(t, int32(1), w.seen.Load())
	_, err = w.objects.Put(t.Context(), "new", []byte("x"), env.IfAbsent)
	require.Equal(t, env.ClassConflict, env.ClassOf(err), "the caller's own repetition tells: %v", err)
}

// TestNoTrailers: a plain body with its digest, which every store understands.
func TestNoTrailers(t *testing.T) {
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
	for _, call := range calls {
		w := newWorld(t, s3.Config{})
		w.fault = func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
			for name := range r.Header {
				if strings.HasPrefix(name, "X-Amz-Checksum") || name == "X-Amz-Trailer" || name == "X-Amz-Sdk-Checksum-Algorithm" {
					t.Errorf("%s: header %s", call.name, name)
				}
			}
			if len(r.TransferEncoding) > 0 || r.Header.Get("Content-Encoding") != "" || len(r.Header.Get("X-Amz-Content-Sha256")) != 64 {
				t.Errorf("%s: %v %v", call.name, r.TransferEncoding, r.Header)
			}
			answer := handle()
			for name, values := range answer.Header() {
				rw.Header()[name] = values
			}
			rw.WriteHeader(answer.Code)
			_, _ = rw.Write(answer.Body.Bytes())
		}
		require.NoError(t, call.do(t.Context(), w.objects, w.upload, w.part), call.name)
	}
}

// TestErrorInside200: S3 begins to answer a completion before it knows its end.
func TestErrorInside200(t *testing.T) {
	for code, want := range map[string]env.Class{
		"InternalError": env.ClassUndetermined, "SlowDown": env.ClassUnavailable, "PreconditionFailed": env.ClassConflict,
	} {
		w := newWorld(t, s3.Config{})
		w.fault = func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
			s3test.Fail(rw, http.StatusOK, code)
		}
		_, err := w.objects.CompleteUpload(t.Context(), "k", w.upload, []env.Part{w.part}, env.Always)
		require.Equal(t, want, env.ClassOf(err), "%v", err)
	}
	for _, call := range calls {
		if call.name == "get" || call.name == "delete" || call.name == "abort_upload" {
			continue // a body is what the object holds; a 200 is all that the others say
		}
		w := newWorld(t, s3.Config{})
		w.fault = func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
			s3test.Fail(rw, http.StatusOK, "InternalError")
		}
		want := env.ClassUnavailable
		if call.effect {
			want = env.ClassUndetermined
		}
		require.Equal(t, want, env.ClassOf(call.do(t.Context(), w.objects, w.upload, w.part)), call.name)
	}
}

// TestCutBody: a reader gets what came, and sees that it is short; answers in XML
// count for nothing unless they are whole.
func TestCutBody(t *testing.T) {
	w := newWorld(t, s3.Config{})
	w.fault = cutAfter(6)
	body, obj, err := w.objects.Get(t.Context(), "there", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "a body", string(body))
	require.Equal(t, int64(len("a body to read")), obj.Size)
	body, obj, err = w.objects.Get(t.Context(), "there", 2, 9)
	require.NoError(t, err)
	require.Equal(t, "body t", string(body))
	require.Equal(t, int64(len("a body to read")), obj.Size)
	w.fault = cutAfter(0)
	_, _, err = w.objects.Get(t.Context(), "there", 0, -1)
	require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "%v", err)

	w.fault = cutAfter(20)
	_, err = w.objects.List(t.Context(), "", "", 10)
	require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "%v", err)
	_, err = w.objects.ListUploads(t.Context(), "", "", "", 10)
	require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "%v", err)
	_, err = w.objects.CreateUpload(t.Context(), "new")
	require.Equal(t, env.ClassUndetermined, env.ClassOf(err), "%v", err)
	_, err = w.objects.CompleteUpload(t.Context(), "k", w.upload, []env.Part{w.part}, env.Always)
	require.Equal(t, env.ClassUndetermined, env.ClassOf(err), "%v", err)
	require.True(t, w.applied())
}

// TestRangesNotServed: bytes from elsewhere are worse than none.
func TestRangesNotServed(t *testing.T) {
	w := newWorld(t, s3.Config{})
	w.fault = func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		r.Header.Del("Range")
		answer := handle()
		rw.Header().Set("ETag", answer.Header().Get("ETag"))
		_, _ = rw.Write(answer.Body.Bytes())
	}
	body, obj, err := w.objects.Get(t.Context(), "there", 0, 6)
	require.NoError(t, err)
	require.Equal(t, "a body", string(body))
	require.Equal(t, int64(len("a body to read")), obj.Size)
	_, _, err = w.objects.Get(t.Context(), "there", 2, 4)
	require.Equal(t, env.ClassInvalid, env.ClassOf(err), "%v", err)
}

// TestCompletionIsChecked: a yes is believed if the object is there.
func TestCompletionIsChecked(t *testing.T) {
	credentials(t)
	n := &network{server: s3test.New(bucket, objstore.New(objstore.Options{Completions: objstore.CompletionsBlind}))}
	objects := serve(t, n, s3.Config{Kind: s3.KindPosix})
	ctx := t.Context()
	_, err := objects.Put(ctx, "k", []byte("another's"), env.Always)
	require.NoError(t, err)
	id, err := objects.CreateUpload(ctx, "k")
	require.NoError(t, err)
	part, err := objects.UploadPart(ctx, "k", id, 1, []byte("mine"))
	require.NoError(t, err)
	require.NoError(t, objects.AbortUpload(ctx, "k", id))
	_, err = objects.CompleteUpload(ctx, "k", id, []env.Part{part}, env.Always)
	require.Equal(t, env.ClassNotFound, env.ClassOf(err), "the gateway said yes: %v", err)

	// The yes came, and the look for the object gets no answer.
	id, err = objects.CreateUpload(ctx, "k")
	require.NoError(t, err)
	part, err = objects.UploadPart(ctx, "k", id, 1, []byte("mine"))
	require.NoError(t, err)
	before := len(n.server.Effects())
	n.fault = func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if r.Method == http.MethodHead {
			hangUp()
		}
		answer := handle()
		_, _ = rw.Write(answer.Body.Bytes())
	}
	_, err = objects.CompleteUpload(ctx, "k", id, []env.Part{part}, env.Always)
	require.Equal(t, env.ClassUndetermined, env.ClassOf(err), "%v", err)
	require.Len(t, n.server.Effects(), before+1)
}

// TestInvalidCallsAreNotSent: what can never succeed costs no request.
func TestInvalidCallsAreNotSent(t *testing.T) {
	ctx := t.Context()
	for kind, longest := range map[s3.Kind]int{s3.KindS3: 1024, s3.KindOSS: 1023} {
		w := newWorld(t, s3.Config{Kind: kind})
		w.fault = loseRequest
		c := w.objects
		for _, key := range []string{"", strings.Repeat("k", longest+1)} {
			_, put := c.Put(ctx, key, nil, env.Always)
			_, _, get := c.Get(ctx, key, 0, -1)
			_, head := c.Head(ctx, key)
			_, create := c.CreateUpload(ctx, key)
			_, part := c.UploadPart(ctx, key, "id", 1, nil)
			_, complete := c.CompleteUpload(ctx, key, "id", []env.Part{w.part}, env.Always)
			for _, err := range []error{put, get, head, create, part, complete, c.Delete(ctx, key), c.AbortUpload(ctx, key, "id")} {
				require.Equal(t, env.ClassInvalid, env.ClassOf(err), "%v", err)
			}
		}
		_, _, get := c.Get(ctx, "k", -1, 1)
		_, list := c.List(ctx, "", "", 0)
		_, uploads := c.ListUploads(ctx, "", "", "", 0)
		_, low := c.UploadPart(ctx, "k", "id", 0, nil)
		_, high := c.UploadPart(ctx, "k", "id", 10_001, nil)
		_, none := c.CompleteUpload(ctx, "k", "id", nil, env.Always)
		_, noID := c.UploadPart(ctx, "k", "", 1, nil)
		for _, err := range []error{get, list, uploads, low, high, none, noID, c.AbortUpload(ctx, "k", "")} {
			require.Equal(t, env.ClassInvalid, env.ClassOf(err), "%v", err)
		}
		if kind == s3.KindOSS {
			_, err := c.Put(ctx, "k", nil, env.IfMatch("etag"))
			require.Equal(t, env.ClassInvalid, env.ClassOf(err), "OSS would ignore it: %v", err)
		}
		require.Zero(t, w.seen.Load())
		_, err := c.Head(ctx, strings.Repeat("k", longest))
		require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "this key may be sent: %v", err)
	}
}

// TestStuckListing: a store whose pages lead nowhere is told from an empty one.
func TestStuckListing(t *testing.T) {
	w := newWorld(t, s3.Config{})
	w.fault = func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
		_, _ = rw.Write([]byte("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"))
	}
	_, err := w.objects.ListUploads(t.Context(), "", "", "", 10)
	require.Equal(t, env.ClassInvalid, env.ClassOf(err), "%v", err)
	require.Equal(t, int32(1), w.seen.Load())
}

// TestNothingTellsTheCredentials: not an error, whatever a server echoes.
func TestNothingTellsTheCredentials(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", "token-"+secret)
	texts := new(bytes.Buffer)
	for _, echoes := range []string{"Code", "Message"} {
		w := newWorld(t, s3.Config{})
		w.fault = func(rw http.ResponseWriter, r *http.Request, _ func() *httptest.ResponseRecorder) {
			require.Contains(t, r.Header.Get("X-Amz-Security-Token"), secret)
			said := r.Header.Get("Authorization") + r.Header.Get("X-Amz-Security-Token")
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte("<Error><" + echoes + ">" + said + "</" + echoes + "></Error>"))
		}
		for _, call := range calls {
			err := call.do(t.Context(), w.objects, w.upload, w.part)
			require.Equal(t, env.ClassInvalid, env.ClassOf(err))
			for ; err != nil; err = errors.Unwrap(err) {
				texts.WriteString(err.Error())
			}
		}
	}
	require.NotContains(t, texts.String(), secret)
	require.NotContains(t, texts.String(), "Signature=")
}
