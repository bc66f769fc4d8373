package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

// rule is one rule for what a failure means, and the failure that a network or a
// store between shows it with.
type rule struct {
	rule  string
	calls []string // "" is all
	fault fault
	// effect and read are the classes that a call with an effect, and one without,
	// is told of.
	effect, read env.Class
	applied      bool // the effect happened nevertheless
	// requests are sent by one call with an effect; 0 means 1. Below 0 they are not
	// counted: the transport repeats a read whose connection broke.
	requests int
}

// bodied are the calls whose answers have a body that tells the code of an error,
// and no class of their own for a missing object.
var bodied = []string{"put", "get", "list", "create_upload", "upload_part", "complete_upload", "list_uploads"}

// says answers with a status and a code, and lets nothing through.
func says(status int, code string) fault {
	return func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
		s3test.Fail(rw, status, code)
	}
}

// after lets the store handle the request, and answers otherwise.
func after(then func(rw http.ResponseWriter)) fault {
	return func(rw http.ResponseWriter, _ *http.Request, handle func() *httptest.ResponseRecorder) {
		handle()
		then(rw)
	}
}

// status is an answer without a word, as a proxy gives it.
func status(code int) func(rw http.ResponseWriter) {
	return func(rw http.ResponseWriter) { rw.WriteHeader(code) }
}

// reset breaks the connection with a reset in place of an orderly end.
func reset(rw http.ResponseWriter) {
	conn, _, err := rw.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// cutAfter passes an answer on whose body breaks off.
func cutAfter(bytes int) fault {
	return func(rw http.ResponseWriter, _ *http.Request, handle func() *httptest.ResponseRecorder) {
		answer := handle()
		for name, values := range answer.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes()[:bytes])
		rw.(http.Flusher).Flush()
		hangUp()
	}
}

// headed lets everything through but the HEAD that a call ends with.
func headed(head fault) fault {
	return func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if r.Method == http.MethodHead {
			head(rw, r, handle)
			return
		}
		pass(rw, r, handle)
	}
}

// pass changes nothing.
func pass(rw http.ResponseWriter, _ *http.Request, handle func() *httptest.ResponseRecorder) {
	answer := handle()
	for name, values := range answer.Header() {
		rw.Header()[name] = values
	}
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(answer.Body.Bytes())
}

// anotherObject is a HEAD that shows what somebody else wrote.
func anotherObject(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
	rw.Header().Set("ETag", `"another"`)
	rw.Header().Set("Content-Length", "5")
}

// misleading is an error whose text names codes that are not its own.
func misleading(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
	rw.Header().Set("X-Amz-Request-Id", "1")
	rw.WriteHeader(http.StatusForbidden)
	_, _ = rw.Write([]byte("<Error><Code>AccessDenied</Code><Message>NoSuchKey PreconditionFailed SlowDown 404 412 503</Message></Error>"))
}

const (
	conflict     = env.ClassConflict
	invalid      = env.ClassInvalid
	notFound     = env.ClassNotFound
	unavailable  = env.ClassUnavailable
	undetermined = env.ClassUndetermined
	none         = env.ClassNone
)

// rules are those by which backend/s3 sorts what it gets, one row a rule.
var rules = []rule{
	{rule: "412 PreconditionFailed is a conflict", calls: []string{"put", "complete_upload"}, fault: says(412, "PreconditionFailed"), effect: conflict},
	{rule: "412 without a code is a conflict", calls: []string{"put", "complete_upload"}, fault: says(412, ""), effect: conflict},
	{rule: "409 FileAlreadyExists is a conflict: OSS", calls: []string{"put", "complete_upload"}, fault: says(409, "FileAlreadyExists"), effect: conflict},
	{rule: "409 ConditionalRequestConflict decides nothing", calls: bodied, fault: says(409, "ConditionalRequestConflict"), effect: unavailable, read: unavailable},
	{rule: "409 OperationAborted decides nothing", calls: bodied, fault: says(409, "OperationAborted"), effect: unavailable, read: unavailable},
	{rule: "another 409 is invalid", calls: bodied, fault: says(409, "ObjectParentIsFile"), effect: invalid, read: invalid},
	{rule: "400 is invalid", fault: says(400, "InvalidArgument"), effect: invalid, read: invalid},
	{rule: "400 RequestTimeout is tried again", calls: bodied, fault: says(400, "RequestTimeout"), effect: unavailable, read: unavailable},
	{rule: "400 EntityTooSmall is invalid", calls: []string{"complete_upload"}, fault: says(400, "EntityTooSmall"), effect: invalid},
	{rule: "403 is invalid", fault: says(403, "AccessDenied"), effect: invalid, read: invalid},
	{rule: "403 RequestTimeTooSkewed is tried again", calls: bodied, fault: says(403, "RequestTimeTooSkewed"), effect: unavailable, read: unavailable},
	{rule: "404 NoSuchKey is not found", calls: []string{"get"}, fault: says(404, "NoSuchKey"), read: notFound},
	{rule: "404 NoSuchUpload is not found", calls: []string{"upload_part", "complete_upload"}, fault: says(404, "NoSuchUpload"), effect: notFound},
	{rule: "404 of HEAD has no code and is not found", calls: []string{"head"}, fault: says(404, ""), read: notFound},
	{rule: "404 without a code is nobody's answer", calls: bodied, fault: says(404, ""), effect: unavailable, read: unavailable},
	{rule: "404 NoSuchBucket is not not-found", calls: append([]string{"delete", "abort_upload"}, bodied...), fault: says(404, "NoSuchBucket"), effect: invalid, read: invalid},
	{rule: "404 NoSuchUpload of an abort is success", calls: []string{"abort_upload"}, fault: says(404, "NoSuchUpload"), effect: none},
	{rule: "404 NoSuchKey of a delete is success", calls: []string{"delete"}, fault: says(404, "NoSuchKey"), effect: none},
	{rule: "429 is tried again", fault: says(429, "TooManyRequests"), effect: unavailable, read: unavailable},
	{rule: "503 of the store was not applied", fault: says(503, "SlowDown"), effect: unavailable, read: unavailable},
	{rule: "503 of a proxy may have been applied", fault: after(status(503)), effect: undetermined, read: unavailable, applied: true},
	{rule: "500 may have been applied", fault: after(status(500)), effect: undetermined, read: unavailable, applied: true},
	{rule: "502 may have been applied", fault: after(status(502)), effect: undetermined, read: unavailable, applied: true},
	{rule: "504 may have been applied", fault: after(status(504)), effect: undetermined, read: unavailable, applied: true},
	{rule: "the code counts before the status", calls: bodied, fault: says(500, "SlowDown"), effect: unavailable, read: unavailable},
	{rule: "the text counts for nothing", calls: bodied, fault: misleading, effect: invalid, read: invalid},
	{rule: "200 with an error inside may have been applied", calls: []string{"complete_upload"},
		fault: after(func(rw http.ResponseWriter) { s3test.Fail(rw, 200, "InternalError") }), effect: undetermined, applied: true},
	{rule: "a lost request may have been applied", fault: loseRequest, effect: undetermined, read: unavailable},
	{rule: "a lost reply was applied, and nobody knows", fault: loseReply, effect: undetermined, read: unavailable, applied: true},
	{rule: "a reset connection is no answer", fault: after(reset), effect: undetermined, read: unavailable, applied: true},
	{rule: "a reset before the request is read is no answer", fault: func(rw http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) { reset(rw) }, effect: undetermined, read: unavailable},
	{rule: "half a status line is no answer", fault: cutHeader, effect: undetermined, read: unavailable, applied: true},
	{rule: "half an answer in XML is no answer", calls: []string{"list", "create_upload", "complete_upload", "list_uploads"}, fault: cutAfter(20), effect: undetermined, read: unavailable, applied: true},
	{rule: "a body without a byte is no answer", calls: []string{"get"}, fault: cutAfter(0), read: unavailable},
	{rule: "a cut body is what came", calls: []string{"get"}, fault: cutAfter(6), read: none},
	{rule: "a completion ends with a HEAD for the size", calls: []string{"complete_upload"}, fault: pass, effect: none, applied: true, requests: 2},
	{rule: "a completion's HEAD without an answer leaves it undetermined", calls: []string{"complete_upload"}, fault: headed(loseRequest), effect: undetermined, applied: true, requests: -1},
	{rule: "a completion's HEAD that is refused leaves it undetermined", calls: []string{"complete_upload"}, fault: headed(says(503, "")), effect: undetermined, applied: true, requests: 2},
	{rule: "a completion whose object is not there did nothing", calls: []string{"complete_upload"}, fault: headed(says(404, "")), effect: notFound, applied: true, requests: 2},
	{rule: "a completion whose ETag another object hides did nothing", calls: []string{"complete_upload"}, fault: headed(anotherObject), effect: notFound, applied: true, requests: 2},
	{rule: "416 is no bytes, and a HEAD for the object", calls: []string{"get_past_end"}, fault: pass, read: none, requests: 2},
	{rule: "416 of an object that is gone by now is not found", calls: []string{"get_past_end"}, fault: headed(says(404, "")), read: notFound, requests: 2},
	{rule: "416 whose HEAD gets no answer is tried again", calls: []string{"get_past_end"}, fault: headed(loseRequest), read: unavailable, requests: 2},
	{rule: "a length of 0 is a HEAD", calls: []string{"get_nothing"}, fault: func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if r.Method == http.MethodHead {
			pass(rw, r, handle)
			return
		}
		s3test.Fail(rw, 400, "InvalidArgument")
	}, read: none},
	{rule: "a page of uploads begins behind a key, and in none", calls: []string{"list_uploads_after"}, fault: func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if r.URL.Query().Has("upload-id-marker") {
			s3test.Fail(rw, 400, "InvalidArgument")
			return
		}
		pass(rw, r, handle)
	}, read: none, requests: 2},
	{rule: "no request has a checksum trailer", requests: -1, fault: func(rw http.ResponseWriter, r *http.Request, handle func() *httptest.ResponseRecorder) {
		if r.Header.Get("X-Amz-Trailer") != "" || r.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "" || len(r.TransferEncoding) > 0 {
			s3test.Fail(rw, 400, "NotImplemented")
			return
		}
		pass(rw, r, handle)
	}, effect: none, read: none, applied: true},
}

// others are calls of a shape that only some rules are about.
var others = []call{
	{"get_past_end", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		body, obj, err := c.Get(ctx, "there", 99, 5)
		if err == nil && (len(body) > 0 || obj.Size != int64(len("a body to read"))) {
			return fmt.Errorf("%q of %d", body, obj.Size)
		}
		return err
	}},
	{"get_nothing", false, func(ctx context.Context, c env.Objects, _ string, _ env.Part) error {
		body, obj, err := c.Get(ctx, "there", 3, 0)
		if err == nil && (len(body) > 0 || obj.Size != int64(len("a body to read"))) {
			return fmt.Errorf("%q of %d", body, obj.Size)
		}
		return err
	}},
	{"list_uploads_after", false, func(ctx context.Context, c env.Objects, id string, _ env.Part) error {
		page, err := c.ListUploads(ctx, "", "k", "", 10)
		if err == nil && len(page.Uploads) > 0 {
			return fmt.Errorf("%v follow the key k", page.Uploads)
		}
		if err == nil {
			_, err = c.ListUploads(ctx, "k", "k", id[:1], 10)
		}
		return err
	}},
}

// TestRules: every rule, for every call that it is about.
func TestRules(t *testing.T) {
	ran := 0
	for _, rule := range rules {
		for _, c := range slices.Concat(calls, others) {
			isOther := slices.ContainsFunc(others, func(o call) bool { return o.name == c.name })
			if len(rule.calls) > 0 && !slices.Contains(rule.calls, c.name) || len(rule.calls) == 0 && isOther {
				continue
			}
			ran++
			t.Run(rule.rule+"/"+c.name, func(t *testing.T) {
				w := newWorld(t, s3.Config{})
				w.fault = rule.fault
				err := c.do(t.Context(), w.objects, w.upload, w.part)
				want := rule.read
				if c.effect {
					want = rule.effect
				}
				require.Equal(t, want, env.ClassOf(err), "%v", err)
				require.Equal(t, rule.applied && c.effect, w.applied(), "whether it happened")
				if c.effect && rule.requests >= 0 {
					require.Equal(t, int32(max(rule.requests, 1)), w.seen.Load(), "requests")
				}
			})
		}
	}
	require.Greater(t, ran, 200)
	fmt.Printf("rules: %d rules, %d calls\n", len(rules), ran)
}

// TestRulesOfConnections: what is known of a request that found no server, or a
// caller who did not wait.
func TestRulesOfConnections(t *testing.T) {
	free, err := loopback.Addresses(1)
	require.NoError(t, err)
	closed := "http://" + free[0]
	for name, endpoint := range map[string]string{
		"nobody listens": closed, "no such host": "http://host.invalid:" + strconv.Itoa(1), "no TLS there": "",
	} {
		t.Run(name, func(t *testing.T) {
			if endpoint == "" {
				plain := httptest.NewServer(http.NotFoundHandler())
				plain.Config.ErrorLog = discard
				t.Cleanup(plain.Close)
				endpoint = "https" + plain.URL[len("http"):]
			}
			objects := open(t, s3.Config{Endpoint: endpoint})
			for _, call := range calls {
				err := call.do(t.Context(), objects, "id", env.Part{Number: 1, ETag: "x"})
				require.Equal(t, unavailable, env.ClassOf(err), "%s was not sent: %v", call.name, err)
			}
		})
	}
	t.Run("the caller's deadline", func(t *testing.T) {
		late := errors.New("late")
		for _, call := range calls {
			w := newWorld(t, s3.Config{})
			w.fault = silent
			ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, late)
			err := call.do(ctx, w.objects, w.upload, w.part)
			cancel()
			require.ErrorIs(t, err, late, call.name)
			if call.effect {
				require.Equal(t, undetermined, env.ClassOf(err), "%s: %v", call.name, err)
			}
		}
	})
}
